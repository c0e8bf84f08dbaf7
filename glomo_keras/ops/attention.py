"""Messages along graphs that are never held: eq. 1 in blocks."""

import numpy as np
from keras import ops

from glomo_keras.ops.precision import accumulation_dtype
from glomo_keras.ops.precision import raise_precision
from glomo_keras.ops.visibility import check_direction


def squared_relu_attention(
    keys,
    queries,
    values,
    threshold=None,
    tolerance=None,
    direction="forward",
    keys_mask=None,
    queries_mask=None,
    block_size=128,
):
    """Weighted sums of values, the weights being those of `squared_relu_affinity`.

        messages[i] = sum_j relu(s[i, j])^2 values[j] / sum_j relu(s[i, j])^2
        s[i, j] = <queries[i], keys[j]> - threshold[i]

    over the senders j that receiver i may see. The graph exists for `block_size`
    receivers at a time, forward and backward: the gradient recomputes it. Eq. 1 needs
    no maximum, as a softmax does, so numerator and denominator are simply summed.

    Blocks need a length that is known when the function is traced; with one that is
    not, all receivers are one block.

    Args:
        keys: float tensor `(batch, ..., length, key_dim)`.
        queries: float tensor of the same shape.
        values: float tensor `(batch, ..., length, value_dim)`.
        threshold: float tensor `(batch, ..., length)`, or `None`, zero; see
            `mean_threshold`.
        tolerance: float tensor `(batch, ..., length)`, or `None`, zero. Scores that
            exceed the threshold by no more are rounding and count as zero.
        direction: `"forward"` or `"backward"`.
        keys_mask: bool tensor `(batch, length)`, `True` at real senders, or `None`.
        queries_mask: bool tensor `(batch, length)`, or `None`.
        block_size: int, receivers of a block.

    Returns:
        Float tensor like `values`, zeros where nothing is read; 16-bit types come
        back as float32.

    Example:

    >>> keys = keras.ops.array([[[1.0], [3.0], [0.0]]])
    >>> queries = keras.ops.ones((1, 3, 1))
    >>> values = keras.ops.array([[[10.0], [20.0], [30.0]]])
    >>> messages = squared_relu_attention(keys, queries, values)
    >>> keras.ops.convert_to_numpy(messages)[0, :, 0].tolist()  # 0.1 * 10 + 0.9 * 20
    [0.0, 10.0, 19.0]

    Reference: Yang et al., 2018 (arXiv 1806.05662), eq. 1 and the sum of eq. 2.
    """
    check_direction(direction)
    keys, queries, values = map(raise_precision, (keys, queries, values))
    zeros = ops.zeros_like(keys[..., 0])
    real = zeros + 1.0
    if keys_mask is not None:
        keys_mask = _over_units(keys_mask, keys)
        keys, values = _zero(keys, keys_mask), _zero(values, keys_mask)
        real = ops.where(keys_mask, real, zeros)
    if queries_mask is not None:
        queries_mask = _over_units(queries_mask, queries)
        queries = _zero(queries, queries_mask)
    messages = _attend(
        keys,
        queries,
        values,
        zeros if threshold is None else raise_precision(threshold),
        zeros if tolerance is None else ops.stop_gradient(raise_precision(tolerance)),
        real,
        direction=direction,
        block_size=block_size,
    )
    return messages if queries_mask is None else _zero(messages, queries_mask)


def mean_threshold(keys, queries, keys_mask=None, direction="forward"):
    """The mean score of every receiver's visible senders, without the scores.

        threshold[i] = <queries[i], mean of the visible keys>

    Args:
        keys: float tensor `(batch, ..., length, key_dim)`.
        queries: float tensor of the same shape.
        keys_mask: bool tensor `(batch, length)`, `True` at real senders, or `None`.
        direction: `"forward"` or `"backward"`.

    Returns:
        `(threshold, tolerance)`, float tensors `(batch, ..., length)` for
        `squared_relu_attention`; the tolerance is infinite where fewer than two
        senders are visible: nothing exceeds its own mean. 16-bit types come back as
        float32.

    Example:

    >>> keys = keras.ops.array([[[2.0], [4.0], [9.0]]])
    >>> threshold, _ = mean_threshold(keys, keras.ops.ones((1, 3, 1)))
    >>> keras.ops.convert_to_numpy(threshold).tolist()
    [[0.0, 2.0, 3.0]]
    """
    check_direction(direction)
    keys, queries = raise_precision(keys), raise_precision(queries)
    real = ops.ones_like(keys[..., :1])
    if keys_mask is not None:
        keys_mask = _over_units(keys_mask, keys)
        keys, real = _zero(keys, keys_mask), _zero(real, keys_mask)
    number = _sum_of_visible(real, direction)
    mean = _sum_of_visible(keys, direction) / ops.maximum(number, 1.0)
    threshold = ops.sum(queries * mean, axis=-1)
    largest = ops.max(ops.abs(keys), axis=-2, keepdims=True)
    epsilon = float(np.finfo(accumulation_dtype(keys.dtype)).eps)
    tolerance = 8 * epsilon * ops.sum(ops.abs(queries) * largest, axis=-1)
    infinite = ops.full_like(tolerance, float("inf"))
    return threshold, ops.where(number[..., 0] < 2, infinite, tolerance)


