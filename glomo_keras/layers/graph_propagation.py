"""One step of features along a graph: eq. 2."""

import keras
from keras import ops

from glomo_keras.layers.frozen_parts import freeze_parts
from glomo_keras.layers.initializers import MessageInitializer
from glomo_keras.layers.initializers import OrthogonalInitializer
from glomo_keras.layers.initializers import get_initializer
from glomo_keras.layers.initializers import serialize_initializer
from glomo_keras.layers.masking import zero_padding
from glomo_keras.ops.composition import check_heads
from glomo_keras.ops.composition import propagate

UPDATES = ("gru", "residual")
MESSAGES = ("plain", "product_concat")


@keras.saving.register_keras_serializable(package="glomo_keras")
class GraphPropagation(keras.layers.Layer):
    """Update every unit's features by what it reads along a graph.

        c_i  = concat over heads k of sum_j graph[k, i, j] f_j[slice k]
        f'_i = GRU(c_i, state f_i)                          update="gru"
        f'_i = f_i + concat over k of sum_j graph[k, i, j] (W f_j)[slice k]
                                                            update="residual"

    Each head moves its own slice of the features. `message="product_concat"` gives
    the GRU `[c * f, c]` in place of `c`, as the authors' program does.

    Masking: padded units send nothing and come out as zeros.

    Args:
        update: `"gru"` or `"residual"`.
        message: `"plain"` or `"product_concat"` (of the GRU alone).
        use_bias: bool, whether GRU or projection have biases.
        kernel_initializer: initializer of W, or of the GRU's kernel of messages, its
            name, or `None`, which means `"glorot_uniform"` for W, and for the GRU the
            library's `MessageInitializer`: its candidate state starts near the
            messages.
        kernel_regularizer: regularizer of the same kernel, its name, or `None`.
        **kwargs: `keras.layers.Layer` arguments (`name`, `dtype`, ...).

    Call arguments:
        features: float tensor `(batch, length, dim)`, `dim` a multiple of `heads`.
        graph: float tensor `(batch, heads, length, length)`, receivers in rows.
        features_mask: bool tensor `(batch, length)`, `True` at real units, or `None`.

    Returns:
        Float tensor `(batch, length, dim)` in the compute dtype.

    Raises:
        ValueError: if an argument is unknown or the shapes do not fit.

    Example:

    >>> layer = GraphPropagation()
    >>> tuple(layer(keras.ops.ones((2, 7, 6)), keras.ops.ones((2, 3, 7, 7)) / 7).shape)
    (2, 7, 6)

    Reference: Yang et al., 2018 (arXiv 1806.05662), eq. 2.
    """

    def __init__(
        self,
        update="gru",
        message="plain",
        use_bias=True,
        kernel_initializer=None,
        kernel_regularizer=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if update not in UPDATES:
            raise ValueError(
                f'`update` must be "gru" or "residual". Received: update={update!r}.'
            )
        if message not in MESSAGES:
            raise ValueError(
                '`message` must be "plain" or "product_concat". Received: '
                f"message={message!r}."
            )
        if update == "residual" and message != "plain":
            raise ValueError(
                '`message` must be "plain" when update="residual". Received: '
                f'message={message!r}. Use update="gru" with it.'
            )
        self.update = update
        self.message = message
        self.use_bias = use_bias
        self.kernel_initializer = get_initializer(kernel_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.supports_masking = True

    def build(self, features_shape, graph_shape):
        check_heads(features_shape, graph_shape)
        dim = features_shape[-1]
        if self.update == "gru":
            self.cell = keras.layers.GRUCell(
                dim,
                use_bias=self.use_bias,
                kernel_initializer=self.kernel_initializer or MessageInitializer(),
                # The class: its seed is drawn after that of the kernel, as in Keras.
                recurrent_initializer=OrthogonalInitializer,
                kernel_regularizer=self.kernel_regularizer,
                dtype=self.dtype_policy,
                name="cell",
            )
            self.cell.build((None, dim if self.message == "plain" else 2 * dim))
        else:
            self.projection = keras.layers.Dense(
                dim,
                use_bias=self.use_bias,
                kernel_initializer=self.kernel_initializer or "glorot_uniform",
                kernel_regularizer=self.kernel_regularizer,
                dtype=self.dtype_policy,
                name="projection",
            )
            self.projection.build(features_shape)
        freeze_parts(self)

    def call(self, features, graph, features_mask=None):
        return self.step(
            features, lambda values: propagate(values, graph), features_mask
        )

    def step(self, features, messages_of, features_mask=None):
        """Update features along a graph that need not exist as a tensor.

        Args:
            features: float tensor `(batch, length, dim)`.
            messages_of: function from values to messages, both `(batch, length, dim)`,
                zeros at padding.
            features_mask: bool tensor `(batch, length)`, or `None`.

        Returns:
            Float tensor `(batch, length, dim)`.
        """
        features = zero_padding(features, features_mask)
        if self.update == "residual":
            values = zero_padding(self.projection(features), features_mask)
            updated = features + messages_of(values)
        else:
            messages = messages_of(features)
            if self.message == "product_concat":
                messages = ops.concatenate([messages * features, messages], axis=-1)
            # The cell takes rows: all units of all sequences at once.
            rows = ops.reshape(messages, (-1, messages.shape[-1]))
            states = ops.reshape(features, (-1, features.shape[-1]))
            updated, _ = self.cell(rows, [states])
            updated = ops.reshape(updated, ops.shape(features))
        return zero_padding(updated, features_mask)

    def compute_mask(self, features, previous_mask=None):
        return previous_mask

    def compute_output_shape(self, features_shape, graph_shape):
        return features_shape

    def get_config(self):
        return {
            **super().get_config(),
            "update": self.update,
            "message": self.message,
            "use_bias": self.use_bias,
            "kernel_initializer": serialize_initializer(self.kernel_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
        }
