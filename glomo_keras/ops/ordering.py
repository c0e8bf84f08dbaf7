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


class Cut:
    """Cuts units out of tensors, once other tensors have been computed.

    Slices are copies, which compilers otherwise make of all blocks before the first of
    them is used. Here the place where they begin depends on what comes before, by the
    condition of `compute_after`. Gradients do not go through it.

    Args:
        *earlier: float tensors.

    Call arguments:
        tensor: tensor `(..., length, dim)`.
        units: slice of its units.

    Returns:
        Tensor `(..., units, dim)`.

    Example:

    >>> units = keras.ops.array([[1.0], [2.0], [3.0]])
    >>> cut = Cut(units)
    >>> keras.ops.convert_to_numpy(cut(units, slice(1, 3)))[:, 0].tolist()
    [2.0, 3.0]
    """

    def __init__(self, *earlier):
        self._nothing = 0
        if earlier:
            total = sum(ops.sum(part) for part in earlier)
            self._nothing = ops.cast(total > float("inf"), "int32")

    def __call__(self, tensor, units):
        if units.start is None:
            return tensor
        starts = [0] * len(tensor.shape)
        starts[-2] = units.start + self._nothing
        shape = [*ops.shape(tensor)]
        shape[-2] = units.stop - units.start
        return ops.slice(tensor, starts, shape)