def _sum_of_visible(features, direction):
    """Sums over the units before every unit, in its direction."""
    if direction == "backward":
        features = ops.flip(features, axis=-2)
    before = [(0, 0)] * (len(features.shape) - 2) + [(1, 0), (0, 0)]
    # Not the sum up to the unit less the unit itself: that difference is rounded.
    sums = ops.cumsum(ops.pad(features, before), axis=-2)[..., :-1, :]
    return ops.flip(sums, axis=-2) if direction == "backward" else sums


def _attend(
    keys, queries, values, threshold, tolerance, real, *, direction, block_size
):
    length = keys.shape[-2]
    size = length if length is None else max(1, min(block_size, length))
    starts = [0] if length is None else range(0, length, size)
    blocks = []
    for start in starts:
        receivers = slice(start, None if length is None else min(start + size, length))
        senders = slice(0, receivers.stop)
        if direction == "backward":
            senders = slice(start, length)
        blocks.append((receivers, senders))

    def visible(receivers, senders):
        units = ops.arange(ops.shape(keys)[-2])
        i, j = units[receivers][:, None], units[senders][None, :]
        return j < i if direction == "forward" else j > i

    def excesses(block, keys, queries, threshold, tolerance, real):
        """Positive parts of the scores of a block, `(..., receivers, senders)`."""
        receivers, senders = block
        scores = ops.matmul(
            queries[..., receivers, :], ops.swapaxes(keys[..., senders, :], -1, -2)
        )
        scores = scores - threshold[..., receivers, None]
        seen = ops.logical_and(
            visible(receivers, senders), real[..., None, senders] > 0
        )
        above = ops.logical_and(seen, scores > tolerance[..., receivers, None])
        return ops.where(above, scores, 0.0)

    def shares(excess):
        """Squares of a block, and one over their sums; zero where there are none."""
        squares = ops.square(excess)
        total = ops.sum(squares, axis=-1, keepdims=True)
        tiny = float(np.finfo(accumulation_dtype(total.dtype)).tiny)
        divisor = ops.where(total < tiny, ops.ones_like(total), total)
        inverse = ops.where(total < tiny, ops.zeros_like(total), 1.0 / divisor)
        return squares, inverse

    def placed(part, where):
        """A part along the units, zeros elsewhere."""
        if length is None:
            return part
        start, stop = where.start, length if where.stop is None else where.stop
        leading = [(0, 0)] * (len(keys.shape) - 2)
        trailing = [(0, 0)] * (len(part.shape) - len(leading) - 1)
        return ops.pad(part, [*leading, (start, length - stop), *trailing])

    @ops.custom_gradient
    def function(keys, queries, values, threshold, tolerance, real):
        parts = []
        in_turn = queries
        for block in blocks:
            excess = excesses(block, keys, in_turn, threshold, tolerance, real)
            squares, inverse = shares(excess)
            parts.append(ops.matmul(squares, values[..., block[1], :]) * inverse)
            in_turn = _after(queries, parts[-1])
        messages = ops.concatenate(parts, axis=-2)

        def gradient(*args, upstream=None):
            upstream = args[0] if upstream is None else upstream
            to_keys, to_values = ops.zeros_like(keys), ops.zeros_like(values)
            to_queries, to_threshold = [], []
            in_turn = queries
            for block in blocks:
                receivers, senders = block
                excess = excesses(block, keys, in_turn, threshold, tolerance, real)
                squares, inverse = shares(excess)
                arriving = upstream[..., receivers, :] * inverse
                values_part = ops.matmul(ops.swapaxes(squares, -1, -2), arriving)
                # d message / d square[i, j] = (values[j] - message[i]) / sum[i]
                to_squares = ops.matmul(
                    arriving, ops.swapaxes(values[..., senders, :], -1, -2)
                ) - ops.sum(
                    arriving * messages[..., receivers, :], axis=-1, keepdims=True
                )
                to_scores = 2.0 * excess * to_squares
                to_queries.append(ops.matmul(to_scores, keys[..., senders, :]))
                to_threshold.append(-ops.sum(to_scores, axis=-1))
                keys_part = ops.matmul(
                    ops.swapaxes(to_scores, -1, -2), queries[..., receivers, :]
                )
                to_keys = to_keys + placed(keys_part, senders)
                to_values = to_values + placed(values_part, senders)
                in_turn = _after(queries, to_queries[-1], keys_part, values_part)
            return (
                to_keys,
                ops.concatenate(to_queries, axis=-2),
                to_values,
                ops.concatenate(to_threshold, axis=-1),
                ops.zeros_like(tolerance),
                ops.zeros_like(real),
            )

        return messages, gradient

    return function(keys, queries, values, threshold, tolerance, real)


def _after(tensor, *earlier):
    """`tensor`, which is there once all that is `earlier` is.

    Blocks do not depend on each other: they would be run all at once, and hold the
    memory of all. No compiler knows that nothing exceeds infinity.
    """
    largest = [ops.max(part, axis=(-2, -1), keepdims=True) for part in earlier]
    never = ops.stop_gradient(sum(largest)) > float("inf")
    return ops.where(never, 0.0, tensor)


def _over_units(mask, tensor):
    """A mask `(batch, length)` for the units of `(batch, ..., length, dim)`."""
    mask = ops.cast(mask, "bool")
    between = (1,) * (len(tensor.shape) - 3)
    batch, length = ops.shape(mask)
    return ops.reshape(mask, (batch, *between, length))


def _zero(tensor, mask):
    return ops.where(mask[..., None], tensor, ops.zeros_like(tensor))
