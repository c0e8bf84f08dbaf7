"""What the context decoder predicts, and how likely it is: eq. 3."""

from keras import ops

from glomo_keras.checks import check_rank
from glomo_keras.checks import check_shape
from glomo_keras.checks import positive_integer
from glomo_keras.ops.ordering import compute_after
from glomo_keras.ops.precision import raise_precision
from glomo_keras.ops.visibility import check_direction


def context_targets(
    unit_ids, positions=None, context_length=3, direction="forward", mask=None
):
    """Return the units that follow given positions, nearest first.

        target_ids[b, p, d] = unit_ids[b, positions[p] + d + 1]   (forward)
        target_ids[b, p, d] = unit_ids[b, positions[p] - d - 1]   (backward)

    Args:
        unit_ids: int tensor `(batch, length)`.
        positions: int tensor `(num_positions,)`, each in [0, length), or `None` for
            every position.
        context_length: int, how many units follow.
        direction: `"forward"` or `"backward"`.
        mask: bool tensor `(batch, length)`, `True` at real units, or `None`.

    Returns:
        `(target_ids, valid)`, int and bool tensors `(batch, num_positions,
        context_length)`. A pair is valid if position and target are real units of
        the sequence; elsewhere the id is that of some unit and means nothing.

    Raises:
        ValueError: if the direction is unknown, `context_length` is not positive or a
            shape does not fit.

    Example:

    >>> targets, valid = context_targets(keras.ops.array([[7, 8, 9]]))
    >>> keras.ops.convert_to_numpy(targets[0, 0]).tolist()[:2]
    [8, 9]
    >>> keras.ops.convert_to_numpy(valid[0]).astype(int).tolist()
    [[1, 1, 0], [1, 0, 0], [0, 0, 0]]

    Reference: Yang et al., 2018 (arXiv 1806.05662), eq. 3.
    """
    check_direction(direction)
    context_length = positive_integer("context_length", context_length)
    check_rank("unit_ids", unit_ids, "batch, length")
    if mask is not None:
        check_rank("mask", mask, "batch, length")
    batch, length = ops.shape(unit_ids)
    if positions is None:
        positions = ops.arange(length)
    positions = ops.cast(positions, "int32")
    check_rank("positions", positions, "num_positions")
    steps = ops.arange(1, context_length + 1, dtype="int32")
    steps = steps if direction == "forward" else -steps
    places = positions[:, None] + steps[None, :]  # (num_positions, context_length)
    inside = ops.logical_and(places >= 0, places < length)
    places = ops.clip(places, 0, length - 1)
    # JAX takes an empty table of places for an empty list.
    shape = (batch, *ops.shape(places))
    target_ids = ops.reshape(ops.take(unit_ids, places, axis=1), shape)
    valid = ops.broadcast_to(inside[None], (batch, *ops.shape(inside)))
    if mask is not None:
        mask = ops.cast(mask, "bool")
        real_targets = ops.reshape(ops.take(mask, places, axis=1), shape)
        valid = ops.logical_and(valid, real_targets)
        valid = ops.logical_and(valid, ops.take(mask, positions, axis=1)[..., None])
    return target_ids, valid


def take_units(features, positions):
    """Take the features of given units; batches may be empty.

        taken[b, p] = features[b, positions[p]]

    Args:
        features: float tensor `(batch, length, dim)`.
        positions: int tensor `(num_positions,)`.

    Returns:
        Float tensor `(batch, num_positions, dim)`.

    Example:

    >>> taken = take_units(keras.ops.ones((2, 7, 3)), keras.ops.array([5, 0]))
    >>> tuple(taken.shape)
    (2, 2, 3)
    """
    # Along the first axis: on TensorFlow the gradient of a take along another one fails
    # where the batch is empty.
    features = ops.swapaxes(features, 0, 1)
    return ops.swapaxes(ops.take(features, positions, axis=0), 0, 1)


