"""Which sender a receiver may read."""

from keras import ops

from glomo_keras.checks import check_rank

DIRECTIONS = ("forward", "backward")
"""Receivers read the units before them, or those after them."""


def check_direction(direction):
    """Raise unless `direction` is one of the two.

    Args:
        direction: the value to check.

    Returns:
        `direction`.

    Raises:
        ValueError: if it is neither `"forward"` nor `"backward"`.

    Example:

    >>> check_direction("forward")
    'forward'
    """
    if direction not in DIRECTIONS:
        raise ValueError(
            '`direction` must be "forward" (a unit reads those before it) or '
            f'"backward" (those after it). Received: direction={direction!r}.'
        )
    return direction


def visible_pairs(length, direction="forward", queries_mask=None, keys_mask=None):
    """Return the pairs of units of which the first may read the second.

        visible[i, j] = (j < i if forward, j > i if backward)
                        and queries_mask[i] and keys_mask[j]

    The order is strict: no unit reads itself.

    Args:
        length: int or scalar int tensor, number of units.
        direction: `"forward"` or `"backward"`.
        queries_mask: bool tensor `(batch, length)`, `True` at real receivers, or
            `None`.
        keys_mask: bool tensor `(batch, length)`, `True` at real senders, or `None`.

    Returns:
        Bool tensor `(length, length)`, or `(batch, length, length)` with a mask:
        receivers in rows, senders in columns.

    Raises:
        ValueError: if `direction` is unknown or a mask has another rank.

    Example:

    >>> keras.ops.convert_to_numpy(visible_pairs(3)).astype(int)
    array([[0, 0, 0],
           [1, 0, 0],
           [1, 1, 0]])

    Reference: Yang et al., 2018 (arXiv 1806.05662), section 2.1, the mask of eq. 1.
    """
    check_direction(direction)
    units = ops.arange(length)
    receivers, senders = units[:, None], units[None, :]
    visible = senders < receivers if direction == "forward" else senders > receivers
    if queries_mask is not None:
        check_rank("queries_mask", queries_mask, "batch, length")
        visible = ops.logical_and(visible, ops.cast(queries_mask, "bool")[:, :, None])
    if keys_mask is not None:
        check_rank("keys_mask", keys_mask, "batch, length")
        visible = ops.logical_and(visible, ops.cast(keys_mask, "bool")[:, None, :])
    return visible
