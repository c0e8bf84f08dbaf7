"""Features joined with what they read along a graph, through a gate."""

import keras
from keras import ops

from glomo_keras.checks import check_dropout
from glomo_keras.checks import check_rank
from glomo_keras.checks import check_units
from glomo_keras.checks import plain_integer
from glomo_keras.checks import positive_integer
from glomo_keras.layers.frozen_parts import freeze_parts
from glomo_keras.layers.initializers import get_initializer
from glomo_keras.layers.initializers import new_initializer
from glomo_keras.layers.initializers import serialize_initializer
from glomo_keras.layers.masking import zero_padding


@keras.saving.register_keras_serializable(package="glomo_keras")
class GatedGraphFusion(keras.layers.Layer):
    """Concatenate features with a gated projection of features and messages.

        gated = (W1 [H; messages] + b1) * sigmoid(W2 [H; messages] + b2)
        fused = [H, gated],  or H + gated if `residual`

    W1 starts at zero: a model starts as if there were no messages, and takes of them
    what helps. The residual form starts as the identity, so that it can be put into a
    model that is trained already.

    Masking: padded units come out as zeros.

    Args:
        units: int or None, size of the gated part. `None` means that of the
            features.
        use_bias: bool, whether b1 and b2 are there.
        dropout: float in [0, 1), rate of the dropout on `[H; messages]`.
        seed: int or None, seed of the dropout.
        kernel_initializer: initializer of W2, or its name.
        kernel_regularizer: regularizer of W1 and W2, its name, or `None`.
        linear_initializer: initializer of W1, or its name.
        residual: bool, whether to add the gated part to the features, of whose size it
            is then, in place of concatenating it.
        **kwargs: `keras.layers.Layer` arguments (`name`, `dtype`, ...).

    Call arguments:
        features: float tensor `(batch, length, dim)`.
        messages: float tensor `(batch, length, any)`.
        features_mask: bool tensor `(batch, length)`, `True` at real units, or `None`.
        training: bool, whether to apply dropout.

    Returns:
        Float tensor `(batch, length, dim + units)`, or `(batch, length, dim)` if
        `residual`, in the compute dtype.

    Raises:
        ValueError: if an argument is out of its range or a shape does not fit.
        TypeError: if an argument is of another type.

    Example:

    >>> fusion = GatedGraphFusion(units=5)
    >>> features, messages = keras.ops.ones((2, 7, 3)), keras.ops.ones((2, 7, 11))
    >>> tuple(fusion(features, messages).shape)
    (2, 7, 8)

    Reference: Yang et al., 2018 (arXiv 1806.05662), section 2.3, the gate.
    """

    def __init__(
        self,
        units=None,
        use_bias=True,
        dropout=0.0,
        seed=None,
        kernel_initializer="glorot_uniform",
        kernel_regularizer=None,
        linear_initializer="zeros",
        residual=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.units = positive_integer("units", units, or_none=True)
        self.use_bias = use_bias
        self.dropout = check_dropout(dropout)
        self.seed = plain_integer(seed)
        self.kernel_initializer = get_initializer(kernel_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.linear_initializer = get_initializer(linear_initializer)
        self.residual = residual
        self.supports_masking = True

    def build(self, features_shape, messages_shape):
        check_rank("features", features_shape, "batch, length, dim")
        check_rank("messages", messages_shape, "batch, length, dim")
        check_units("messages", messages_shape[1:2], "features", features_shape[1:2])
        units = self._num_units(features_shape)
        joined = (*features_shape[:-1], features_shape[-1] + messages_shape[-1])
        dense = {
            "units": units,
            "use_bias": self.use_bias,
            "kernel_regularizer": self.kernel_regularizer,
            "dtype": self.dtype_policy,
        }
        self.linear = keras.layers.Dense(
            kernel_initializer=new_initializer(self.linear_initializer),
            name="linear",
            **dense,
        )
        self.gate = keras.layers.Dense(
            kernel_initializer=new_initializer(self.kernel_initializer),
            activation="sigmoid",
            name="gate",
            **dense,
        )
        self.linear.build(joined)
        self.gate.build(joined)
        self._dropout = keras.layers.Dropout(
            self.dropout, seed=self.seed, dtype=self.dtype_policy
        )
        freeze_parts(self)

    def call(self, features, messages, features_mask=None, training=None):
        features = zero_padding(features, features_mask)
        messages = zero_padding(messages, features_mask)
        joined = ops.concatenate([features, messages], axis=-1)
        joined = self._dropout(joined, training=training)
        gated = self.linear(joined) * self.gate(joined)
        if self.residual:
            fused = features + gated
        else:
            fused = ops.concatenate([features, gated], axis=-1)
        return zero_padding(fused, features_mask)

    def compute_mask(self, features, previous_mask=None):
        return previous_mask

    def compute_output_shape(self, features_shape, messages_shape):
        units = self._num_units(features_shape)
        if self.residual:
            return tuple(features_shape)
        return (*features_shape[:-1], features_shape[-1] + units)

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "use_bias": self.use_bias,
            "dropout": self.dropout,
            "seed": self.seed,
            "kernel_initializer": serialize_initializer(self.kernel_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            "linear_initializer": serialize_initializer(self.linear_initializer),
            "residual": self.residual,
        }

    def _num_units(self, features_shape):
        dim = features_shape[-1]
        if self.residual and self.units not in (None, dim):
            raise ValueError(
                "`units` must be the last dimension of `features` if `residual`, whose "
                "gated part is added to them. Received: "
                f"units={self.units}, dim={dim}. Leave `units` out."
            )
        return self.units or dim