def log_likelihood(outputs, table, targets, chunk_size=2048, groups=None):
    """Compute the log-probability of targets under a full softmax over a vocabulary.

        log p = table[target] . output - log sum_v exp(table[v] . output)

    with v over the vocabulary, or with `groups` over the units of the target's group:
    log p(target | group). Exact, yet the logits of no more than `chunk_size` units of
    the vocabulary are held at once, forward and backward: where there are several
    chunks, the gradient computes them again.

    Args:
        outputs: float tensor `(..., dim)`.
        table: float tensor `(vocabulary_size, dim)`.
        targets: int tensor `(...)`, ids in the vocabulary.
        chunk_size: int, how many units of the vocabulary are treated at once.
        groups: int tensor `(vocabulary_size,)`, the group of every unit, or `None`.

    Returns:
        Float tensor `(...)`, in float32 for 16-bit inputs.

    Raises:
        ValueError: if the shapes do not fit or `chunk_size` is not positive.

    Example:

    >>> outputs, table = keras.ops.ones((2, 3, 5)), keras.ops.ones((7, 5))
    >>> values = log_likelihood(outputs, table, keras.ops.zeros((2, 3), "int32"))
    >>> round(float(values[0, 0]), 4)  # log(1 / 7)
    -1.9459
    """
    chunk_size = positive_integer("chunk_size", chunk_size)
    outputs, table = raise_precision(outputs), raise_precision(table)
    targets = ops.convert_to_tensor(targets)
    dim = outputs.shape[-1]
    check_shape("table", table, "outputs", (None, dim))
    check_shape("targets", targets, "outputs", outputs.shape[:-1])
    rows = ops.reshape(outputs, (-1, dim))
    chosen = ops.take(table, targets, axis=0)
    row_groups = None
    if groups is not None:
        groups = ops.convert_to_tensor(groups)
        check_shape("groups", groups, "table", (table.shape[0],))
        row_groups = ops.take(groups, ops.reshape(targets, (-1,)), axis=0)
    log_normalizer = _log_sum_exp_logits(rows, table, chunk_size, row_groups, groups)
    return ops.sum(outputs * chosen, axis=-1) - ops.reshape(
        log_normalizer, ops.shape(targets)
    )


def _log_sum_exp_logits(rows, table, chunk_size, row_groups=None, groups=None):
    """Compute `logsumexp(rows @ table^T)`, `(num_rows,)`, by chunks of the table."""
    size = table.shape[0]
    chunks = [slice(i, min(i + chunk_size, size)) for i in range(0, size, chunk_size)]

    def logits(rows, units, chunk):
        values = ops.matmul(rows, ops.transpose(units))
        if groups is None:
            return values
        counts = row_groups[:, None] == groups[None, chunk]
        return ops.where(counts, values, -1e30)

    @ops.custom_gradient
    def function(rows, table):
        parts = []
        for chunk in chunks:
            units = table[chunk]
            if parts:  # one after the other, or all would be held at once
                units = compute_after(units, parts[-1][:, None])
            values = logits(rows, units, chunk)
            parts.append(ops.logsumexp(values, axis=-1))
        total = ops.logsumexp(ops.stack(parts), axis=0)
        held = values if len(chunks) == 1 else None

        def gradient(*args, upstream=None):
            upstream = (args[0] if upstream is None else upstream)[:, None]
            scaled = rows * upstream
            rows_gradient, table_gradients = ops.zeros_like(rows), []
            for chunk in chunks:
                units = table[chunk]
                if table_gradients:
                    units = compute_after(units, rows_gradient, table_gradients[-1])
                values = logits(rows, units, chunk) if held is None else held
                shares = ops.exp(values - total[:, None])
                rows_gradient = rows_gradient + ops.matmul(shares, units)
                table_gradients.append(ops.matmul(ops.transpose(shares), scaled))
            return rows_gradient * upstream, ops.concatenate(table_gradients, axis=0)

        return total, gradient

    return function(rows, table)
