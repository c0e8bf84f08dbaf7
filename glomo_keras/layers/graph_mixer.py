"""One graph out of many: a softmax mixture of graphs and of their products."""

import keras
from keras import ops

from glomo_keras.checks import check_rank
from glomo_keras.checks import check_scale
from glomo_keras.checks import check_units
from glomo_keras.checks import positive_integer
from glomo_keras.layers.initializers import get_initializer
from glomo_keras.layers.initializers import new_initializer
from glomo_keras.layers.initializers import serialize_initializer
from glomo_keras.layers.masking import zero_padding
from glomo_keras.ops.mixture import mix_graphs


@keras.saving.register_keras_serializable(package="glomo_keras")
class GraphMixer(keras.layers.Layer):
    """Mix the graphs of one direction, and their products, by learned weights.

        M[i, j] = sum_{t, k} w[i, t, k] N_{t,k}[i, j]
        w[i]    = softmax over all (t, k) of logit_scale * bias + features[i] kernel

    with the terms N: G^1 ... G^L and, if `composed`, their products of two to L
    layers (the product of one layer is G^1 itself). One softmax goes over all terms
    and heads. The weights are free parameters (`bias`), or depend on the features of
    the receiver i as well (`kernel`). They start equal in a single mixture. Several
    start a little different from each other, so that none is a copy of another.

    Adam moves a parameter by about its learning rate a step. Logits that are such
    parameters themselves hardly leave the mean of all graphs in a short training;
    `logit_scale` lets them choose one graph out of many. What the features add has no
    scale: a sum over their dimensions moves fast enough, and faster it fits noise.

    Rows of M sum to at most one: rows of the graphs that are empty stay so.

    Masking: rows of padded receivers are zeros. The output carries no mask.

    Args:
        num_mixtures: int, how many mixed graphs are made.
        composed: bool, whether products of graphs are among the terms.
        conditional: bool, whether the weights depend on the receiver's features.
        kernel_initializer: initializer of the kernel by which they do, or its name.
        kernel_regularizer: regularizer of that kernel, its name, or `None`.
        logit_scale: float, what the free logits, the bias, are multiplied by.
        bias_initializer: initializer of the free logits before that, or its name.
            `None` means zeros for one mixture, and small random numbers for several.
        **kwargs: `keras.layers.Layer` arguments (`name`, `dtype`, ...).

    Call arguments:
        features: float tensor `(batch, length, dim)`.
        graphs: float tensor `(batch, layers, heads, length, length)`.
        features_mask: bool tensor `(batch, length)`, `True` at real units, or `None`.

    Returns:
        Float tensor `(batch, num_mixtures, length, length)` in the compute dtype.

    Raises:
        ValueError: if `num_mixtures` or `logit_scale` is not positive, or a shape does
            not fit.
        TypeError: if an argument is of another type.

    Example:

    >>> mixer = GraphMixer(num_mixtures=2)
    >>> graphs = keras.ops.ones((3, 2, 5, 7, 7)) / 7
    >>> tuple(mixer(keras.ops.ones((3, 7, 11)), graphs).shape)
    (3, 2, 7, 7)

    Reference: Yang et al., 2018 (arXiv 1806.05662), section 2.3, mixed graph.
    """

    def __init__(
        self,
        num_mixtures=1,
        composed=True,
        conditional=True,
        kernel_initializer="zeros",
        kernel_regularizer=None,
        logit_scale=20.0,
        bias_initializer=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.num_mixtures = positive_integer("num_mixtures", num_mixtures)
        self.composed = composed
        self.conditional = conditional
        self.kernel_initializer = get_initializer(kernel_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.logit_scale = check_scale("logit_scale", logit_scale)
        self.bias_initializer = get_initializer(bias_initializer)
        self.supports_masking = True

    def build(self, features_shape, graphs_shape):
        check_rank("features", features_shape, "batch, length, dim")
        check_rank(
            "graphs",
            graphs_shape,
            "batch, layers, heads, length, length",
            advice="`graphs` are all layers of one direction.",
        )
        check_units(
            "graphs",
            graphs_shape[3:],
            "features",
            features_shape[1:2] * 2,
            "Cut both to one length, or see `glomo_keras.ops.graphs_over_pieces`.",
        )
        _, num_layers, num_heads, _, _ = graphs_shape
        num_terms = 2 * num_layers - 1 if self.composed else num_layers
        self._weights_shape = (self.num_mixtures, num_terms, num_heads)
        size = self.num_mixtures * num_terms * num_heads
        if self.conditional:
            self.kernel = self.add_weight(
                name="kernel",
                shape=(features_shape[-1], size),
                initializer=self.kernel_initializer,
                regularizer=self.kernel_regularizer,
            )
        self.bias = self.add_weight(
            name="bias", shape=(size,), initializer=self._first_logits()
        )

    def call(self, features, graphs, features_mask=None):
        weights = self.mixture_weights(zero_padding(features, features_mask))
        mixed = mix_graphs(graphs, weights, self.composed)
        if features_mask is not None:
            real = ops.cast(features_mask, "bool")[:, None, :, None]
            mixed = ops.where(real, mixed, ops.zeros_like(mixed))
        return mixed

    def mixture_weights(self, features):
        """Compute the weights of all terms and heads; those of one mixture sum to one.

        Args:
            features: float tensor `(batch, length, dim)`.

        Returns:
            Float tensor `(batch, length, num_mixtures, terms, heads)`, or
            `(1, 1, num_mixtures, terms, heads)` if they are free parameters. The
            terms are G^1 ... G^L, then the products of two to L layers.
        """
        mixtures, terms, heads = self._weights_shape
        logits = self.logit_scale * ops.convert_to_tensor(self.bias)[None, None]
        if self.conditional:
            features = ops.cast(features, self.compute_dtype)
            logits = ops.matmul(features, self.kernel) + logits
        leading = ops.shape(logits)[:2]
        logits = ops.reshape(logits, (*leading, mixtures, terms * heads))
        if terms * heads == 1:  # Keras warns of the softmax of a single number
            weights = ops.exp(logits - logits)
        else:
            weights = ops.softmax(logits, axis=-1)
        weights = ops.cast(weights, self.compute_dtype)
        return ops.reshape(weights, (*leading, mixtures, terms, heads))

    def compute_mask(self, features, previous_mask=None):
        return None

    def compute_output_shape(self, features_shape, graphs_shape):
        return (graphs_shape[0], self.num_mixtures, *graphs_shape[-2:])

    def get_config(self):
        return {
            **super().get_config(),
            "num_mixtures": self.num_mixtures,
            "composed": self.composed,
            "conditional": self.conditional,
            "kernel_initializer": serialize_initializer(self.kernel_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            "logit_scale": self.logit_scale,
            "bias_initializer": serialize_initializer(self.bias_initializer),
        }

    @classmethod
    def from_config(cls, config):
        # Layers that were saved before there was the argument had no scale.
        return super().from_config({"logit_scale": 1.0, **config})

    def _first_logits(self):
        if self.bias_initializer is not None:
            return new_initializer(self.bias_initializer)
        if self.num_mixtures == 1:
            return "zeros"
        return keras.initializers.RandomNormal(stddev=0.01)
