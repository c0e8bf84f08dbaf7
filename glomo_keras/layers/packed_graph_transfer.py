"""Transfer of packed graphs: constants that are kept, products among them."""

import keras
from keras import ops

from glomo_keras.checks import check_rank
from glomo_keras.checks import check_units
from glomo_keras.layers.graph_transfer import GraphTransfer
from glomo_keras.layers.masking import zero_padding
from glomo_keras.ops.packed_graphs import propagate_packed
from glomo_keras.ops.visibility import DIRECTIONS


@keras.saving.register_keras_serializable(package="glomo_keras")
class PackedGraphTransfer(GraphTransfer):
    """Mix packed graphs, send features along them and fuse the messages.

        messages = [M_forward H V; M_backward H V]    (one or more mixtures each)
        gated    = (W1 [H; messages] + b1) * sigmoid(W2 [H; messages] + b2)
        output   = [H, gated],  or H + gated if `residual`

    What `GraphTransfer` does, for graphs that never change, such as those of texts that
    are trained on epoch after epoch: products of graphs are constants, and graphs of
    both directions share one array. `glomo_keras.ops.pack_graphs` makes it once,
    `glomo_keras.models.PackedGraphCache` keeps it. With the same weights the outputs
    are those of `GraphTransfer`.

    Masking: padded units send nothing and come out as zeros.

    Args:
        num_mixtures: int, mixed graphs a direction.
        conditional: bool, whether mixture weights depend on the receiver's features.
        units: int or None, size of the gated part. `None` means that of the
            features.
        dropout: float in [0, 1), rate of the dropout before the gate.
        seed: int or None, seed of the dropout.
        kernel_initializer: initializer of V and of W2, the gate, or its name.
        kernel_regularizer: regularizer of V, W1 and W2, its name, or `None`.
        logit_scale: float, what the free logits of the mixtures are multiplied by: see
            `GraphMixer`.
        residual: bool, whether to add the gated part to the features, of whose size it
            is then, in place of concatenating it.
        message_dim: int or None, size that features are projected to before they are
            sent. `None` means that they are sent as they are.
        **kwargs: `keras.layers.Layer` arguments (`name`, `dtype`, ...).

    Call arguments:
        features: float tensor `(batch, length, dim)`, H.
        graphs: float tensor `(batch, length, terms, heads, length)`, of `pack_graphs`.
        features_mask: bool tensor `(batch, length)`, `True` at real units, or `None`.
        training: bool, whether to apply dropout.

    Returns:
        Float tensor `(batch, length, dim + units)`, or `(batch, length, dim)` if
        `residual`, in the compute dtype.

    Raises:
        ValueError: if the graphs are not packed, or are over other units than the
            features, or an argument is out of its range.
        TypeError: if an argument is of another type.

    Example:

    >>> graphs = keras.ops.ones((2, 3, 5, 7, 7)) / 7
    >>> packed = glomo_keras.ops.pack_graphs({"forward": graphs, "backward": graphs})
    >>> tuple(PackedGraphTransfer()(keras.ops.ones((2, 7, 11)), packed).shape)
    (2, 7, 22)

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

    def build(self, features_shape, graphs_shape):
        batch, receivers, num_terms, num_heads, senders = check_rank(
            "graphs",
            graphs_shape,
            "batch, length, terms, heads, length",
            advice="`graphs` are packed by `glomo_keras.ops.pack_graphs`.",
        )
        check_units("graphs", (receivers, senders), "features", features_shape[1:2] * 2)
        # A mixer is made by the shape of the graphs of its direction.
        shape = batch, num_terms, num_heads, receivers, senders
        self._build_parts(
            features_shape,
            dict.fromkeys(DIRECTIONS, shape),
            [features_shape[-1]] * len(DIRECTIONS),
        )

    def call(self, features, graphs, features_mask=None, training=None):
        features = zero_padding(features, features_mask)
        weights = [mixer.mixture_weights(features) for mixer in self.mixers.values()]
        messages = self.messages(
            features,
            ops.cast(graphs, self.compute_dtype),
            ops.concatenate(weights, axis=2),
        )
        return self.fusion(
            features, messages, features_mask=features_mask, training=training
        )

    def messages(self, features, graphs, weights):
        """Compute the messages of both directions along their mixed graphs.

        Args:
            features: float tensor `(batch, length, dim)`.
            graphs: float tensor `(batch, length, terms, heads, length)`.
            weights: float tensor, see `GraphMixer.mixture_weights`, of the mixtures of
                forward, then of backward.

        Returns:
            Float tensor `(batch, length, 2 * num_mixtures * message_dim)`.
        """
        if self.projection is not None:  # fewer numbers along every graph
            features = self.projection(features)
        return propagate_packed(features, graphs, weights)

    def compute_output_shape(self, features_shape, graphs_shape):
        return self.fusion.compute_output_shape(features_shape, None)

    def compute_output_spec(self, features, graphs, features_mask=None, training=None):
        shape = self.compute_output_shape(features.shape, graphs.shape)
        return keras.KerasTensor(shape, dtype=self.compute_dtype)

    def get_config(self):
        config = super().get_config()
        del config["composed"]
        return config
