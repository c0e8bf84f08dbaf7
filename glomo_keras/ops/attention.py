"""Messages along graphs that are never held: eq. 1 in blocks."""

import keras
from keras import ops

from glomo_keras.ops.affinity import subtract_mean_score
from glomo_keras.ops.precision import accumulation_dtype
from glomo_keras.ops.precision import raise_precision
from glomo_keras.ops.visibility import check_direction


def squared_relu_attention(
    queries,
    keys,
    values,
    threshold=None,
    direction="forward",
    queries_mask=None,
    keys_mask=None,
    block_size=128,
):
    """Weighted sums of values, the weights being those of `squared_relu_affinity`.

        messages[i] = sum_j relu(s[i, j])^2 values[j] / sum_j relu(s[i, j])^2
        s[i, j] = <queries[i], keys[j]> - threshold[i]

    over the senders j that receiver i may see. The graph exists for `block_size`
    receivers at a time, forward and backward: the gradient recomputes it.

    Blocks need a length that is known when the function is traced; with one that is
    not, all receivers are one block.

    Args:
        queries: float tensor `(batch, ..., length, key_dim)`.
        keys: float tensor of the same shape.
        values: float tensor `(batch, ..., length, value_dim)`.
        threshold: float tensor `(batch, ..., length)`; `"mean"`, the mean score of
            every receiver's visible senders; or `None`, zero.
        direction: `"forward"` or `"backward"`.
        queries_mask: bool tensor `(batch, length)`, `True` at real receivers, or
            `None`.
        keys_mask: bool tensor `(batch, length)`, `True` at real senders, or `None`.
        block_size: int, receivers of a block.

    Returns:
        Float tensor like `values`, zeros where nothing is read; 16-bit types come
        back as float32.

    Raises:
        ValueError: if the direction, the threshold or the size of a block is none of
            these.

    Example:

    >>> queries = keras.ops.ones((1, 3, 1))
    >>> keys = keras.ops.array([[[1.0], [3.0], [0.0]]])
    >>> values = keras.ops.array([[[10.0], [20.0], [30.0]]])
    >>> messages = squared_relu_attention(queries, keys, values)
    >>> keras.ops.convert_to_numpy(messages)[0, :, 0].tolist()  # 0.1 * 10 + 0.9 * 20
    [0.0, 10.0, 19.0]

    Reference: Yang et al., 2018 (arXiv 1806.05662), eq. 1 and the sum of eq. 2.
    """
    of_mean = isinstance(threshold, str)
    if of_mean and threshold != "mean":
        raise ValueError(
            '`threshold` must be a tensor, "mean" or None. Received: '
            f"threshold={threshold!r}."
        )
    operation = SquaredReLUAttention(of_mean, direction, block_size)
    threshold = None if of_mean else threshold
    return operation(queries, keys, values, threshold, queries_mask, keys_mask)


@keras.saving.register_keras_serializable(package="glomo_keras")
class SquaredReLUAttention(keras.Operation):
    """`squared_relu_attention` as an operation, which functional models can hold."""

    def __init__(self, of_mean, direction, block_size, name=None):
        super().__init__(name=name)
        check_direction(direction)
        check_block_size(block_size)
        self.of_mean = of_mean
        self.direction = direction
        self.block_size = block_size

    def call(
        self,
        queries,
        keys,
        values,
        threshold=None,
        queries_mask=None,
        keys_mask=None,
    ):
        queries, keys, values = map(raise_precision, (queries, keys, values))
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
            queries,
            keys,
            values,
            zeros if threshold is None else raise_precision(threshold),
            real,
            of_mean=self.of_mean,
            direction=self.direction,
            block_size=self.block_size,
        )
        return messages if queries_mask is None else _zero(messages, queries_mask)

    def compute_output_spec(self, queries, keys, values, *others):
        return keras.KerasTensor(values.shape, dtype=accumulation_dtype(values.dtype))


def check_block_size(block_size):
    """Raise ValueError unless `block_size` is a positive integer."""
    if not isinstance(block_size, int) or block_size < 1:
        raise ValueError(
            "`block_size` must be a positive integer, the receivers of a block. "
            f"Received: block_size={block_size!r}."
        )


