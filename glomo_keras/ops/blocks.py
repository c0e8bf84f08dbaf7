"""Units in blocks: each sees all units before it, and in part those of its own."""

import dataclasses

from keras import ops


@dataclasses.dataclass(frozen=True)
class Block:
    """A range of receivers, which see each other in part, and those all of them see."""

    own: slice
    far: slice | None

    @property
    def senders(self):
        """The slice of all that some of them see."""
        if self.far is None:
            return self.own
        start = min(self.own.start, self.far.start)
        return slice(start, max(self.own.stop, self.far.stop))


def split_into_blocks(length, block_size, direction):
    """Return a list of `Block`, a single one where the length is unknown.

    Args:
        length: int or `None`.
        block_size: int, units of a block; the last may have fewer.
        direction: `"forward"` or `"backward"`.

    Returns:
        List of `Block`, one at least.

    Example:

    >>> blocks = split_into_blocks(5, 2, "backward")
    >>> [(block.own.start, block.far) for block in blocks]
    [(0, slice(2, 5, None)), (2, slice(4, 5, None)), (4, None)]
    """
    if length is None:
        return [Block(slice(None), None)]
    size = max(1, min(block_size, length))
    blocks = []
    for start in range(0, max(length, 1), size):
        stop = min(start + size, length)
        far = slice(0, start) if direction == "forward" else slice(stop, length)
        blocks.append(Block(slice(start, stop), far if far.stop > far.start else None))
    return blocks


def fold(tensor, blocks):
    """Reshape `(..., length, dim)` to `(..., blocks, size, dim)`, zeros at the end.

    Args:
        tensor: tensor `(..., length, dim)`.
        blocks: list of `Block`.

    Returns:
        Tensor `(..., blocks, size, dim)`.

    Example:

    >>> units = keras.ops.array([[1.0], [2.0], [3.0]])
    >>> folded = fold(units, split_into_blocks(3, 2, "forward"))
    >>> keras.ops.convert_to_numpy(folded)[..., 0].tolist()
    [[1.0, 2.0], [3.0, 0.0]]
    """
    if len(blocks) == 1:
        return ops.expand_dims(tensor, axis=-3)
    size, length = blocks[0].own.stop, tensor.shape[-2]
    tensor = _pad(tensor, len(blocks) * size - length, axis=-2)
    shape = ops.shape(tensor)
    return ops.reshape(tensor, (*shape[:-2], len(blocks), size, shape[-1]))


def unfold(tensor, blocks):
    """Invert `fold`.

    Args:
        tensor: tensor `(..., blocks, size, dim)`.
        blocks: list of `Block`.

    Returns:
        Tensor `(..., length, dim)`.

    Example:

    >>> blocks = split_into_blocks(3, 2, "forward")
    >>> tuple(unfold(keras.ops.ones((2, 2, 5)), blocks).shape)
    (3, 5)
    """
    if len(blocks) == 1:
        return ops.squeeze(tensor, axis=-3)
    shape = ops.shape(tensor)
    tensor = ops.reshape(tensor, (*shape[:-3], shape[-3] * shape[-2], shape[-1]))
    return tensor[..., : blocks[-1].own.stop, :]


def fold_pairs(tensor, blocks):
    """Return the pairs of units of one block of `(..., length, length)`.

    Args:
        tensor: tensor `(..., length, length)`.
        blocks: list of `Block`.

    Returns:
        Tensor `(..., blocks, size, size)`, with zeros at the end.

    Example:

    >>> pairs = keras.ops.reshape(keras.ops.arange(9), (3, 3))
    >>> own = fold_pairs(pairs, split_into_blocks(3, 2, "forward"))
    >>> keras.ops.convert_to_numpy(own).tolist()
    [[[0, 1], [3, 4]], [[8, 0], [0, 0]]]
    """
    pairs = [tensor[..., block.own, block.own] for block in blocks]
    if len(blocks) > 1:
        lacking = blocks[0].own.stop - pairs[-1].shape[-1]
        pairs[-1] = _pad(_pad(pairs[-1], lacking, axis=-1), lacking, axis=-2)
    return ops.stack(pairs, axis=-3)


def visible_in_block(size, direction):
    """Return who reads whom in a block.

    Args:
        size: int or scalar int tensor, units of the block.
        direction: `"forward"` or `"backward"`.

    Returns:
        Bool tensor `(size, size)`.

    Example:

    >>> keras.ops.convert_to_numpy(visible_in_block(2, "backward")).tolist()
    [[False, True], [False, False]]
    """
    units = ops.arange(size)
    receivers, senders = units[:, None], units[None]
    return senders < receivers if direction == "forward" else senders > receivers


def spread_senders(tensor, senders, length):
    """Put senders into zeros for all senders, along the last axis.

    Args:
        tensor: tensor `(..., senders)`.
        senders: slice, which of all they are.
        length: int or `None`, the number of all; none are added if it is unknown.

    Returns:
        Tensor `(..., length)`.

    Example:

    >>> row = spread_senders(keras.ops.ones((2,)), slice(1, 3), 4)
    >>> keras.ops.convert_to_numpy(row).tolist()
    [0.0, 1.0, 1.0, 0.0]
    """
    if length is None:
        return tensor
    widths = [(0, 0)] * (len(tensor.shape) - 1)
    return ops.pad(tensor, [*widths, (senders.start, length - senders.stop)])


def _pad(tensor, number, axis):
    """Append zeros."""
    if number == 0:
        return tensor
    widths = [(0, 0)] * len(tensor.shape)
    widths[axis] = (0, number)
    return ops.pad(tensor, widths)
