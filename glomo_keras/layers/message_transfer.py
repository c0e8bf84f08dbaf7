"""Transfer of messages that were computed before, in place of graphs."""

import keras
from keras import ops

from glomo_keras.checks import check_rank
from glomo_keras.checks import check_units
from glomo_keras.layers.graph_transfer import GraphTransfer
from glomo_keras.layers.graph_transfer import check_directions
from glomo_keras.layers.masking import zero_padding
from glomo_keras.ops.mixture import mix_messages
from glomo_keras.ops.sizes import batch_size


@keras.saving.register_keras_serializable(package="glomo_keras")
class MessageTransfer(GraphTransfer):
    """Mix given messages along all graphs, and fuse them with features.

        mixed  = [sum_{t, k} w[i, t, k] messages_{t, k}[i] V]  (of both directions)
        gated  = (W1 [H; mixed] + b1) * sigmoid(W2 [H; mixed] + b2)
        output = [H, gated],  or H + gated if `residual`

    What `GraphTransfer` does, for features that never change, such as the pixels of an
    image or frozen vectors of words: their messages along every graph, and along the
    products of graphs, are constants, which `glomo_keras.ops.term_messages` computes
    once. Of the messages of H itself and with the same weights the outputs are those of
    `GraphTransfer`, and nothing of size `length * length` is held in training.

    Masking: padded units come out as zeros.

    Args:
        num_mixtures: int, mixtures of messages a direction.
        conditional: bool, whether mixture weights depend on the receiver's features.
        units: int or None, size of the gated part. `None` means that of the
            features.
        dropout: float in [0, 1), rate of the dropout before the gate.
        seed: int or None, seed of the dropout.
        kernel_initializer: initializer of V and of W2, the gate, or its name.
        kernel_regularizer: regularizer of V, W1 and W2, its name, or `None`.
        logit_scale: float, what the free logits of the mixtures are multiplied by: see
            `GraphMixer`. Models that were saved before there was this argument keep 1.
        residual: bool, whether to add the gated part to the features, of whose size it
            is then, in place of concatenating it.
        message_dim: int or None, size that mixed messages are projected to, by one
            matrix V. `None` means that they are taken as they are.
        **kwargs: `keras.layers.Layer` arguments (`name`, `dtype`, ...).

    Call arguments:
        features: float tensor `(batch, length, dim)`, H.
        messages: dict with `"forward"` and `"backward"`, or one of them, float tensors
            `(batch, terms, heads, length, sent_dim)`.
        features_mask: bool tensor `(batch, length)`, `True` at real units, or `None`.
        training: bool, whether to apply dropout.

    Returns:
        Float tensor `(batch, length, dim + units)`, or `(batch, length, dim)` if
        `residual`, in the compute dtype.

    Raises:
        ValueError: if `messages` is not a dict of the known directions, is over other
            units than the features, or an argument is out of its range.
        TypeError: if an argument is of another type.

    Example:

    >>> pixels, graphs = keras.ops.ones((2, 7, 3)), keras.ops.ones((2, 3, 5, 7, 7)) / 7
    >>> messages = {"forward": glomo_keras.ops.term_messages(pixels, graphs)}
    >>> tuple(MessageTransfer()(pixels, messages).shape)
    (2, 7, 6)

    Reference: Yang et al., 2018 (arXiv 1806.05662), section 2.3.
    """

    def __init__(
        self,
        num_mixtures=1,
        conditional=True,
        units=None,
        dropout=0.0,
        seed=None,
        kernel_initializer="glorot_uniform",
        kernel_regularizer=None,
        logit_scale=20.0,
        residual=False,
        message_dim=None,
        **kwargs,
    ):
        super().__init__(
            num_mixtures=num_mixtures,
            composed=False,  # products of graphs are among the terms
            conditional=conditional,
            units=units,
            dropout=dropout,
            seed=seed,
            kernel_initializer=kernel_initializer,
            kernel_regularizer=kernel_regularizer,
            logit_scale=logit_scale,
            residual=residual,
            message_dim=message_dim,
            **kwargs,
        )

    def __call__(self, features, messages, *args, **kwargs):
        return super().__call__(features, messages, *args, **kwargs)

    def build(self, features_shape, messages_shape=None):
        check_directions("messages", messages_shape)
        graphs_shape, dims = {}, []
        for direction, shape in messages_shape.items():
            shape = check_rank(
                "messages", shape, "batch, terms, heads, length, sent_dim"
            )
            check_units("messages", shape[3:4], "features", features_shape[1:2])
            # A mixer is made by the shape of the graphs that the messages went along.
            graphs_shape[direction] = (*shape[:4], shape[3])
            dims.append(shape[-1])
        self._build_parts(features_shape, graphs_shape, dims)

    def call(self, features, messages, features_mask=None, training=None):
        check_directions("messages", messages, self.mixers)
        features = zero_padding(features, features_mask)
        if features_mask is not None:
            over_units = ops.expand_dims(features_mask, (1, 2))
            messages = {
                direction: zero_padding(tensor, over_units)
                for direction, tensor in messages.items()
            }
        return self._fuse(features, messages, features_mask, training)

    def messages(self, features, graphs, weights):
        """Mix the messages of one direction, which stand in for `graphs`.

        Args:
            features: float tensor `(batch, length, dim)`.
            graphs: float tensor `(batch, terms, heads, length, sent_dim)`.
            weights: float tensor, see `GraphMixer.mixture_weights`.

        Returns:
            Float tensor `(batch, length, num_mixtures * message_dim)`.
        """
        mixed = mix_messages(graphs, weights)
        if self.projection is None:
            return mixed
        leading = batch_size(mixed), ops.shape(mixed)[1]
        by_mixture = ops.reshape(mixed, (*leading, self.num_mixtures, graphs.shape[-1]))
        size = self.num_mixtures * self.message_dim
        return ops.reshape(self.projection(by_mixture), (*leading, size))

    def compute_output_shape(self, features_shape, messages_shape):
        return super().compute_output_shape(features_shape, messages_shape)

    def compute_output_spec(
        self, features, messages, features_mask=None, training=None
    ):
        shapes = {direction: tensor.shape for direction, tensor in messages.items()}
        shape = self.compute_output_shape(features.shape, shapes)
        return keras.KerasTensor(shape, dtype=self.compute_dtype)

    def get_config(self):
        config = super().get_config()
        del config["composed"]
        return config
