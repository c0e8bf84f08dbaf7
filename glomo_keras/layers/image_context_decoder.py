"""The decoder that predicts the pixels around a pixel: eq. 3 in two dimensions."""

import math

import keras
from keras import ops

from glomo_keras.checks import check_rank
from glomo_keras.checks import positive_integer
from glomo_keras.layers.frozen_parts import freeze_parts
from glomo_keras.layers.initializers import get_initializer
from glomo_keras.layers.initializers import new_initializer
from glomo_keras.layers.initializers import serialize_initializer
from glomo_keras.layers.recurrent_decoding import decode
from glomo_keras.layers.recurrent_decoding import make_cells
from glomo_keras.ops.context import take_units
from glomo_keras.ops.pixels import pixel_log_likelihood
from glomo_keras.ops.pixels import scale_pixels
from glomo_keras.ops.precision import accumulation_dtype
from glomo_keras.ops.raster import check_context_window
from glomo_keras.ops.raster import raster_units
from glomo_keras.ops.raster import window_offsets
from glomo_keras.ops.raster import window_targets
from glomo_keras.ops.visibility import check_direction


@keras.saving.register_keras_serializable(package="glomo_keras")
class ImageContextDecoder(keras.layers.Layer):
    """Log-likelihoods of the pixels in the context windows of given pixels.

    For every pixel t a GRU, all of whose layers start from the features f_t, reads
    pixels x and predicts the next cell of the window, in the order of
    `glomo_keras.ops.window_offsets`:

        h_1 = GRU(W x_t, f_t),  h_d = GRU(W x_{cell d-1}, h_{d-1})
        log p(x_{cell d} | ...) = log of a mixture of logistics of V h_d

    the channels of a pixel being independent given h_d; see
    `glomo_keras.ops.pixel_log_likelihood`. Cells outside of the image do not count:
    their log-likelihood is 0, and no gradient comes from it.

    Args:
        context_window: pair of ints, rows and columns of the window.
        num_layers: int, number of GRU layers.
        direction: `"forward"` (predicts pixels to the right and below) or
            `"backward"`.
        num_logistics: int, components of the mixture.
        kernel_initializer: initializer of W, V and the GRU's kernels of inputs, or its
            name.
        kernel_regularizer: regularizer of the same kernels, its name, or `None`.
        **kwargs: `keras.layers.Layer` arguments (`name`, `dtype`, ...).

    Call arguments:
        features: float tensor `(batch, height, width, dim)`, or the same pixels in
            raster order, `(batch, height * width, dim)`.
        pixels: tensor `(batch, height, width, channels)` of levels, 0 to 255, of a
            known size.
        positions: int tensor `(num_positions,)`, pixels in raster order, or `None` for
            every pixel.

    Returns:
        Float tensor `(batch, num_positions, cells)` in nats a pixel, the sum over its
        channels; float32 when the compute dtype is a 16-bit one.

    Raises:
        ValueError: if an argument is out of its range or the shapes do not fit.
        TypeError: if an argument is of another type.

    Example:

    >>> decoder = ImageContextDecoder(num_logistics=2)
    >>> features = keras.random.normal((1, 5, 7, 11), seed=0)
    >>> tuple(decoder(features, keras.ops.ones((1, 5, 7, 3))).shape)
    (1, 35, 8)

    Reference: Yang et al., 2018 (arXiv 1806.05662), eq. 3 and section 3.5.
    """

    def __init__(
        self,
        context_window=(3, 3),
        num_layers=1,
        direction="forward",
        num_logistics=5,
        kernel_initializer="glorot_uniform",
        kernel_regularizer=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.context_window = check_context_window(context_window)
        self.num_layers = positive_integer("num_layers", num_layers)
        self.direction = check_direction(direction)
        self.num_logistics = positive_integer("num_logistics", num_logistics)
        self.kernel_initializer = get_initializer(kernel_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)

    def build(self, features_shape, pixels_shape):
        check_rank("pixels", pixels_shape, "batch, height, width, channels")
        check_rank(
            "features",
            features_shape,
            "batch, height, width, dim",
            "batch, length, dim",
        )
        if None in pixels_shape[1:]:
            raise ValueError(
                "`pixels` must be of a known size: height, width and channels. "
                f"Received a shape: {pixels_shape}."
            )
        length = pixels_shape[1] * pixels_shape[2]
        known = features_shape[1:-1]
        if None not in known and math.prod(known) != length:
            raise ValueError(
                f"`features` must have a unit for each of the {length} pixels. "
                f"Received shapes: features {features_shape}, pixels {pixels_shape}."
            )
        dim, channels = features_shape[-1], pixels_shape[-1]
        self.cells = make_cells(
            self.num_layers,
            dim,
            self.dtype_policy,
            self.kernel_initializer,
            self.kernel_regularizer,
        )
        self.reading = keras.layers.Dense(
            dim,
            kernel_initializer=new_initializer(self.kernel_initializer),
            kernel_regularizer=self.kernel_regularizer,
            dtype=self.dtype_policy,
            name="reading",
        )
        self.reading.build((None, channels))
        size = channels * self.num_logistics * 3
        self.prediction = keras.layers.Dense(
            size,
            kernel_initializer=new_initializer(self.kernel_initializer),
            kernel_regularizer=self.kernel_regularizer,
            bias_initializer=_spread_means(channels, self.num_logistics),
            dtype=self.dtype_policy,
            name="prediction",
        )
        self.prediction.build((None, dim))
        freeze_parts(self)

    def call(self, features, pixels, positions=None):
        features, _ = raster_units(features)
        targets, valid = window_targets(
            pixels, positions, self.context_window, self.direction
        )
        current, _ = raster_units(pixels)
        if positions is not None:
            features = take_units(features, positions)
            current = ops.take(current, positions, axis=1)
        channels, dim = pixels.shape[-1], features.shape[-1]
        num_cells = targets.shape[2]
        inputs = ops.concatenate([current[:, :, None], targets[:, :, :-1]], axis=2)
        inputs = scale_pixels(inputs, accumulation_dtype(self.compute_dtype))
        inputs = ops.cast(inputs, self.compute_dtype)
        inputs = ops.reshape(self.reading(inputs), (-1, num_cells, dim))
        outputs = decode(
            self.cells,
            ops.reshape(features, (-1, dim)),
            [inputs[:, cell] for cell in range(num_cells)],
        )
        parameters = ops.reshape(
            self.prediction(ops.stack(outputs, axis=1)),
            (*ops.shape(targets)[:3], channels, self.num_logistics, 3),
        )
        values = pixel_log_likelihood(parameters, targets)
        return ops.where(valid, values, ops.zeros_like(values))

    def compute_mask(self, features, previous_mask=None):
        return None

    def compute_output_shape(self, features_shape, pixels_shape, positions_shape=None):
        num_positions = pixels_shape[1] * pixels_shape[2]
        if positions_shape is not None:
            num_positions = positions_shape[0]
        num_cells = len(window_offsets(self.context_window))
        return (features_shape[0], num_positions, num_cells)

    def compute_output_spec(self, features, pixels, positions=None):
        shape = self.compute_output_shape(
            features.shape, pixels.shape, None if positions is None else positions.shape
        )
        return keras.KerasTensor(shape, dtype=accumulation_dtype(self.compute_dtype))

    def get_config(self):
        return {
            **super().get_config(),
            "context_window": self.context_window,
            "num_layers": self.num_layers,
            "direction": self.direction,
            "num_logistics": self.num_logistics,
            "kernel_initializer": serialize_initializer(self.kernel_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
        }


def _spread_means(channels, num_logistics):
    """Return an initializer of biases: logistics that cover all levels side by side."""

    def initializer(shape, dtype=None):
        centers = [(2 * k + 1) / num_logistics - 1 for k in range(num_logistics)]
        one = [[0.0, center, -1.5] for center in centers]
        return ops.reshape(ops.convert_to_tensor([one] * channels, dtype=dtype), shape)

    return initializer
