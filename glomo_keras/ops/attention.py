"""Messages along graphs that are never held: eq. 1 in blocks."""

import dataclasses

import keras
from keras import ops

from glomo_keras.checks import check_rank
from glomo_keras.checks import check_shape
from glomo_keras.checks import positive_integer
from glomo_keras.ops.affinity import center_scores
from glomo_keras.ops.affinity import mean_visible_score
from glomo_keras.ops.entmax import entmax_gradient
from glomo_keras.ops.entmax import entmax_threshold
from glomo_keras.ops.entmax import lowest_score
from glomo_keras.ops.entmax import roots_above
from glomo_keras.ops.ordering import compute_after
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
    bias=None,
):
    """Sum values, weighted as `squared_relu_affinity` weights them.

        messages[i] = sum_j relu(s[i, j])^2 values[j] / sum_j relu(s[i, j])^2
        s[i, j] = <queries[i], keys[j]> + bias[i, j] - threshold[i]

    over the senders j that receiver i may see; or with `threshold="entmax"`, weighted
    as `entmax_affinity` weights them. The graph exists for `block_size`
    receivers at a time, forward and backward: the gradient recomputes it.

    Blocks need a length that is known when the function is traced; with one that is
    not, all receivers are one block.

    Args:
        queries: float tensor `(batch, ..., length, key_dim)`.
        keys: float tensor of the same shape.
        values: float tensor `(batch, ..., length, value_dim)`.
        threshold: float tensor `(batch, ..., length)`; `"mean"`, the mean score of
            every receiver's visible senders; `"entmax"`, the one that is solved for; or
            `None`, zero.
        direction: `"forward"` or `"backward"`.
        queries_mask: bool tensor `(batch, length)`, `True` at real receivers, or
            `None`.
        keys_mask: bool tensor `(batch, length)`, `True` at real senders, or `None`.
        block_size: int, receivers of a block.
        bias: float tensor `(1, ..., length, length)`, added to the scores of all
            samples, or `None`. It is held as a whole, and so is its gradient.

    Returns:
        Float tensor like `values`, zeros where nothing is read; 16-bit types come
        back as float32.

    Raises:
        ValueError: if the direction, the threshold or the size of a block is
            invalid, or the shapes do not fit.
        TypeError: if the size of a block is no integer.

    Example:

    >>> queries = keras.ops.ones((1, 3, 1))
    >>> keys = keras.ops.array([[[1.0], [3.0], [0.0]]])
    >>> values = keras.ops.array([[[10.0], [20.0], [30.0]]])
    >>> messages = squared_relu_attention(queries, keys, values)
    >>> keras.ops.convert_to_numpy(messages)[0, :, 0].tolist()  # 0.1 * 10 + 0.9 * 20
    [0.0, 10.0, 19.0]

    Reference: Yang et al., 2018 (arXiv 1806.05662), eq. 1 and the sum of eq. 2.
    """
    rule = threshold if isinstance(threshold, str) else None
    if rule not in (None, "mean", "entmax"):
        raise ValueError(
            '`threshold` must be a tensor, "mean", "entmax" or None. Received: '
            f"threshold={threshold!r}."
        )
    if rule:
        threshold = None
    shape = check_rank("queries", queries, "batch, ..., length, key_dim")
    check_shape("keys", keys, "queries", shape)
    check_shape("values", values, "queries", (*shape[:-1], None))
    if threshold is not None:
        check_shape("threshold", threshold, "queries", shape[:-1])
    if bias is not None:
        check_shape("bias", bias, "queries", (1, *shape[1:-1], shape[-2]))
    operation = SquaredReLUAttention(rule, direction, block_size)
    return operation(queries, keys, values, threshold, queries_mask, keys_mask, bias)


