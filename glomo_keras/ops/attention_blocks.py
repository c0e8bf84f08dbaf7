"""Sums of values along graphs that exist for a block of receivers at a time."""

import numpy as np
from keras import ops

from glomo_keras.ops.attention_rows import number_before
from glomo_keras.ops.blocks import fold
from glomo_keras.ops.blocks import fold_pairs
from glomo_keras.ops.blocks import split_into_blocks
from glomo_keras.ops.blocks import spread_senders
from glomo_keras.ops.blocks import unfold
from glomo_keras.ops.blocks import visible_in_block
from glomo_keras.ops.entmax import entmax_threshold
from glomo_keras.ops.entmax import lowest_score
from glomo_keras.ops.entmax import roots_above
from glomo_keras.ops.ordering import Cut
from glomo_keras.ops.precision import accumulation_dtype


def attend_in_blocks(
    queries,
    keys,
    values,
    real,
    scale,
    bias,
    *,
    rule,
    direction,
    block_size,
    has_padding,
):
    """Sum values, weighted by the squares of a graph's roots.

        messages[i] = sum_j roots[i, j]^2 values[j] / sum_j roots[i, j]^2

        roots[i, j] = relu(<queries[i], keys[j]> + scale[i] bias[i, j])

    over the senders j that receiver i may see. With the rule `"mean"` the mean of the
    visible bias is subtracted from it; with `"entmax"` the roots exceed the threshold
    that is solved for, and their squares sum to one.

    Args:
        queries: float tensor `(batch, ..., length, key_dim)`, scaled.
        keys: float tensor of the same shape, zeros at padded senders.
        values: float tensor `(batch, ..., length, value_dim)`, likewise.
        real: float tensor `(batch, ..., length)`, 1 at real senders and else 0.
        scale: float tensor `(batch, ..., length, 1)`.
        bias: float tensor `(1, ..., length, length)`, or `None`.
        rule: `"mean"`, `"entmax"` or `None`.
        direction: `"forward"` or `"backward"`.
        block_size: int, receivers of a block.
        has_padding: bool, whether any sender may be padded.

    Returns:
        Float tensor like `values`.

    Example:

    >>> units, ones = keras.ops.array([[[1.0], [3.0], [1.0]]]), keras.ops.ones((1, 3))
    >>> messages = attend_in_blocks(
    ...     units, units, units, ones, ones[..., None], None, rule=None,
    ...     direction="forward", block_size=128, has_padding=False)
    >>> round(float(messages[0, 2, 0]), 6)  # 0.1 * 1 + 0.9 * 3
    2.8
    """
    length = keys.shape[-2]
    blocks = split_into_blocks(length, block_size, direction)
    # With most senders first, those of a block are some of those of the one before.
    shrinking = list(enumerate(blocks))[:: -1 if direction == "forward" else 1]
    has_bias = bias is not None
    has_mean_bias = has_bias and rule == "mean"
    smallest_total = _smallest_total(rule, queries.dtype)

    def join(parts):
        """Join what is of the blocks in the order of `shrinking`."""
        parts = parts[:: -1 if direction == "forward" else 1]
        return ops.concatenate(parts, axis=-2)

    def find_roots(queries, keys, scale, bias, shift):
        scores = _product(queries, keys)
        if has_bias:
            scores = scores + scale * bias
        return ops.relu(scores) if shift is None else roots_above(scores, *shift)

    def find_own_roots(queries, keys, scale, bias, shift):
        """Return those of pairs of one block: `(batch, ..., blocks, size, size)`."""
        roots = find_roots(
            fold(queries, blocks),
            fold(keys, blocks),
            fold(scale, blocks),
            fold_pairs(bias, blocks) if has_bias else None,
            None if shift is None else [fold(part, blocks) for part in shift],
        )
        visible = visible_in_block(ops.shape(roots)[-1], direction)
        return ops.where(visible, roots, 0.0)

    def find_far_roots(block, cut, queries, keys, scale, bias, shift):
        return find_roots(
            cut(queries, block.own),
            cut(keys, block.far),
            cut(scale, block.own),
            bias[..., block.own, block.far] if has_bias else None,
            None if shift is None else [cut(part, block.own) for part in shift],
        )

    def attend_squared_relu(queries, keys, values, scale, bias):
        roots = find_own_roots(queries, keys, scale, bias, None)
        of_own = ops.matmul(ops.square(roots), fold(values, blocks))
        of_own = unfold(of_own, blocks)
        summed, last = [], (of_own,)
        for _, block in shrinking:
            if block.far is None:
                summed.append(ops.zeros_like(of_own[..., block.own, :]))
                continue
            cut = Cut(*last)
            roots = find_far_roots(block, cut, queries, keys, scale, bias, None)
            summed.append(ops.matmul(ops.square(roots), cut(values, block.far)))
            last = summed[-1:]
        summed = of_own + join(summed)
        total = summed[..., -1:]
        is_empty = total <= smallest_total
        inverse = ops.where(is_empty, 0.0, 1.0 / ops.where(is_empty, 1.0, total))
        messages = summed[..., :-1] * inverse
        return messages, None, inverse, messages

    def attend_entmax(queries, keys, values, scale, bias):
        messages, centers, shifts = [], [], []
        last = ()
        for _, block in shrinking:
            cut = Cut(*last)
            halves = _product(cut(queries, block.own), cut(keys, block.senders))
            if has_bias:
                of_pairs = bias[..., block.own, block.senders]
                halves = halves + cut(scale, block.own) * of_pairs
            visible = _visible_of_block(block, direction, values[..., -1], has_padding)
            halves = ops.where(visible, halves, lowest_score(halves))
            shift = entmax_threshold(halves)
            roots = roots_above(halves, *shift)
            block_values = cut(values, block.senders)
            message = ops.matmul(ops.square(roots), block_values)[..., :-1]
            weighted = ops.matmul(roots, block_values)
            total = weighted[..., -1:]
            messages.append(message)
            centers.append(weighted[..., :-1] / ops.where(total > 0, total, 1.0))
            shifts.append(shift)
            last = (message,)
        messages, centers, thresholds, largest = (
            join(parts) for parts in (messages, centers, *zip(*shifts, strict=True))
        )
        return messages, (thresholds, largest), 1.0, centers

    def subtract_mean_bias(queries, scale, bias, real, share):
        """Lower the scores of a row by its last query, which is that of all senders."""
        own = fold_pairs(bias, blocks)
        visible = visible_in_block(ops.shape(own)[-1], direction)
        own = ops.where(visible, own, 0.0)
        total = unfold(ops.matmul(own, fold(real[..., None], blocks)), blocks)
        of_far = [
            ops.zeros_like(total[..., block.own, :])
            if block.far is None
            else ops.matmul(bias[..., block.own, block.far], real[..., block.far, None])
            for block in blocks
        ]
        mean = share * (total + ops.concatenate(of_far, axis=-2))
        return ops.concatenate(
            [queries[..., :-1], queries[..., -1:] - scale * mean], axis=-1
        )

    def share_with_senders(block, shares, real):
        """Give every sender of a block the shares of the receivers that see it."""
        visible = _visible_of_block(block, direction, real, has_padding)
        return ops.where(visible, shares, 0.0)

    def join_senders(block, own, far):
        size = block.own.stop and block.own.stop - block.own.start
        parts = [own[..., :size, :size]]
        if far is not None:
            parts.insert(0 if direction == "forward" else 1, far)
        return ops.concatenate([_sum_samples(part) for part in parts], axis=-1)

    attend = attend_entmax if rule == "entmax" else attend_squared_relu

    @ops.custom_gradient
    def function(queries, keys, values, real, scale, bias):
        # Sums of weights come out of the product that sums values.
        values = ops.concatenate([values, real[..., None]], axis=-1)
        if has_mean_bias:
            share = 1.0 / ops.maximum(number_before(real, direction), 1.0)
            queries = subtract_mean_bias(queries, scale, bias, real, share)
        # The gradient computes scores again, but not what was found of each row. A
        # sender's slope is what its value differs from the center by.
        messages, shift, inverse_total, center = attend(
            queries, keys, values, scale, bias
        )

        def gradient(*args, upstream=None):
            upstream = args[0] if upstream is None else upstream
            arriving = upstream * inverse_total
            toward = 2.0 * ops.concatenate(
                [arriving, -ops.sum(arriving * center, axis=-1, keepdims=True)], axis=-1
            )
            roots = find_own_roots(queries, keys, scale, bias, shift)
            slopes = roots * _product(fold(toward, blocks), fold(values, blocks))
            own_queries = ops.matmul(slopes, fold(keys, blocks))
            own_keys = _transposed_product(slopes, fold(queries, blocks))
            own_values = _transposed_product(ops.square(roots), fold(arriving, blocks))
            own_scores = fold(scale, blocks) * slopes
            own_queries, own_keys, own_values = last = [
                unfold(part, blocks) for part in (own_queries, own_keys, own_values)
            ]
            queries_gradients, keys_gradients, values_gradients = [], [], []
            bias_gradients = []
            # What senders have got from blocks that see more.
            rest = [ops.zeros_like(keys), ops.zeros_like(own_values)]
            for index, block in shrinking:
                d_queries = own_queries[..., block.own, :]
                (d_keys, d_values), rest = zip(
                    *(_split_senders(part, block, direction) for part in rest),
                    strict=True,
                )
                far_scores = None
                if block.far is not None:
                    cut = Cut(*last)
                    roots = find_far_roots(
                        block, cut, queries, keys, scale, bias, shift
                    )
                    slopes = roots * _product(
                        cut(toward, block.own), cut(values, block.far)
                    )
                    d_queries = d_queries + ops.matmul(slopes, cut(keys, block.far))
                    rest = (
                        rest[0] + _transposed_product(slopes, cut(queries, block.own)),
                        rest[1]
                        + _transposed_product(
                            ops.square(roots), cut(arriving, block.own)
                        ),
                    )
                    last = (d_queries, *rest)
                    far_scores = cut(scale, block.own) * slopes
                if has_bias:
                    row = join_senders(block, own_scores[..., index, :, :], far_scores)
                    if has_mean_bias:
                        lowered = scale[..., block.own, :] * d_queries[..., -1:]
                        shares = lowered * share[..., block.own, :]
                        row = row - _sum_samples(
                            share_with_senders(block, shares, real)
                        )
                    bias_gradients.append(spread_senders(row, block.senders, length))
                queries_gradients.append(d_queries)
                keys_gradients.append(d_keys)
                values_gradients.append(d_values)

            return (
                join(queries_gradients),
                own_keys + join(keys_gradients),
                own_values + join(values_gradients),
                ops.zeros_like(real),
                ops.zeros_like(scale),
                join(bias_gradients) if has_bias else ops.zeros_like(bias),
            )

        return messages, gradient

    bias = bias if has_bias else ops.zeros((1,), dtype=queries.dtype)
    return function(queries, keys, values, real, scale, bias)


