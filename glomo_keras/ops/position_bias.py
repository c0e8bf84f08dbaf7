"""Numbers for how far apart two units are, as matrices over receivers and senders."""

from keras import ops


def offsets_around(length):
    """Return the offsets of receivers from senders, in the order of a circle.

        0, -1, ..., -length, length, ..., 1

    In this order a row of `matrix_of_offsets` is the one above it, moved by one.

    Args:
        length: int or scalar int tensor, number of units.

    Returns:
        Int tensor `(2 * length + 1,)`.

    Example:

    >>> keras.ops.convert_to_numpy(offsets_around(2)).tolist()
    [0, -1, -2, 2, 1]
    """
    places = ops.arange(2 * length + 1, dtype="int32")
    return ops.where(places <= length, -places, 2 * length + 1 - places)


def matrix_of_offsets(numbers, length):
    """Spread a number for each offset over all pairs of units.

        matrix[i, j] = number of offset i - j

    By products with ones and reshaping: the gradient of a lookup is slow on CPUs, and
    so is the sum that broadcasting has for a gradient.

    Args:
        numbers: tensor `(..., 2 * length + 1)`, in the order of `offsets_around`.
        length: int or scalar int tensor, number of units.

    Returns:
        Tensor `(..., length, length)`.

    Example:

    >>> matrix = matrix_of_offsets(offsets_around(3), 3)
    >>> keras.ops.convert_to_numpy(matrix).tolist()
    [[0, -1, -2], [1, 0, -1], [2, 1, 0]]
    """
    around = 2 * length + 1
    before = ops.shape(numbers)[:-1]
    ones = ops.ones((length, 1), dtype=numbers.dtype)
    rows = ops.matmul(ones, numbers[..., None, :])
    flat = ops.reshape(rows, (*before, length * around))
    # Rows that are one shorter than the circle start one place further back each.
    shifted = ops.reshape(
        flat[..., : length * (around - 1)], (*before, length, around - 1)
    )
    return shifted[..., :length]


def distance_numbers(table, length):
    """Look up a number for each offset of units of a sequence.

    Args:
        table: float tensor `(..., max_distance)`, numbers of the distances 1, 2, ...;
            greater distances share the last.
        length: int or scalar int tensor, number of units.

    Returns:
        Float tensor `(..., 2 * length + 1)`, in the order of `offsets_around`.

    Example:

    >>> numbers = distance_numbers(keras.ops.array([10.0, 20.0]), 3)
    >>> keras.ops.convert_to_numpy(numbers).tolist()
    [10.0, 10.0, 20.0, 20.0, 20.0, 20.0, 10.0]
    """
    distances = ops.abs(offsets_around(length))
    return ops.take(table, ops.clip(distances - 1, 0, table.shape[-1] - 1), axis=-1)


def pixel_offset_numbers(table, height, width, direction="forward"):
    """Look up a number for each offset, rows and columns, of pixels of an image.

    Args:
        table: float tensor `(..., max_distance + 1, 2 * max_distance + 1)`, for rows
            from 0 and columns from `-max_distance` that the receiver is after the
            sender; greater offsets share the last. `"backward"` is the image turned
            round.
        height: int or scalar int tensor.
        width: int or scalar int tensor.
        direction: `"forward"` or `"backward"`.

    Returns:
        Float tensor `(..., 2 * height + 1, 2 * width + 1)`, both in the order of
        `offsets_around`.

    Example:

    >>> numbers = pixel_offset_numbers(keras.ops.array([[1.0, 2, 3], [4, 5, 6]]), 1, 1)
    >>> keras.ops.convert_to_numpy(numbers).tolist()
    [[2.0, 1.0, 3.0], [5.0, 4.0, 6.0], [5.0, 4.0, 6.0]]
    """
    furthest = table.shape[-2] - 1
    sign = 1 if direction == "forward" else -1
    rows = ops.minimum(ops.abs(offsets_around(height)), furthest)
    columns = ops.clip(sign * offsets_around(width), -furthest, furthest) + furthest
    return ops.take(ops.take(table, rows, axis=-2), columns, axis=-1)


def pixel_offset_matrix(numbers, height, width):
    """Spread a number for each offset over all pairs of pixels, in raster order.

    Args:
        numbers: tensor `(..., 2 * height + 1, 2 * width + 1)`.
        height: int or scalar int tensor.
        width: int or scalar int tensor.

    Returns:
        Tensor `(..., height * width, height * width)`, receivers in rows.

    Example:

    >>> numbers = pixel_offset_numbers(keras.ops.array([[1.0, 2, 3], [4, 5, 6]]), 2, 2)
    >>> keras.ops.convert_to_numpy(pixel_offset_matrix(numbers, 2, 2))[3].tolist()
    [6.0, 5.0, 3.0, 2.0]
    """
    before = ops.shape(numbers)[:-2]
    axes = tuple(range(len(before)))
    number = len(axes)
    matrix = matrix_of_offsets(ops.swapaxes(numbers, -1, -2), height)
    matrix = ops.transpose(matrix, (*axes, number + 1, number + 2, number))
    matrix = matrix_of_offsets(matrix, width)  # (..., rows, rows, columns, columns)
    matrix = ops.transpose(matrix, (*axes, number, number + 2, number + 1, number + 3))
    return ops.reshape(matrix, (*before, height * width, height * width))
