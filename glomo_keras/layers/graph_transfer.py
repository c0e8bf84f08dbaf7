"""The one line that makes a model structure-aware."""

import keras
from keras import ops
from keras import tree

from glomo_keras.layers.gated_graph_fusion import GatedGraphFusion
from glomo_keras.layers.graph_mixer import GraphMixer
from glomo_keras.layers.masking import zero_padding
from glomo_keras.ops.mixture import mixed_messages
from glomo_keras.ops.visibility import DIRECTIONS


@keras.saving.register_keras_serializable(package="glomo_keras")
class GraphTransfer(keras.layers.Layer):
    """Mix pretrained graphs, send features along them and fuse the messages.

        messages = [M_forward H; M_backward H]        (one or more mixtures each)
        output   = [H, W1 [H; messages] * sigmoid(W2 [H; messages])]

    The graphs come from a `GraphPredictor`; what this layer trains are the mixture
    weights of either direction and the fusion. Freeze the predictor (`trainable =
    False`) to keep it as it was pretrained: gradients reach it otherwise. Graphs are
    never multiplied with graphs, unless the mixed graphs are asked for.

    Masking: padded units send nothing and come out as zeros.

    Args:
        num_mixtures: int, mixed graphs a direction.
        composed: bool, whether products of graphs are mixed as well.
        conditional: bool, whether mixture weights depend on the receiver's features.
        units: int or None, size of the gated part. `None` means that of the
            features.
        dropout: float in [0, 1), rate of the dropout before the gate.
        seed: int or None, seed of the dropout.
        kernel_regularizer: regularizer of W1 and W2, or `None`.
        **kwargs: `keras.layers.Layer` arguments (`name`, `dtype`, ...).

    Call arguments:
        features: float tensor `(batch, length, dim)`: word vectors, states of an
            RNN, any features of the units.
        graphs: dict with `"forward"` and `"backward"`, or one of them and nothing
            else, float tensors `(batch, layers, heads, length, length)`.
        features_mask: bool tensor `(batch, length)`, `True` at real units, or `None`.
        return_graphs: bool, whether to return the mixed graphs as well.
        training: bool, whether to apply dropout.

    Returns:
        Float tensor `(batch, length, dim + units)` in the compute dtype; with
        `return_graphs=True` a tuple of it and of a dict of the mixed graphs
        `(batch, num_mixtures, length, length)` of every direction.

    Raises:
        ValueError: if `graphs` is not a dict of the known directions, is over other
            units than the features, or an argument is out of its range.

    Example:

    >>> graphs = {"forward": keras.ops.ones((2, 3, 5, 7, 7)) / 7}
    >>> tuple(GraphTransfer()(keras.ops.ones((2, 7, 11)), graphs).shape)
    (2, 7, 22)

    Reference: Yang et al., 2018 (arXiv 1806.05662), section 2.3.
    """

    def __init__(
        self,
        num_mixtures=1,
        composed=True,
        conditional=True,
        units=None,
        dropout=0.0,
        seed=None,
        kernel_regularizer=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.num_mixtures = num_mixtures
        self.composed = composed
        self.conditional = conditional
        self.units = units
        self.dropout = dropout
        self.seed = seed
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.fusion = GatedGraphFusion(
            units,
            dropout=dropout,
            seed=seed,
            kernel_regularizer=self.kernel_regularizer,
            dtype=self.dtype_policy,
            name="fusion",
        )
        self._make_mixer("forward")  # wrong arguments raise here and not in `build`
        self.supports_masking = True

    def build(self, features_shape, graphs_shape=None):
        _check_graphs(graphs_shape)  # Keras drops an empty dict: None
        self.mixers = {}
        for direction in DIRECTIONS:
            if direction in graphs_shape:
                mixer = self._make_mixer(direction)
                mixer.build(features_shape, graphs_shape[direction])
                self.mixers[direction] = mixer
        size = len(self.mixers) * self.num_mixtures * features_shape[-1]
        self.fusion.build(features_shape, (*features_shape[:-1], size))

    def call(
        self, features, graphs, features_mask=None, return_graphs=False, training=None
    ):
        _check_graphs(graphs)
        if set(graphs) != set(self.mixers):
            raise ValueError(
                "`graphs` must hold the directions that the layer was built with: "
                f"{sorted(self.mixers)}. Received: {sorted(graphs)}."
            )
        features = zero_padding(features, features_mask)
        messages, mixed = [], {}
        for direction, mixer in self.mixers.items():
            of_direction = ops.cast(graphs[direction], self.compute_dtype)
            if return_graphs:
                mixed[direction] = mixer(
                    features, of_direction, features_mask=features_mask
                )
            weights = mixer.mixture_weights(features)
            messages.append(self.messages(features, of_direction, weights))
        fused = self.fusion(
            features,
            ops.concatenate(messages, axis=-1),
            features_mask=features_mask,
            training=training,
        )
        return (fused, mixed) if return_graphs else fused

    def messages(self, features, graphs, weights):
        """Messages of one direction along its mixed graphs.

        Args:
            features: float tensor `(batch, length, dim)`.
            graphs: float tensor `(batch, layers, heads, length, length)`.
            weights: float tensor, see `GraphMixer.mixture_weights`.

        Returns:
            Float tensor `(batch, length, num_mixtures * dim)`.
        """
        return mixed_messages(features, graphs, weights, self.composed)

    def compute_mask(self, features, previous_mask=None):
        return previous_mask

    def compute_output_shape(self, features_shape, graphs_shape, return_graphs=False):
        dim = features_shape[-1]
        fused = (*features_shape[:-1], dim + (self.units or dim))
        if not return_graphs:
            return fused
        mixed = {
            direction: (shape[0], self.num_mixtures, *shape[-2:])
            for direction, shape in graphs_shape.items()
        }
        return fused, mixed

    def compute_output_spec(
        self, features, graphs, features_mask=None, return_graphs=False, training=None
    ):
        graphs_shape = {direction: graph.shape for direction, graph in graphs.items()}
        return tree.map_shape_structure(
            lambda shape: keras.KerasTensor(shape, dtype=self.compute_dtype),
            self.compute_output_shape(features.shape, graphs_shape, return_graphs),
        )

    def get_config(self):
        return {
            **super().get_config(),
            "num_mixtures": self.num_mixtures,
            "composed": self.composed,
            "conditional": self.conditional,
            "units": self.units,
            "dropout": self.dropout,
            "seed": self.seed,
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
        }

    def _make_mixer(self, direction):
        return GraphMixer(
            self.num_mixtures,
            self.composed,
            self.conditional,
            dtype=self.dtype_policy,
            name=f"{direction}_mixer",
        )


def _check_graphs(graphs):
    received = list(graphs) if isinstance(graphs, dict) else []
    extra = [name for name in received if name not in DIRECTIONS]
    if received and not extra:
        return
    advice = ""
    if len(extra) < len(received):  # what comes from strings has more than graphs
        advice = (
            f" Leave out {', '.join(map(repr, extra))}: pass "
            '{d: found[d] for d in ("forward", "backward")}.'
        )
    raise ValueError(
        '`graphs` must be a dict with the keys "forward" and "backward", or one of '
        "them, as `GraphPredictor` returns it. Received: "
        f"{received or type(graphs).__name__}.{advice}"
    )