def _split_senders(tensor, block, direction):
    """Split what the senders of a block have got into that of its own and the rest."""
    if block.far is None:
        return tensor, None
    size = block.own.stop - block.own.start
    if direction == "forward":
        return tensor[..., -size:, :], tensor[..., :-size, :]
    return tensor[..., :size, :], tensor[..., size:, :]


def _visible_of_block(block, direction, real, has_padding):
    """Return who reads whom; `real` is 1 at real senders."""
    units = ops.arange(ops.shape(real)[-1])
    receivers, senders = units[block.own][:, None], units[block.senders][None]
    visible = senders < receivers if direction == "forward" else senders > receivers
    if not has_padding:
        return visible
    return ops.logical_and(visible, real[..., None, block.senders] > 0)


def _smallest_total(rule, dtype):
    """Return the sum of squares, relative to the size of scores, of no graph at all.

    Equal scores differ from their mean by rounding alone, which would be scaled up to
    a full row.
    """
    precision = np.finfo(accumulation_dtype(dtype))
    return float((64 * precision.eps) ** 2 if rule == "mean" else precision.tiny)


def _sum_samples(d_scores):
    """Return the gradient of a bias, which all samples have in common."""
    return ops.sum(d_scores, axis=0, keepdims=True)


def _product(rows, columns):
    return ops.matmul(rows, ops.swapaxes(columns, -1, -2))


def _transposed_product(columns, rows):
    return ops.matmul(ops.swapaxes(columns, -1, -2), rows)
