"""Whether graphs are relations: what a row owes to its receiver, and how it spreads."""

from keras import ops

from glomo_keras.checks import check_rank
from glomo_keras.ops.affinity import normalize_rows
from glomo_keras.ops.precision import accumulation_dtype

# Distances up to which the weight of rows is summed, in units.
NEAR = (1, 4, 16)

# No products with ones and zeros that broadcast, in all of this file: TensorFlow's
# optimizer of graphs divides by the size of such a factor, and where there are no units
# that ends the process.


def row_specificity(graphs, visible):
    """Compute how far each row is from the mean row of the other receivers.

        rows[i, j]        = graphs[i, j] / sum_j' graphs[i, j']
        lift[i, j]        = rows[i, j] * number of senders that i sees
        salience[i, j]    = mean of lift[i', j] over the other receivers i' that see j
        reference[i, j]   = salience[i, j] / sum_j' salience[i, j']
        specificity[i]    = 1/2 sum_j |rows[i, j] - reference[i, j]|

    with j, j' over the visible senders of i, and i' over receivers whose row is not
    empty. It is the total-variation distance, from 0 to 1: the share of the weight
    that would have to move for the row to be what any receiver would read.

    Receivers see different senders. The lift, a weight by that of an even row, is what
    can be compared between them: even rows have a lift of 1 throughout, and so 0. A row
    has no part in its own reference: the previous unit, which one receiver alone
    reads, is then nobody's salient one. For a sender that no other receiver sees,
    `lift[i, j]` itself stands.

    Args:
        graphs: float tensor `(..., length, length)`, receivers in rows, not negative.
        visible: bool tensor that broadcasts against `graphs`, `True` where the receiver
            may read the sender.

    Returns:
        Float tensor `(..., length)`, zero for empty rows; 16-bit types come back as
        float32.

    Example:

    >>> visible = glomo_keras.ops.visible_pairs(4)
    >>> star = keras.ops.array([[0.0] * 4] + [[1.0, 0, 0, 0]] * 3)
    >>> previous = keras.ops.eye(4, k=-1)
    >>> keras.ops.convert_to_numpy(row_specificity(star, visible)).tolist()
    [0.0, 0.0, 0.0, 0.0]
    >>> float(row_specificity(previous, visible)[2])
    1.0
    """
    rows = normalize_rows(graphs, visible)
    zeros = ops.zeros_like(rows)
    seen = zeros + ops.cast(visible, rows.dtype)
    num_seen = ops.sum(seen, axis=-1, keepdims=True)
    compared = ops.where(ops.any(rows > 0, axis=-1, keepdims=True), seen, zeros)
    even = 1.0 / ops.maximum(num_seen, 1.0)
    lift = rows / even
    # Sums over all receivers, less one's own part.
    others = ops.sum(lift, axis=-2, keepdims=True) - lift
    num_others = ops.sum(compared, axis=-2, keepdims=True) - compared
    salience = ops.maximum(others, 0.0) / ops.maximum(num_others, 1.0)
    salience = seen * ops.where(num_others > 0, salience, lift)
    total = ops.sum(salience, axis=-1, keepdims=True)
    # What others read i may not see at all: nothing is known then, so it reads evenly.
    reference = ops.where(total > 0, salience, seen)
    reference /= ops.maximum(ops.where(total > 0, total, num_seen), 1e-30)
    distance = 0.5 * ops.sum(ops.abs(rows - reference), axis=-1)
    return ops.where(ops.any(rows > 0, axis=-1), distance, ops.zeros_like(distance))


def relation_counts(graphs, visible, distances=None):
    """Sum over rows what tells relations from salience, from even and from local rows.

    Empty rows do not count.

    Args:
        graphs: float tensor `(batch, layers, heads, length, length)`.
        visible: bool tensor `(length, length)` or `(batch, length, length)`.
        distances: int tensor `(length, length)`, between receiver and sender. `None`
            means |i - j|; `glomo_keras.ops.pixel_distances` has those of pixels.

    Returns:
        Dict of float tensors `(batch, layers, heads)`: sums of `"specificity"`, see
        `row_specificity`, over the `"choosing_rows"` (number of those that see two
        senders or more); sums of `"effective_senders"` (1 / sum_j weight_j^2: n for n
        equal ones), of `"visible_senders"`, and of `"within_1"`, `"within_4"` and
        `"within_16"` (share of the weight up to so far away), over the
        `"reading_rows"` (number of all).

    Raises:
        ValueError: if a rank is another.

    Example:

    >>> graphs = keras.ops.array([[[[[0.0, 0, 0], [1, 0, 0], [0.5, 0.5, 0]]]]])
    >>> sums = relation_counts(graphs, glomo_keras.ops.visible_pairs(3))
    >>> float(sums["effective_senders"][0, 0, 0]), float(sums["within_1"][0, 0, 0])
    (3.0, 1.5)
    """
    check_rank("graphs", graphs, "batch, layers, heads, length, length")
    check_rank("visible", visible, "length, length", "batch, length, length")
    if len(visible.shape) == 3:
        visible = visible[:, None, None]
    dtype = accumulation_dtype(graphs.dtype)
    rows = normalize_rows(graphs, visible)
    is_reading = ops.any(rows > 0, axis=-1)  # (batch, layers, heads, i)
    reads = ops.cast(is_reading, dtype)
    num_visible = ops.sum(ops.cast(visible, dtype), axis=-1)
    chooses = ops.cast(ops.logical_and(is_reading, num_visible > 1), dtype)
    squares = ops.sum(ops.square(rows), axis=-1)
    sums = {
        "specificity": chooses * row_specificity(graphs, visible),
        "choosing_rows": chooses,
        "effective_senders": reads / ops.where(reads > 0, squares, 1.0),
        "visible_senders": ops.where(is_reading, num_visible, 0.0),
        "reading_rows": reads,
    }
    if distances is None:
        distances = unit_distances(ops.shape(graphs)[-1])
    for limit in NEAR:
        near = ops.where(distances <= limit, rows, ops.zeros_like(rows))
        sums[f"within_{limit}"] = ops.sum(near, axis=-1)
    return {name: ops.sum(values, axis=-1) for name, values in sums.items()}


def unit_distances(length):
    """Return the distances between the units of a sequence.

    Args:
        length: int or scalar int tensor.

    Returns:
        Int tensor `(length, length)`, |i - j|.

    Example:

    >>> keras.ops.convert_to_numpy(unit_distances(3))[0].tolist()
    [0, 1, 2]
    """
    units = ops.arange(length)
    return ops.abs(units[:, None] - units[None, :])


def pixel_distances(height, width):
    """Return the distances between the pixels of an image in raster order.

        distance = max(|difference of rows|, |difference of columns|)

    Args:
        height: int.
        width: int.

    Returns:
        Int tensor `(height * width, height * width)`.

    Example:

    >>> keras.ops.convert_to_numpy(pixel_distances(2, 3))[0].tolist()
    [0, 1, 2, 1, 1, 2]
    """
    places = ops.arange(height * width)
    rows, columns = places // max(width, 1), places % max(width, 1)
    return ops.maximum(
        ops.abs(rows[:, None] - rows[None, :]),
        ops.abs(columns[:, None] - columns[None, :]),
    )
