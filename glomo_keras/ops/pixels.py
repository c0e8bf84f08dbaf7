"""How likely pixels are: a discretized mixture of logistic distributions."""

import math

from keras import ops

from glomo_keras.checks import check_rank
from glomo_keras.checks import check_shape
from glomo_keras.ops.precision import raise_precision

LEVELS = 256
_SMALLEST_LOG_SCALE = -7.0  # a hundredth of a level
_LARGEST_LOG_SCALE = 20.0  # beyond, differences of levels vanish


def scale_pixels(pixels, dtype="float32"):
    """Scale pixels of 0 to 255 to numbers from -1 to 1.

    Args:
        pixels: tensor of any dtype and shape.
        dtype: of the result, and of the computation: bfloat16 would not tell
            neighbouring levels apart.

    Returns:
        Float tensor of the same shape.

    Example:

    >>> scaled = scale_pixels(keras.ops.array([0, 255], "uint8"))
    >>> keras.ops.convert_to_numpy(scaled).tolist()
    [-1.0, 1.0]
    """
    return ops.cast(pixels, dtype) * (2.0 / (LEVELS - 1)) - 1.0


def pixel_log_likelihood(parameters, pixels):
    """Compute the log-probability of pixel values, summed over the channels.

        p(x) = sum_k weight_k [sigmoid((x + 1/2 - mean_k) / scale_k)
                               - sigmoid((x - 1/2 - mean_k) / scale_k)]

    with x in levels of 0 to 255, and the tails taken by 0 and 255, so that the levels
    of a channel sum to one. The channels are independent given the parameters.

    Args:
        parameters: float tensor `(..., channels, logistics, 3)`: logits of the
            weights, means in [-1, 1] of `scale_pixels`, and logarithms of the scales.
        pixels: tensor `(..., channels)` of levels.

    Returns:
        Float tensor `(...)`, in nats; 16-bit types come back as float32.

    Raises:
        ValueError: if the shapes do not fit.

    Example:

    >>> parameters = keras.ops.zeros((256, 1, 2, 3))  # for every level of a channel
    >>> levels = keras.ops.reshape(keras.ops.arange(256), (256, 1))
    >>> values = pixel_log_likelihood(parameters, levels)
    >>> round(float(keras.ops.sum(keras.ops.exp(values))), 4)
    1.0

    Reference: Salimans et al., 2017 (arXiv 1701.05517), eq. 2.
    """
    parameters = raise_precision(parameters)
    shape = check_rank("parameters", parameters, "..., channels, logistics, 3")
    check_shape("pixels", pixels, "parameters", shape[:-2])
    logits, means, log_scales = (parameters[..., i] for i in range(3))
    log_scales = ops.clip(log_scales, _SMALLEST_LOG_SCALE, _LARGEST_LOG_SCALE)
    levels = ops.cast(pixels, parameters.dtype)[..., None]
    half = 1.0 / (LEVELS - 1)  # of a level, in [-1, 1]
    distance = levels * (2.0 * half) - 1.0 - means
    inverse = ops.exp(-log_scales)
    upper, lower = (distance + half) * inverse, (distance - half) * inverse
    # log(sigmoid(upper) - sigmoid(lower)) without cancellation, for upper > lower
    width = 2.0 * half * inverse
    inside = ops.log(-ops.expm1(-width)) - ops.softplus(-upper) - ops.softplus(lower)
    log_probability = ops.where(levels < 0.5, -ops.softplus(-upper), inside)
    log_probability = ops.where(
        levels > LEVELS - 1.5, -ops.softplus(lower), log_probability
    )
    mixed = ops.logsumexp(
        log_probability + logits - ops.logsumexp(logits, axis=-1, keepdims=True),
        axis=-1,
    )
    return ops.sum(mixed, axis=-1)


def bits_per_dimension(nats, channels=3):
    """Convert a pixel's negative log-likelihood in nats to bits a channel.

    Args:
        nats: float or tensor, a pixel's.
        channels: int.

    Returns:
        Like `nats`.

    Example:

    >>> bits_per_dimension(3 * math.log(256))
    8.0
    """
    return nats / (channels * math.log(2.0))
