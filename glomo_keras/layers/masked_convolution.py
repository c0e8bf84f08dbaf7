"""One convolution that sees a unit and those before it in its direction."""

import keras
import numpy as np
from keras import ops

from glomo_keras.checks import check_rank
from glomo_keras.checks import non_negative_integer
from glomo_keras.checks import positive_integer
from glomo_keras.layers.initializers import CurrentUnitInitializer
from glomo_keras.layers.initializers import get_initializer
from glomo_keras.layers.initializers import serialize_initializer
from glomo_keras.ops.convolution import valid_convolution


class MaskedConvolution(keras.layers.Layer):
    """Convolution over a unit and the units before it.

    Over a sequence, the `kernel_size - 1` units before the current one:

        output[t] = bias + sum_j kernel[j] features[t - (kernel_size - 1) + j]

    Over an image, the pixels before the current one in raster order that are at most
    `kernel_size // 2` rows and columns away. A stack of such convolutions would not
    see the pixels above and far to the right: the way there leads through pixels to
    the right of the current one, which are hidden. So the last half of the channels
    knows of the rows above alone, and of these channels the whole row may be read.

    `"backward"` is the mirror image, with the same kernel read from its end.

    A building block of `MaskedKeyQueryCNN`, which masks its inputs.

    Args:
        filters: int, number of output channels.
        kernel_size: int, units seen, the current one included; odd for images.
        direction: `"forward"` or `"backward"`.
        num_above: int, how many of the last channels of `features` know of the rows
            above alone: `filters // 2` of the convolution before. Images only.
        kernel_initializer: initializer, its name, or `None`, which means
            `CurrentUnitInitializer`.
        kernel_regularizer: regularizer, its name, or `None`.
        **kwargs: `keras.layers.Layer` arguments.

    Call arguments:
        features: float tensor `(batch, length, dim)` or `(batch, height, width, dim)`.

    Returns:
        Float tensor like `features` with `filters` channels.

    Example:

    >>> layer = MaskedConvolution(filters=5)
    >>> tuple(layer(keras.ops.ones((2, 7, 3))).shape)
    (2, 7, 5)

    Reference: Yang et al., 2018 (arXiv 1806.05662), section 2.1, key and query CNN,
    and 3.5. The rows above as channels of their own: van den Oord et al., 2016 (arXiv
    1606.05328), the vertical stack.
    """

    def __init__(
        self,
        filters,
        kernel_size=3,
        direction="forward",
        num_above=0,
        kernel_initializer=None,
        kernel_regularizer=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.filters = positive_integer("filters", filters)
        self.kernel_size = positive_integer("kernel_size", kernel_size)
        self.direction = direction
        self.num_above = non_negative_integer("num_above", num_above)
        self.kernel_initializer = get_initializer(kernel_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)

    def build(self, features_shape):
        check_rank(
            "features",
            features_shape,
            "batch, length, dim",
            "batch, height, width, dim",
        )
        rank = len(features_shape) - 2
        size, radius = self.kernel_size, self.kernel_size // 2
        if rank == 2 and size % 2 == 0:
            raise ValueError(
                "`kernel_size` must be odd for images: it reaches as far to the left "
                f"as to the right. Received: kernel_size={size}."
            )
        extent = (size,) if rank == 1 else (radius + 1, size)
        self.kernel = self.add_weight(
            name="kernel",
            shape=(*extent, features_shape[-1], self.filters),
            initializer=self.kernel_initializer or CurrentUnitInitializer(),
            regularizer=self.kernel_regularizer,
        )
        self.bias = self.add_weight(
            name="bias", shape=(self.filters,), initializer="zeros"
        )
        self._past = ((size - 1, 0),) if rank == 1 else ((radius, 0), (radius, radius))
        self._visible = None if rank == 1 else self._raster_mask()

    def call(self, features):
        kernel, past = ops.convert_to_tensor(self.kernel), self._past
        if self._visible is not None:
            kernel = kernel * ops.convert_to_tensor(self._visible, dtype=kernel.dtype)
        if self.direction == "backward":
            kernel = ops.flip(kernel, axis=tuple(range(len(past))))
            past = tuple(ends[::-1] for ends in past)
        return valid_convolution(features, kernel, past) + self.bias

    def compute_output_shape(self, features_shape):
        return (*features_shape[:-1], self.filters)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "direction": self.direction,
            "num_above": self.num_above,
            "kernel_initializer": serialize_initializer(self.kernel_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
        }

    def _raster_mask(self):
        """Return ones where an image's kernel may read, `(rows, columns, in, out)`."""
        visible = np.ones(self.kernel.shape)
        current = self.kernel.shape[-2] - self.num_above
        above = self.filters - self.filters // 2
        visible[-1, self.kernel_size // 2 + 1 :, :current] = 0
        visible[-1, :, :current, above:] = 0
        return visible