@keras.saving.register_keras_serializable(package="glomo_keras")
class SquaredReLUAttention(keras.Operation):
    """`squared_relu_attention` as an operation, which functional models can hold.

    Args:
        rule: `"mean"`, `"entmax"`, or `None`, where the threshold is a tensor or zero.
        direction: `"forward"` or `"backward"`.
        block_size: int, receivers of a block.
        name: str or None.
    """

    def __init__(self, rule, direction, block_size, name=None):
        super().__init__(name=name)
        check_direction(direction)
        self.rule = rule
        self.direction = direction
        self.block_size = positive_integer("block_size", block_size)

    def call(
        self,
        queries,
        keys,
        values,
        threshold=None,
        queries_mask=None,
        keys_mask=None,
        bias=None,
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
            zeros if bias is None else raise_precision(bias),
            rule=self.rule,
            has_bias=bias is not None,
            direction=self.direction,
            block_size=self.block_size,
        )
        return messages if queries_mask is None else _zero(messages, queries_mask)

    def compute_output_spec(self, queries, keys, values, *others):
        return keras.KerasTensor(values.shape, dtype=accumulation_dtype(values.dtype))


@dataclasses.dataclass(frozen=True)
class _Block:
    """A range of receivers, and the range of senders that some of them may see."""

    receivers: slice
    senders: slice


def _split_into_blocks(length, block_size, direction):
    """Return a list of `_Block`, a single one where the length is unknown."""
    if length is None:
        return [_Block(slice(None), slice(None))]
    size = max(1, min(block_size, length))
    blocks = []
    for start in range(0, max(length, 1), size):
        stop = min(start + size, length)
        senders = slice(0, stop) if direction == "forward" else slice(start, length)
        blocks.append(_Block(slice(start, stop), senders))
    return blocks


def _visible_pairs_of_block(block, direction, real):
    """Return who reads whom; `real` is 1 at real senders."""
    units = ops.arange(ops.shape(real)[-1])
    receivers, senders = units[block.receivers][:, None], units[block.senders][None]
    visible = senders < receivers if direction == "forward" else senders > receivers
    return ops.logical_and(visible, real[..., None, block.senders] > 0)


def _scale_rows(scores, visible, threshold, rule):
    """Find what rows are shifted and divided by, before they are squared and summed.

    Returns:
        The threshold, found by a rule or as it is given, and the divisor, `(...,
        receivers, 1)`: the largest excess over the threshold, which keeps squares
        inside the range of the dtype; with 1.5-entmax the largest score.
    """
    if rule == "entmax":
        return entmax_threshold(ops.where(visible, scores, lowest_score(scores)))
    if rule == "mean":
        threshold = mean_visible_score(scores, visible)
    excess = _excess_scores(scores, visible, threshold, rule)
    largest = ops.max(excess, axis=-1, keepdims=True, initial=0.0)
    return threshold, ops.where(largest > 0, largest, 1.0)


def _excess_scores(scores, visible, threshold, rule):
    """Compute by how much scores exceed the threshold, and zeros elsewhere."""
    centered = scores - threshold
    if rule == "mean":
        centered = center_scores(scores, threshold)
    return ops.where(visible, ops.relu(centered), 0.0)


def _relative_scores(scores, visible, threshold, largest, rule):
    """Compute the roots of what rows are summed of, from what `_scale_rows` found."""
    if rule == "entmax":
        return ops.where(visible, roots_above(scores, threshold, largest), 0.0)
    return _excess_scores(scores, visible, threshold, rule) / largest


def _pad_to_length(gradient, senders, length):
    """Put the gradient of a block's senders into zeros for all senders."""
    if length is None:
        return gradient
    widths = [(0, 0)] * (len(gradient.shape) - 2)
    return ops.pad(gradient, [*widths, (senders.start, length - senders.stop), (0, 0)])


def _pad_to_rows(gradient, block, length, bias):
    """Put the gradient of a block's scores into rows of that of the bias."""
    gradient = ops.sum(gradient, axis=0, keepdims=True)  # all samples have one bias
    if length is None:
        return gradient
    widths = [(0, 0)] * (len(bias.shape) - 1)
    senders = (block.senders.start, length - block.senders.stop)
    return ops.pad(gradient, [*widths, senders])


