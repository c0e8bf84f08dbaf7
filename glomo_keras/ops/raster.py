"""Images as sequences of units: pixels in raster order, row by row."""

from keras import ops

from glomo_keras.checks import check_rank
from glomo_keras.checks import positive_integers
from glomo_keras.ops.sizes import batch_size
from glomo_keras.ops.visibility import check_direction


def raster_units(features, mask=None):
    """Put the pixels of images in a row, as units of a sequence.

        units[b, row * width + column] = features[b, row, column]

    Args:
        features: float tensor `(batch, height, width, dim)`, or `(batch, length, dim)`,
            which stays as it is.
        mask: bool tensor `(batch, height, width)` or `(batch, length)`, or `None`.

    Returns:
        `(units, mask)`, of shape `(batch, length, dim)` and `(batch, length)`.

    Raises:
        ValueError: if a shape does not fit.

    Example:

    >>> units, _ = raster_units(keras.ops.ones((2, 3, 5, 7)))
    >>> tuple(units.shape)
    (2, 15, 7)
    """
    shape = check_rank(
        "features", features, "batch, height, width, dim", "batch, length, dim"
    )
    if mask is not None:
        layout = "batch, length" if len(shape) == 3 else "batch, height, width"
        check_rank("mask", mask, layout)
    if len(shape) == 3:
        return features, mask
    _, height, width, dim = ops.shape(features)
    length = -1 if None in (height, width) else height * width
    sizes = (batch_size(features), length)
    if mask is not None:
        mask = ops.reshape(mask, sizes)
    return ops.reshape(features, (*sizes, dim)), mask


def window_offsets(context_window=(3, 3), direction="forward"):
    """Return the places of the pixels that are predicted from a pixel, relative to it.

    The cells of a block of `context_window` rows and columns whose top left corner is
    the pixel, itself left out, in raster order; for `"backward"` the mirror image: the
    block ends at the pixel and is read from its end. For (3, 3):

        forward       backward
        . 1 2         8 7 6
        3 4 5         5 4 3
        6 7 8         2 1 .

    Args:
        context_window: pair of ints, rows and columns.
        direction: `"forward"` or `"backward"`.

    Returns:
        List of pairs of ints, rows down and columns to the right.

    Raises:
        ValueError: if the window or the direction is invalid.
        TypeError: if the window is not of integers.

    Example:

    >>> window_offsets((2, 2))
    [(0, 1), (1, 0), (1, 1)]

    Reference: Yang et al., 2018 (arXiv 1806.05662), section 3.5.
    """
    check_direction(direction)
    rows, columns = check_context_window(context_window)
    sign = 1 if direction == "forward" else -1
    return [
        (sign * row, sign * column)
        for row in range(rows)
        for column in range(columns)
        if row or column
    ]


def check_context_window(context_window):
    """Return a context window as a pair of Python's integers.

    Args:
        context_window: the value to check.

    Returns:
        Pair of ints.

    Raises:
        ValueError: if it is no pair of positive integers, or a single pixel.
        TypeError: if an element is no integer.

    Example:

    >>> check_context_window([2, 3])
    (2, 3)
    """
    is_pair = isinstance(context_window, (list, tuple)) and len(context_window) == 2
    sizes = positive_integers("context_window", context_window) if is_pair else (1, 1)
    if sizes == (1, 1):
        raise ValueError(
            "`context_window` must be rows and columns of more than one pixel, such as "
            f"(3, 3). Received: context_window={context_window}."
        )
    return sizes


def window_targets(pixels, positions=None, context_window=(3, 3), direction="forward"):
    """Return the pixels in the context windows of given positions, and which exist.

    Args:
        pixels: tensor `(batch, height, width, channels)`, of a known size.
        positions: int tensor `(num_positions,)`, pixels in raster order, each in
            [0, height * width), or `None` for every pixel.
        context_window: pair of ints, see `window_offsets`.
        direction: `"forward"` or `"backward"`.

    Returns:
        `(targets, valid)`: a tensor like `pixels` of shape `(batch, num_positions,
        cells, channels)`, and a bool tensor `(num_positions, cells)`, `True` at cells
        inside the image; the others hold some pixel and mean nothing.

    Raises:
        ValueError: if the window or the direction is invalid, or a rank is another.

    Example:

    >>> pixels = keras.ops.reshape(keras.ops.arange(4), (1, 2, 2, 1))
    >>> targets, valid = window_targets(pixels, context_window=(2, 2))
    >>> keras.ops.convert_to_numpy(targets)[0, 0, :, 0].tolist()
    [1, 2, 3]
    >>> keras.ops.convert_to_numpy(valid).astype(int).tolist()
    [[1, 1, 1], [0, 1, 0], [1, 0, 0], [0, 0, 0]]

    Reference: Yang et al., 2018 (arXiv 1806.05662), section 3.5.
    """
    check_rank("pixels", pixels, "batch, height, width, channels")
    height, width, channels = pixels.shape[1:]
    if positions is None:
        positions = ops.arange(height * width)
    positions = ops.cast(positions, "int32")
    check_rank("positions", positions, "num_positions")
    positions = positions[:, None]
    offsets = window_offsets(context_window, direction)
    down = ops.convert_to_tensor([row for row, _ in offsets], dtype="int32")
    right = ops.convert_to_tensor([column for _, column in offsets], dtype="int32")
    rows, columns = positions // width + down, positions % width + right
    valid = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    places = ops.clip(rows, 0, height - 1) * width + ops.clip(columns, 0, width - 1)
    batch = batch_size(pixels)
    units = ops.reshape(pixels, (batch, height * width, channels))
    # JAX takes an empty table of places for an empty list.
    shape = (batch, *ops.shape(places), channels)
    return ops.reshape(ops.take(units, places, axis=1), shape), valid
