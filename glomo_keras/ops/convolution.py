"""Convolutions of batches that may be empty."""

from keras import ops


def valid_convolution(features, kernel):
    """Convolution without padding, whose empty batches have the shape of full ones.

        output[b, i] = sum over d: features[b, i + d] kernel[d]

    The same in two dimensions. `keras.ops.conv` does that too, but TensorFlow with
    oneDNN returns an empty batch with the shape of its input.

    Args:
        features: float tensor `(batch, length, dim)` or `(batch, height, width, dim)`.
        kernel: float tensor `(size, dim, filters)` or
            `(height of kernel, width of kernel, dim, filters)`.

    Returns:
        Float tensor `(batch, length - size + 1, filters)`, or of an image's rank.

    Example:

    >>> empty = keras.ops.zeros((0, 5, 7, 3))
    >>> tuple(valid_convolution(empty, keras.ops.ones((2, 3, 3, 11))).shape)
    (0, 4, 5, 11)
    """
    batch, *sizes, _ = ops.shape(features)
    *extent, _, filters = kernel.shape
    sizes = [size - width + 1 for size, width in zip(sizes, extent, strict=True)]
    output = ops.conv(features, kernel, padding="valid", data_format="channels_last")
    return ops.reshape(output, (batch, *sizes, filters))