def _attend(
    queries,
    keys,
    values,
    threshold,
    real,
    bias,
    *,
    rule,
    has_bias,
    direction,
    block_size,
):
    length = keys.shape[-2]
    blocks = _split_into_blocks(length, block_size, direction)

    def compute_scores(block, queries, keys, real, bias):
        """Return who reads whom, and the scores, of a block."""
        visible = _visible_pairs_of_block(block, direction, real)
        scores = ops.matmul(
            queries[..., block.receivers, :],
            ops.swapaxes(keys[..., block.senders, :], -1, -2),
        )
        if has_bias:
            scores = scores + bias[..., block.receivers, block.senders]
        return visible, scores

    @ops.custom_gradient
    def function(queries, keys, values, threshold, real, bias):
        messages, found = [], []
        ordered_queries = queries
        for block in blocks:
            visible, scores = compute_scores(block, ordered_queries, keys, real, bias)
            given = threshold[..., block.receivers, None]
            above, largest = _scale_rows(scores, visible, given, rule)
            relative = _relative_scores(scores, visible, above, largest, rule)
            message = ops.matmul(ops.square(relative), values[..., block.senders, :])
            inverse_total = 1.0  # the squares of 1.5-entmax sum to one as they are
            if rule != "entmax":
                total = ops.sum(ops.square(relative), axis=-1, keepdims=True)
                # 0, or at least 1
                inverse_total = ops.where(total > 0, 1.0 / ops.maximum(total, 1.0), 0.0)
                message = message * inverse_total
            messages.append(message)
            # The gradient computes scores again, but not what was found of each row.
            found.append((above, largest, inverse_total))
            ordered_queries = compute_after(queries, message)
        messages = ops.concatenate(messages, axis=-2)

        def gradient(*args, upstream=None):
            upstream = args[0] if upstream is None else upstream
            keys_gradient = ops.zeros_like(keys)
            values_gradient = ops.zeros_like(values)
            queries_gradients, threshold_gradients, bias_gradients = [], [], []
            ordered_queries = queries
            for block, of_rows in zip(blocks, found, strict=True):
                above, largest, inverse_total = of_rows
                visible, scores = compute_scores(
                    block, ordered_queries, keys, real, bias
                )
                relative = _relative_scores(scores, visible, above, largest, rule)
                arriving = upstream[..., block.receivers, :] * inverse_total
                d_values = ops.matmul(
                    ops.swapaxes(ops.square(relative), -1, -2), arriving
                )
                # d message / d square[i, j] = (values[j] - message[i]) / sum[i]
                d_squares = ops.matmul(
                    arriving, ops.swapaxes(values[..., block.senders, :], -1, -2)
                ) - ops.sum(
                    arriving * messages[..., block.receivers, :], axis=-1, keepdims=True
                )
                if rule == "entmax":
                    d_scores = entmax_gradient(relative, d_squares)
                else:
                    d_scores = 2.0 * relative * d_squares / largest
                d_threshold = -ops.sum(d_scores, axis=-1)
                if rule == "mean":
                    number = ops.sum(ops.cast(visible, keys.dtype), -1, keepdims=True)
                    share = d_threshold[..., None] / ops.maximum(number, 1.0)
                    d_scores = d_scores + ops.where(visible, share, 0.0)
                d_queries = ops.matmul(d_scores, keys[..., block.senders, :])
                d_keys = ops.matmul(
                    ops.swapaxes(d_scores, -1, -2), queries[..., block.receivers, :]
                )
                queries_gradients.append(d_queries)
                threshold_gradients.append(d_threshold)
                if has_bias:
                    bias_gradients.append(_pad_to_rows(d_scores, block, length, bias))
                keys_gradient += _pad_to_length(d_keys, block.senders, length)
                values_gradient += _pad_to_length(d_values, block.senders, length)
                ordered_queries = compute_after(queries, d_queries, d_keys, d_values)
            return (
                ops.concatenate(queries_gradients, axis=-2),
                keys_gradient,
                values_gradient,
                ops.concatenate(threshold_gradients, axis=-1),
                ops.zeros_like(real),
                ops.concatenate(bias_gradients, axis=-2)
                if has_bias
                else ops.zeros_like(bias),
            )

        return messages, gradient

    return function(queries, keys, values, threshold, real, bias)


def _over_units(mask, tensor):
    """Bring a mask `(batch, length)` to the rank of `(batch, ..., length)`."""
    check_rank("mask", mask, "batch, length")
    mask = ops.cast(mask, "bool")
    between = (1,) * (len(tensor.shape) - 3)
    batch, length = ops.shape(mask)
    return ops.reshape(mask, (batch, *between, length))


def _zero(tensor, mask):
    return ops.where(mask[..., None], tensor, ops.zeros_like(tensor))
