"""The one line that makes a model structure-aware."""

import keras
from keras import ops
from keras import tree

from glomo_keras.checks import check_scale
from glomo_keras.checks import plain_integer
from glomo_keras.checks import positive_integer
from glomo_keras.layers.frozen_parts import freeze_parts
from glomo_keras.layers.gated_graph_fusion import GatedGraphFusion
from glomo_keras.layers.graph_mixer import GraphMixer
from glomo_keras.layers.initializers import get_initializer
from glomo_keras.layers.initializers import new_initializer
from glomo_keras.layers.initializers import serialize_initializer
from glomo_keras.layers.masking import zero_padding
from glomo_keras.ops.mixture import propagate_mixture
from glomo_keras.ops.visibility import DIRECTIONS

# What `TextGraphs` and `SavedModelGraphs` return of strings, beside the graphs.
BESIDE_GRAPHS = ("units", "padding_mask")


@keras.saving.register_keras_serializable(package="glomo_keras")
class GraphTransfer(keras.layers.Layer):
    """Mix pretrained graphs, send features along them and fuse the messages.

        messages = [M_forward H V; M_backward H V]    (one or more mixtures each)
        gated    = (W1 [H; messages] + b1) * sigmoid(W2 [H; messages] + b2)
        output   = [H, gated],  or H + gated if `residual`

    V is the identity, as in the paper, unless `message_dim` gives messages a size of
    their own: features are then sent through one trained projection, that of all
    mixtures. A fusion that takes in fewer numbers overfits less where labels are few.

    W1 starts at zero. In the residual form the layer starts as the identity: put into
    a model that is trained already, it changes none of its outputs before it is trained
    itself.

    The graphs come from a `GraphPredictor`; what this layer trains are the mixture
    weights of either direction and the fusion. Freeze the predictor (`trainable =
    False`) to keep it as it was pretrained: gradients reach it otherwise. The work is
    done in the cheapest order, see `glomo_keras.ops.propagate_mixture`.

    Masking: padded units send nothing and come out as zeros.

    Args:
        num_mixtures: int, mixed graphs a direction.
        composed: bool, whether products of graphs are mixed as well.
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
        message_dim: int or None, size that features are projected to before they are
            sent. `None` means that they are sent as they are.
        **kwargs: `keras.layers.Layer` arguments (`name`, `dtype`, ...).

    Call arguments:
        features: float tensor `(batch, length, dim)`: word vectors, states of an
            RNN, any features of the units.
        graphs: dict with `"forward"` and `"backward"`, or one of them, float tensors
            `(batch, layers, heads, length, length)`. What `TextGraphs` returns beside
            them, `units` and `padding_mask`, is left aside: it goes straight in, and a
            mask is given as `features_mask`.
        features_mask: bool tensor `(batch, length)`, `True` at real units, or `None`.
        return_graphs: bool, whether to return the mixed graphs as well.
        training: bool, whether to apply dropout.

    Returns:
        Float tensor `(batch, length, dim + units)`, or `(batch, length, dim)` if
        `residual`, in the compute dtype; with `return_graphs=True` a tuple of it and of
        a dict of the mixed graphs `(batch, num_mixtures, length, length)` of every
        direction.

    Raises:
        ValueError: if `graphs` is not a dict of the known directions, is over other
            units than the features, or an argument is out of its range.
        TypeError: if an argument is of another type.

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
        kernel_initializer="glorot_uniform",
        kernel_regularizer=None,
        logit_scale=20.0,
        residual=False,
        message_dim=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.num_mixtures = positive_integer("num_mixtures", num_mixtures)
        self.composed = composed
        self.conditional = conditional
        self.units = positive_integer("units", units, or_none=True)
        self.dropout = dropout
        self.seed = plain_integer(seed)
        self.kernel_initializer = get_initializer(kernel_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.residual = residual
        self.logit_scale = check_scale("logit_scale", logit_scale)
        self.message_dim = positive_integer("message_dim", message_dim, or_none=True)
        self.fusion = GatedGraphFusion(
            units,
            dropout=dropout,
            seed=seed,
            kernel_initializer=self.kernel_initializer,
            kernel_regularizer=self.kernel_regularizer,
            residual=residual,
            dtype=self.dtype_policy,
            name="fusion",
        )
        self._make_mixer("forward")  # wrong arguments raise here and not in `build`
        self.supports_masking = True

    def build(self, features_shape, graphs_shape=None):
        graphs_shape = _leave_text(graphs_shape)
        check_directions("graphs", graphs_shape)  # Keras drops an empty dict: None
        dims = [features_shape[-1]] * len(graphs_shape)
        self._build_parts(features_shape, graphs_shape, dims)

    def __call__(self, features, graphs, *args, **kwargs):
        # Before Keras converts and records all that it is given: strings are tensors
        # on one backend alone.
        return super().__call__(features, _leave_text(graphs), *args, **kwargs)

    def call(
        self, features, graphs, features_mask=None, return_graphs=False, training=None
    ):
        check_directions("graphs", graphs, self.mixers)
        features = zero_padding(features, features_mask)
        fused = self._fuse(features, graphs, features_mask, training)
        if not return_graphs:
            return fused
        return fused, {
            direction: mixer(
                features,
                ops.cast(graphs[direction], self.compute_dtype),
                features_mask=features_mask,
            )
            for direction, mixer in self.mixers.items()
        }

    def messages(self, features, graphs, weights):
        """Compute the messages of one direction along its mixed graphs.

        Args:
            features: float tensor `(batch, length, dim)`.
            graphs: float tensor `(batch, layers, heads, length, length)`.
            weights: float tensor, see `GraphMixer.mixture_weights`.

        Returns:
            Float tensor `(batch, length, num_mixtures * message_dim)`.
        """
        if self.projection is not None:  # fewer numbers along every graph
            features = self.projection(features)
        return propagate_mixture(features, graphs, weights, self.composed)

    def compute_mask(self, features, previous_mask=None):
        return previous_mask

    def compute_output_shape(self, features_shape, graphs_shape, return_graphs=False):
        fused = self.fusion.compute_output_shape(features_shape, None)
        if not return_graphs:
            return fused
        mixed = {
            direction: (shape[0], self.num_mixtures, *shape[-2:])
            for direction, shape in _leave_text(graphs_shape).items()
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
            "kernel_initializer": serialize_initializer(self.kernel_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            "logit_scale": self.logit_scale,
            "residual": self.residual,
            "message_dim": self.message_dim,
        }

    @classmethod
    def from_config(cls, config):
        # Layers that were saved before there was the argument had no scale.
        return super().from_config({"logit_scale": 1.0, **config})

    def _build_parts(self, features_shape, graphs_shape, sent_dims):
        """Build what is trained, for what is sent of `sent_dims` in a direction."""
        self.mixers = {}
        for direction in DIRECTIONS:
            if direction in graphs_shape:
                mixer = self._make_mixer(direction)
                mixer.build(features_shape, graphs_shape[direction])
                self.mixers[direction] = mixer
        self.projection = None
        if self.message_dim is not None:
            if len(set(sent_dims)) > 1:
                raise ValueError(
                    "`message_dim` projects the messages of both directions by one "
                    "matrix, for which they must be of one size. Received: "
                    f"{' and '.join(map(str, sent_dims))}. Leave `message_dim` out."
                )
            self.projection = keras.layers.Dense(
                self.message_dim,
                use_bias=False,  # empty rows and padding send nothing
                kernel_initializer=new_initializer(self.kernel_initializer),
                kernel_regularizer=self.kernel_regularizer,
                dtype=self.dtype_policy,
                name="projection",
            )
            self.projection.build((*features_shape[:-1], sent_dims[0]))
            sent_dims = [self.message_dim] * len(sent_dims)
        size = self.num_mixtures * sum(sent_dims)
        self.fusion.build(features_shape, (*features_shape[:-1], size))
        freeze_parts(self)

    def _fuse(self, features, graphs, features_mask, training):
        messages = [
            self.messages(
                features,
                ops.cast(graphs[direction], self.compute_dtype),
                mixer.mixture_weights(features),
            )
            for direction, mixer in self.mixers.items()
        ]
        return self.fusion(
            features,
            ops.concatenate(messages, axis=-1),
            features_mask=features_mask,
            training=training,
        )

    def _make_mixer(self, direction):
        return GraphMixer(
            self.num_mixtures,
            self.composed,
            self.conditional,
            logit_scale=self.logit_scale,
            dtype=self.dtype_policy,
            name=f"{direction}_mixer",
        )


def _leave_text(graphs):
    """Return the graphs without what travels beside them."""
    if not isinstance(graphs, dict):
        return graphs
    return {key: graphs[key] for key in graphs if key not in BESIDE_GRAPHS}


def check_directions(name, graphs, directions=None):
    """Raise unless it is a dict of directions.

    Args:
        name: string, name of the argument.
        graphs: the value to check.
        directions: the directions that a layer was built with, or `None`.

    Raises:
        ValueError: if it is no dict, or has other keys.

    Example:

    >>> check_directions("graphs", {"forward": 1.0, "backward": 2.0})
    """
    received = list(graphs) if isinstance(graphs, dict) else []
    extra = [key for key in received if key not in DIRECTIONS]
    if not received or extra:
        advice, kind = "", type(graphs).__name__
        if hasattr(graphs, "shape") or isinstance(graphs, tuple):  # in `build` a shape
            kind = "one tensor"
            advice = f' Graphs of one direction are {{"forward": {name}}}.'
        elif len(extra) < len(received):
            advice = f" Leave out {', '.join(map(repr, extra))}."
        raise ValueError(
            f'`{name}` must be a dict with the keys "forward" and "backward", or one '
            "of them, as `GraphPredictor` returns it. Received: "
            f"{received or kind}.{advice}"
        )
    if directions is not None and set(received) != set(directions):
        raise ValueError(
            f"`{name}` must hold the directions that the layer was built with: "
            f"{sorted(directions)}. Received: {sorted(received)}."
        )
