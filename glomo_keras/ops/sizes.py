"""Sizes of batches that may be empty."""

from keras import ops


def batch_size(tensor):
    """Return the size of the first axis, for shapes that a tensor is brought to.

    Where an axis of a shape is left open by -1, its size follows from the others,
    unless one of these is 0: batches of texts without units need to be told theirs.

    Args:
        tensor: tensor of any shape.

    Returns:
        Int or scalar int tensor; -1 for a tensor of Keras without values, whose batch
        size is not known.

    Example:

    >>> batch_size(keras.ops.zeros((2, 0, 3)))
    2
    """
    size = ops.shape(tensor)[0]
    return -1 if size is None else size


def shortfall(size, least):
    """Return by how much a size falls short of the least one that an op can take.

    Args:
        size: int or scalar int tensor, of `keras.ops.shape`.
        least: int.

    Returns:
        Int or scalar int tensor, at least 0.

    Example:

    >>> shortfall(0, 1), shortfall(7, 1)
    (1, 0)
    """
    if isinstance(size, int):
        return max(least - size, 0)
    # Sizes of an export on JAX are symbols, and taken for sizes of something.
    return ops.maximum(least - size, 0) if ops.is_tensor(size) else 0
