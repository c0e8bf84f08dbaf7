"""Convolutions of batches that may be empty."""

from keras import ops

from glomo_keras.ops.sizes import shortfall


def valid_convolution(features, kernel, padding=None):
    """Convolve features that have zeros around them, none by default.

        output[b, i] = sum over d: features[b, i + d] kernel[d]

    The same in two dimensions. Where there is nothing to compute, `keras.ops.conv`
    fails on TensorFlow, or returns an empty batch with the shape of its input. So it
    never gets less than a sample and a place, which are cut off again.

    Args:
        features: float tensor `(batch, length, dim)` or `(batch, height, width, dim)`.
        kernel: float tensor `(size, dim, filters)` or
            `(height of kernel, width of kernel, dim, filters)`.
        padding: pairs of ints, the zeros before and after each axis of units, or
            `None`.

    Returns:
        Float tensor `(batch, length - size + 1, filters)`, the length that of the
        features with the zeros around them; or of an image's rank.

    Example:

    >>> empty = keras.ops.zeros((0, 5, 7, 3))
    >>> tuple(valid_convolution(empty, keras.ops.ones((2, 3, 3, 11))).shape)
    (0, 4, 5, 11)
    """
    batch, *lengths, _ = ops.shape(features)
    sizes, missing = [batch], [shortfall(batch, 1)]
    widths = [(0, missing[0])]
    extent = kernel.shape[:-2]
    padding = padding or [(0, 0)] * len(extent)
    for length, width, (before, after) in zip(lengths, extent, padding, strict=True):
        length = length + before + after
        sizes.append(length - width + 1)
        missing.append(shortfall(length, width))
        widths.append((before, after + missing[-1]))
    features = ops.pad(features, [*widths, (0, 0)])
    output = ops.conv(features, kernel, padding="valid", data_format="channels_last")
    is_certain = all(isinstance(count, int) and count == 0 for count in missing)
    if not is_certain:
        output = output[tuple(slice(0, size) for size in sizes)]
        # Sizes that are known in a graph are lost in slices of others.
        output = ops.reshape(output, (*sizes, kernel.shape[-1]))
    return output
