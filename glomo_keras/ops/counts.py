"""Counts from which densities, empty rows and dead heads are computed."""

from keras import ops

from glomo_keras.checks import check_rank
from glomo_keras.ops.precision import accumulation_dtype


def graph_counts(graphs, visible):
    """Count active senders and the rows that have none or one.

    Rows in which nothing is visible (the first receiver, padding) do not count.

    Args:
        graphs: float tensor `(batch, layers, heads, length, length)`.
        visible: bool tensor `(length, length)` or `(batch, length, length)`.

    Returns:
        Dict of float tensors `(batch, layers, heads)`: `"active"` (weights that are
        not zero), `"visible"` (pairs that could be active), `"empty_rows"` and
        `"one_sender_rows"` (of the rows that see a sender), `"receivers"` (number
        of those rows).

    Raises:
        ValueError: if a rank is another.

    Example:

    >>> graphs = keras.ops.array([[[[[0.0, 0], [1, 0]]]]])
    >>> counts = graph_counts(graphs, glomo_keras.ops.visible_pairs(2))
    >>> float(counts["active"][0, 0, 0]), float(counts["empty_rows"][0, 0, 0])
    (1.0, 0.0)
    """
    check_rank("graphs", graphs, "batch, layers, heads, length, length")
    check_rank("visible", visible, "length, length", "batch, length, length")
    dtype = accumulation_dtype(graphs.dtype)
    if len(visible.shape) == 2:
        visible = visible[None]
    visible = visible[:, None, None]  # (batch or 1, 1, 1, receivers, senders)
    active = ops.logical_and(graphs > 0, visible)
    senders = ops.sum(ops.cast(active, dtype), axis=-1)  # (batch, layers, heads, i)
    reads = ops.any(visible, axis=-1)

    def count(rows):
        return ops.sum(ops.cast(ops.logical_and(rows, reads), dtype), axis=-1)

    like = ops.zeros_like(ops.sum(senders, axis=-1))
    return {
        "active": ops.sum(senders, axis=-1),
        "visible": like + ops.sum(ops.cast(visible, dtype), axis=(-2, -1)),
        "empty_rows": count(senders == 0),
        "one_sender_rows": count(senders == 1),
        "receivers": like + ops.sum(ops.cast(reads, dtype), axis=-1),
    }
