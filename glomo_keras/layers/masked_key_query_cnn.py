"""Query and key networks: two stacks of masked convolutions."""

import keras

from glomo_keras.checks import check_dropout
from glomo_keras.checks import plain_integer
from glomo_keras.checks import positive_integer
from glomo_keras.layers.batch_normalization import BatchNormalization
from glomo_keras.layers.frozen_parts import freeze_parts
from glomo_keras.layers.initializers import get_initializer
from glomo_keras.layers.initializers import new_initializer
from glomo_keras.layers.initializers import serialize_initializer
from glomo_keras.layers.masked_convolution import MaskedConvolution
from glomo_keras.layers.masking import zero_padding
from glomo_keras.layers.raster_normalization import RasterNormalization
from glomo_keras.ops.visibility import check_direction

NORMALIZATIONS = ("layer", "batch", None)


@keras.saving.register_keras_serializable(package="glomo_keras")
class MaskedKeyQueryCNN(keras.layers.Layer):
    """Queries and keys of units from the units around them that may be seen.

    Two stacks with the same structure and separate weights. Each of their
    `num_layers` layers is

        h <- dropout(activation(normalize(convolution(h masked))))

    and sees a unit and the `kernel_size - 1` before it in `direction`, so that query
    and key of unit i depend on units <= i (forward) or >= i (backward) alone. The
    units of an image are its pixels in raster order; see `MaskedConvolution`.

    Masking: padded units are zeros before every convolution and in the outputs.

    `normalization="batch"` takes its statistics over time while training, so that
    earlier queries and keys then depend on later units. In inference it is causal.
    It is there for parity with the authors' program; the default never leaks.

    Args:
        filters: int, channels of every layer.
        kernel_size: int, units that a convolution sees; odd for images.
        num_layers: int, convolutions in each stack. The receptive field is
            `num_layers * (kernel_size - 1) + 1` units; in an image all pixels before
            the current one that are at most `num_layers * (kernel_size // 2)` rows
            and columns away.
        direction: `"forward"` or `"backward"`.
        normalization: `"layer"`, `"batch"` or `None`.
        activation: activation function or its name.
        dropout: float in [0, 1), rate of the dropout after every layer.
        seed: int or None, seed of the dropout.
        kernel_initializer: initializer of the convolutions, its name, or `None`, which
            means the library's `CurrentUnitInitializer`.
        kernel_regularizer: regularizer of the convolutions, its name, or `None`.
        **kwargs: `keras.layers.Layer` arguments (`name`, `dtype`, ...).

    Call arguments:
        features: float tensor `(batch, length, dim)`, or `(batch, height, width,
            dim)` of an image.
        mask: bool tensor `(batch, length)` or `(batch, height, width)`, `True` at
            real units, or `None`.
        training: bool, whether to apply dropout.

    Returns:
        `(queries, keys)`, float tensors `(batch, length, filters)`, or `(batch,
        height, width, filters)`, in the compute dtype; each carries the mask that was
        given by its name, or that `features` carries.

    Raises:
        ValueError: if an argument is out of its range, if `features` is neither of
            rank 3 nor of rank 4, or if there are so few `filters` that layer
            normalization makes zeros of all.
        TypeError: if an argument is of another type.

    Example:

    >>> network = MaskedKeyQueryCNN(filters=5)
    >>> queries, keys = network(keras.ops.ones((2, 7, 3)))
    >>> tuple(queries.shape), tuple(keys.shape)
    ((2, 7, 5), (2, 7, 5))

    Reference: Yang et al., 2018 (arXiv 1806.05662), section 2.1.
    """

    def __init__(
        self,
        filters,
        kernel_size=3,
        num_layers=4,
        direction="forward",
        normalization="layer",
        activation="relu",
        dropout=0.0,
        seed=None,
        kernel_initializer=None,
        kernel_regularizer=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if normalization not in NORMALIZATIONS:
            raise ValueError(
                f'`normalization` must be "layer", "batch" or None. Received: '
                f"normalization={normalization!r}."
            )
        self.filters = positive_integer("filters", filters)
        self.kernel_size = positive_integer("kernel_size", kernel_size)
        self.num_layers = positive_integer("num_layers", num_layers)
        self.direction = check_direction(direction)
        self.normalization = normalization
        self.activation = keras.activations.get(activation)
        self.dropout = check_dropout(dropout)
        self.seed = plain_integer(seed)
        self.kernel_initializer = get_initializer(kernel_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.supports_masking = True

    def build(self, features_shape):
        # The two kinds of channels of an image are normalized apart.
        smallest = 4 if len(features_shape) == 4 else 2
        if self.normalization == "layer" and self.filters < smallest:
            raise ValueError(
                f"Layer normalization leaves nothing of less than {smallest} `filters` "
                f"over features of rank {len(features_shape)}. Received: "
                f"filters={self.filters}. Take more, or another `normalization`."
            )
        self.key_stack = self._build_stack("keys", features_shape, 0)
        self.query_stack = self._build_stack("queries", features_shape, 1)
        freeze_parts(self)

    def call(self, features, mask=None, training=None):
        keys = self._run_stack(self.key_stack, features, mask, training)
        queries = self._run_stack(self.query_stack, features, mask, training)
        return queries, keys

    def compute_mask(self, features, previous_mask=None):
        return [previous_mask, previous_mask]

    def compute_output_shape(self, features_shape):
        shape = (*features_shape[:-1], self.filters)
        return shape, shape

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "num_layers": self.num_layers,
            "direction": self.direction,
            "normalization": self.normalization,
            "activation": keras.activations.serialize(self.activation),
            "dropout": self.dropout,
            "seed": self.seed,
            "kernel_initializer": serialize_initializer(self.kernel_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
        }

    def _build_stack(self, name, shape, number):
        """Make the convolution, normalization and dropout of every layer."""
        stack = []
        for layer in range(self.num_layers):
            convolution = MaskedConvolution(
                self.filters,
                self.kernel_size,
                self.direction,
                num_above=0 if layer == 0 else self.filters // 2,
                kernel_initializer=new_initializer(self.kernel_initializer),
                kernel_regularizer=self.kernel_regularizer,
                dtype=self.dtype_policy,
                name=f"{name}_convolution_{layer}",
            )
            convolution.build(shape)
            shape = convolution.compute_output_shape(shape)
            normalization = self._make_normalization(
                f"{name}_normalization_{layer}", is_image=len(shape) == 4
            )
            if normalization is not None:
                normalization.build(shape)
            seed = self.seed
            if seed is not None:  # or else every layer drops the same channels
                seed += number * self.num_layers + layer
            dropout = keras.layers.Dropout(
                self.dropout, seed=seed, dtype=self.dtype_policy
            )
            stack.append((convolution, normalization, dropout))
        return stack

    def _make_normalization(self, name, is_image):
        if self.normalization == "layer":
            if is_image:
                return RasterNormalization(dtype=self.dtype_policy, name=name)
            return keras.layers.LayerNormalization(
                epsilon=1e-6, dtype=self.dtype_policy, name=name
            )
        if self.normalization == "batch":
            return BatchNormalization(
                momentum=0.9, epsilon=1e-5, dtype=self.dtype_policy, name=name
            )
        return None

    def _run_stack(self, stack, hidden, mask, training):
        for convolution, normalization, dropout in stack:
            hidden = convolution(zero_padding(hidden, mask))
            if self.normalization == "batch":
                hidden = normalization(hidden, training=training, mask=mask)
            elif self.normalization == "layer":
                hidden = normalization(hidden)
            hidden = dropout(self.activation(hidden), training=training)
        return zero_padding(hidden, mask)
