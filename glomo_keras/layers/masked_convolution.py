"""One convolution that sees a unit and those before it in its direction."""

import keras
from keras import ops

from glomo_keras.layers.initializers import CurrentUnitInitializer


class MaskedConvolution(keras.layers.Layer):
    """Convolution over a unit and the `kernel_size - 1` units before it.

        output[t] = bias + sum_j kernel[j] features[t - (kernel_size - 1) + j]

    and its mirror image for `"backward"`, with the same kernel read from right to
    left. A building block of `MaskedKeyQueryCNN`, which masks its inputs.

    Args:
        filters: int, number of output channels.
        kernel_size: int, units seen, the current one included.
        direction: `"forward"` or `"backward"`.
        **kwargs: `keras.layers.Layer` arguments.

    Call arguments:
        features: float tensor `(batch, length, dim)`.

    Returns:
        Float tensor `(batch, length, filters)`.

    Example:

    >>> layer = MaskedConvolution(filters=5)
    >>> tuple(layer(keras.ops.ones((2, 7, 3))).shape)
    (2, 7, 5)

    Reference: Yang et al., 2018 (arXiv 1806.05662), section 2.1, key and query CNN.
    """

    def __init__(self, filters, kernel_size=3, direction="forward", **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = kernel_size
        self.direction = direction

    def build(self, features_shape):
        spatial_rank = len(features_shape) - 2
        if spatial_rank != 1:
            raise ValueError(
                "`features` must have shape (batch, length, dim). Received a shape of "
                f"rank {len(features_shape)}: {features_shape}. Sequences are the "
                "only rank that is supported."
            )
        self.kernel = self.add_weight(
            name="kernel",
            shape=(self.kernel_size,) * spatial_rank
            + (features_shape[-1], self.filters),
            initializer=CurrentUnitInitializer(),
        )
        self.bias = self.add_weight(
            name="bias", shape=(self.filters,), initializer="zeros"
        )

    def call(self, features):
        past = self.kernel_size - 1
        kernel = ops.convert_to_tensor(self.kernel)
        if self.direction == "forward":
            padding = (past, 0)
        else:
            padding = (0, past)
            kernel = ops.flip(kernel, axis=0)
        features = ops.pad(features, ((0, 0), padding, (0, 0)))
        return ops.conv(features, kernel, padding="valid") + self.bias

    def compute_output_shape(self, features_shape):
        return (*features_shape[:-1], self.filters)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "direction": self.direction,
        }
