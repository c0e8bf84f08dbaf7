"""An order of work that compilers keep."""

from keras import ops


def compute_after(tensor, *earlier):
    """Return `tensor`, to be used once all of `earlier` has been computed.

    Parts of a computation that do not depend on each other may run all at once, and
    then hold the memory of all. Here one is made to wait for others, and in the
    gradient the others for it, by a condition that no compiler can decide: that a sum
    exceeds infinity. It never holds, so that neither values nor gradients change.

    Args:
        tensor: float tensor `(batch, ..., rows, columns)`, what comes next.
        *earlier: float tensors `(batch, ..., any, any)`.

    Returns:
        `tensor`.

    Example:

    >>> first, second = keras.ops.ones((2, 3, 5)), keras.ops.ones((2, 7, 11))
    >>> tuple(compute_after(second, first).shape)
    (2, 7, 11)
    """
    total = sum(ops.sum(part, axis=(-2, -1), keepdims=True) for part in earlier)
    return ops.where(total > float("inf"), total, tensor)