def _attend(queries, keys, values, threshold, real, *, of_mean, direction, block_size):
    length = keys.shape[-2]
    size = block_size if length is None else max(1, min(block_size, length))
    starts = range(0, length, size) if length else [0]
    blocks = []
    for start in starts:
        receivers = slice(start, None if length is None else min(start + size, length))
        senders = slice(0, receivers.stop)
        if direction == "backward":
            senders = slice(start, length)
        blocks.append((receivers, senders))

    def visible(block, real):
        receivers, senders = block
        units = ops.arange(ops.shape(keys)[-2])
        i, j = units[receivers][:, None], units[senders][None, :]
        past = j < i if direction == "forward" else j > i
        return ops.logical_and(past, real[..., None, senders] > 0)

    def excesses(block, seen, queries, keys, threshold):
        """Positive parts of the scores of a block, `(..., receivers, senders)`."""
        receivers, senders = block
        scores = ops.matmul(
            queries[..., receivers, :], ops.swapaxes(keys[..., senders, :], -1, -2)
        )
        scores = (
            subtract_mean_score(scores, seen)
            if of_mean
            else scores - threshold[..., receivers, None]
        )
        return ops.where(seen, ops.relu(scores), 0.0)

    def shares(excess):
        """Parts of a row's largest, that one, and one over the sum of their squares."""
        largest = ops.max(excess, axis=-1, keepdims=True, initial=0.0)
        largest = ops.where(largest > 0, largest, 1.0)
        parts = excess / largest  # squares stay inside the range of the dtype
        total = ops.sum(ops.square(parts), axis=-1, keepdims=True)  # 0, or at least 1
        inverse = ops.where(total > 0, 1.0 / ops.maximum(total, 1.0), 0.0)
        return parts, largest, inverse

    def placed(part, where):
        """A part along the units, zeros elsewhere."""
        if length is None:
            return part
        leading = [(0, 0)] * (len(keys.shape) - 2)
        trailing = [(0, 0)] * (len(part.shape) - len(leading) - 1)
        return ops.pad(part, [*leading, (where.start, length - where.stop), *trailing])

    @ops.custom_gradient
    def function(queries, keys, values, threshold, real):
        messages = []
        in_turn = queries
        for block in blocks:
            seen = visible(block, real)
            excess = excesses(block, seen, in_turn, keys, threshold)
            parts, _, inverse = shares(excess)
            message = ops.matmul(ops.square(parts), values[..., block[1], :]) * inverse
            messages.append(message)
            in_turn = _after(queries, message)
        messages = ops.concatenate(messages, axis=-2)

        def gradient(*args, upstream=None):
            upstream = args[0] if upstream is None else upstream
            to_keys, to_values = ops.zeros_like(keys), ops.zeros_like(values)
            to_queries, to_threshold = [], []
            in_turn = queries
            for block in blocks:
                receivers, senders = block
                seen = visible(block, real)
                excess = excesses(block, seen, in_turn, keys, threshold)
                parts, largest, inverse = shares(excess)
                arriving = upstream[..., receivers, :] * inverse
                values_part = ops.matmul(
                    ops.swapaxes(ops.square(parts), -1, -2), arriving
                )
                # d message / d square[i, j] = (values[j] - message[i]) / sum[i]
                to_squares = ops.matmul(
                    arriving, ops.swapaxes(values[..., senders, :], -1, -2)
                ) - ops.sum(
                    arriving * messages[..., receivers, :], axis=-1, keepdims=True
                )
                to_scores = 2.0 * parts * to_squares / largest
                to_threshold.append(-ops.sum(to_scores, axis=-1))
                if of_mean:
                    number = ops.sum(ops.cast(seen, keys.dtype), -1, keepdims=True)
                    share = to_threshold[-1][..., None] / ops.maximum(number, 1.0)
                    to_scores = to_scores + ops.where(seen, share, 0.0)
                to_queries.append(ops.matmul(to_scores, keys[..., senders, :]))
                keys_part = ops.matmul(
                    ops.swapaxes(to_scores, -1, -2), queries[..., receivers, :]
                )
                to_keys = to_keys + placed(keys_part, senders)
                to_values = to_values + placed(values_part, senders)
                in_turn = _after(queries, to_queries[-1], keys_part, values_part)
            return (
                ops.concatenate(to_queries, axis=-2),
                to_keys,
                to_values,
                ops.concatenate(to_threshold, axis=-1),
                ops.zeros_like(real),
            )

        return messages, gradient

    return function(queries, keys, values, threshold, real)


def _after(tensor, *earlier):
    """`tensor`, which is there once all that is `earlier` is.

    Blocks do not depend on each other: they would be run all at once, and hold the
    memory of all. No compiler knows that nothing exceeds infinity.
    """
    sums = [ops.sum(part, axis=(-2, -1), keepdims=True) for part in earlier]
    never = ops.stop_gradient(sum(sums)) > float("inf")
    return ops.where(never, 0.0, tensor)


def _over_units(mask, tensor):
    """A mask `(batch, length)` for the units of `(batch, ..., length, dim)`."""
    mask = ops.cast(mask, "bool")
    between = (1,) * (len(tensor.shape) - 3)
    batch, length = ops.shape(mask)
    return ops.reshape(mask, (batch, *between, length))


def _zero(tensor, mask):
    return ops.where(mask[..., None], tensor, ops.zeros_like(tensor))
