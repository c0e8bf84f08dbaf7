"""What rows of eq. 1 are shifted and scaled by, without a pass over scores."""

from keras import ops


def row_sizes(queries, keys, real, direction):
    """Compute the size that scores of a receiver have, from those it may see alone.

        size[i] = sum_d |queries[i, d]| mean_j max_d |keys[j, d]|

    over the senders j that receiver i may see. No score of theirs exceeds it by more
    than their number.

    Args:
        queries: float tensor `(batch, ..., length, key_dim)`.
        keys: float tensor of the same shape, zeros at padded senders.
        real: float tensor `(batch, ..., length)`, 1 at real senders and else 0.
        direction: `"forward"` or `"backward"`.

    Returns:
        Float tensor `(batch, ..., length, 1)`, zeros where nothing is visible.

    Example:

    >>> units = keras.ops.array([[[1.0, 2.0], [3.0, -4.0], [5.0, 5.0]]])
    >>> sizes = row_sizes(units, units, keras.ops.ones((1, 3)), "forward")
    >>> keras.ops.convert_to_numpy(sizes)[0, :, 0].tolist()  # 7 * 2, 10 * (2 + 4) / 2
    [0.0, 14.0, 30.0]
    """
    of_keys = ops.max(ops.abs(keys), axis=-1, keepdims=True, initial=0.0)
    mean = mean_before(of_keys, real, direction)
    return ops.sum(ops.abs(queries), axis=-1, keepdims=True) * mean


def center_keys(keys, real, direction):
    """Subtract the first real key that is seen: scores move by a constant per row.

    Scores of equal keys are zeros then, and so is their mean, without rounding.

    Args:
        keys: float tensor `(batch, ..., length, key_dim)`.
        real: float tensor `(batch, ..., length)`, 1 at real senders and else 0.
        direction: `"forward"` or `"backward"`.

    Returns:
        Float tensor like `keys`, zeros at padded senders.

    Example:

    >>> keys = keras.ops.array([[[9.0], [2.0], [5.0]]])
    >>> centered = center_keys(keys, keras.ops.array([[0.0, 1.0, 1.0]]), "forward")
    >>> keras.ops.convert_to_numpy(centered)[0, :, 0].tolist()
    [0.0, 0.0, 3.0]
    """
    real = real[..., None]
    is_first = ops.logical_and(_running_sum(real, direction) == 1.0, real > 0)
    first = ops.sum(ops.where(is_first, keys, 0.0), axis=-2, keepdims=True)
    return ops.where(real > 0, keys - ops.stop_gradient(first), 0.0)


def mean_before(keys, real, direction):
    """Compute the mean of the keys that every receiver may see.

        mean[i] = sum_{j visible to i} keys[j] / number of visible j

    Args:
        keys: float tensor `(batch, ..., length, key_dim)`, zeros at padded senders.
        real: float tensor `(batch, ..., length)`, 1 at real senders and else 0.
        direction: `"forward"` or `"backward"`.

    Returns:
        Float tensor like `keys`, zeros where nothing is visible.

    Example:

    >>> keys = keras.ops.array([[[1.0], [2.0], [9.0]]])
    >>> mean = mean_before(keys, keras.ops.ones((1, 3)), "forward")
    >>> keras.ops.convert_to_numpy(mean)[0, :, 0].tolist()
    [0.0, 1.0, 1.5]
    """
    number = number_before(real, direction)
    total = _move_on(_running_sum(keys, direction), direction)
    return total / ops.maximum(number, 1.0)


def number_before(real, direction):
    """Count the senders that every receiver may see.

    Args:
        real: float tensor `(batch, ..., length)`, 1 at real senders and else 0.
        direction: `"forward"` or `"backward"`.

    Returns:
        Float tensor `(batch, ..., length, 1)`.

    Example:

    >>> number = number_before(keras.ops.array([[1.0, 1.0, 0.0]]), "backward")
    >>> keras.ops.convert_to_numpy(number)[0, :, 0].tolist()
    [1.0, 0.0, 0.0]
    """
    return _move_on(_running_sum(real[..., None], direction), direction)


def _running_sum(tensor, direction):
    """Sum over units up to every one, or from every one on."""
    if direction == "forward":
        return ops.cumsum(tensor, axis=-2)
    return ops.flip(ops.cumsum(ops.flip(tensor, axis=-2), axis=-2), axis=-2)


def _move_on(tensor, direction):
    """Move units by one place, away from the first that is seen."""
    nothing = ops.zeros_like(tensor[..., :1, :])
    if direction == "forward":
        return ops.concatenate([nothing, tensor], axis=-2)[..., :-1, :]
    return ops.concatenate([tensor, nothing], axis=-2)[..., 1:, :]
