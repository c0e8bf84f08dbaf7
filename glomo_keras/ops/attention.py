"""Messages along graphs that are never held: eq. 1 in blocks."""

import keras
from keras import ops

from glomo_keras.checks import check_rank
from glomo_keras.checks import check_shape
from glomo_keras.checks import positive_integer
from glomo_keras.ops.attention_blocks import attend_in_blocks
from glomo_keras.ops.attention_rows import center_keys
from glomo_keras.ops.attention_rows import mean_before
from glomo_keras.ops.attention_rows import row_sizes
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
    block_size=None,
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
        block_size: int, receivers of a block. `None` means 64 for 1.5-entmax, whose
            passes over a block are many, and else 128.
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
        block_size: int, receivers of a block, or `None`.
        name: str or None.
    """

    def __init__(self, rule, direction, block_size, name=None):
        super().__init__(name=name)
        check_direction(direction)
        self.rule = rule
        self.direction = direction
        if block_size is None:
            block_size = 64 if rule == "entmax" else 128
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
        real = ops.ones_like(keys[..., 0])
        if keys_mask is not None:
            mask = _over_units(keys_mask, keys)
            keys, values = _zero(keys, mask), _zero(values, mask)
            real = ops.where(mask, real, ops.zeros_like(real))
        if queries_mask is not None:
            queries_mask = _over_units(queries_mask, queries)
            queries = _zero(queries, queries_mask)
        if bias is not None:
            bias = raise_precision(bias)
        if self.rule == "entmax":
            scale = ops.full_like(queries[..., :1], 0.5)  # it is of halves of scores
            queries = queries * scale
        else:
            queries, keys, scale = self._join_threshold(
                queries, keys, real, threshold, bias
            )
            if self.rule == "mean" and bias is not None:
                # As with keys: equal biases are zeros, and so is their mean.
                first = bias[..., :1] if self.direction == "forward" else bias[..., -1:]
                bias = bias - ops.stop_gradient(first)
        messages = attend_in_blocks(
            queries,
            keys,
            values,
            real,
            scale,
            bias,
            rule=self.rule,
            direction=self.direction,
            block_size=self.block_size,
            has_padding=keys_mask is not None,
        )
        return messages if queries_mask is None else _zero(messages, queries_mask)

    def _join_threshold(self, queries, keys, real, threshold, bias):
        """Return factors whose product has the threshold subtracted, and the scale.

        [queries, -threshold] * scale and [keys, 1]: a column is cheaper than what it
        saves, a pass over the scores. The scale keeps squares inside the range of the
        dtype.
        """
        size = row_sizes(queries, keys, real, self.direction)
        if threshold is not None:
            threshold = raise_precision(threshold)[..., None]
            size = size + ops.abs(threshold)
        if bias is not None:
            largest = ops.maximum(
                ops.max(bias, axis=-1, keepdims=True, initial=0.0),
                -ops.min(bias, axis=-1, keepdims=True, initial=0.0),
            )
            size = size + largest
        # A power of two: the products of scaled numbers are rounded as those of others.
        exponent = ops.floor(ops.log2(ops.where(size > 0, size, 1.0)))
        scale = ops.stop_gradient(ops.power(2.0, -exponent))
        if self.rule == "mean":
            keys = center_keys(keys, real, self.direction)
            mean = mean_before(keys, real, self.direction)
            threshold = ops.sum(queries * mean, axis=-1, keepdims=True)
        if threshold is not None:
            queries = ops.concatenate([queries, -threshold], axis=-1)
            keys = ops.concatenate([keys, real[..., None]], axis=-1)
        return queries * scale, keys, scale

    def compute_output_spec(self, queries, keys, values, *others):
        return keras.KerasTensor(values.shape, dtype=accumulation_dtype(values.dtype))


def _over_units(mask, tensor):
    """Bring a mask `(batch, length)` to the rank of `(batch, ..., length)`."""
    check_rank("mask", mask, "batch, length")
    mask = ops.cast(mask, "bool")
    between = (1,) * (len(tensor.shape) - 3)
    batch, length = ops.shape(mask)
    return ops.reshape(mask, (batch, *between, length))


def _zero(tensor, mask):
    return ops.where(mask[..., None], tensor, ops.zeros_like(tensor))
