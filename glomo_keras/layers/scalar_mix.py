"""ELMo's task-specific combination of the layers of a language model."""

import keras
from keras import ops

from glomo_keras.checks import check_dropout
from glomo_keras.checks import check_rank
from glomo_keras.checks import non_negative_number
from glomo_keras.checks import plain_integer
from glomo_keras.layers.masking import zero_padding
from glomo_keras.ops.precision import raise_precision


@keras.saving.register_keras_serializable(package="glomo_keras")
class ScalarMix(keras.layers.Layer):
    """Learned convex combination of several representations of the same units.

    A pretrained encoder offers `L` vectors for every unit, one of each layer. A
    downstream task learns how much of each it wants:

        mixed = gamma * sum_l softmax(s)_l * layers[:, l]

    The encoder stays frozen; `s`, which starts at equal weights, and `gamma` train
    with the task. `normalized_weights()` shows them.

    Masking: padded units come out as zeros, and never enter a gradient.

    Args:
        normalize: bool, whether each layer is first brought to mean 0 and variance 1
            over the real units and the dimensions of a sample. (The authors' program
            takes them over the batch, so that a text's vectors depend on the others.)
        l2: float, weight of the loss `sum_l s_l^2`, which pulls towards equal weights.
        dropout: float in [0, 1), rate of the dropout on the mixed units.
        seed: int or None, seed of the dropout.
        **kwargs: `keras.layers.Layer` arguments (`name`, `dtype`, ...).

    Call arguments:
        layers: float tensor `(batch, num_layers, length, dim)`.
        mask: bool tensor `(batch, length)`, `True` at real units, or `None`.
        training: bool, whether to apply dropout.

    Returns:
        Float tensor `(batch, length, dim)` in the compute dtype.

    Raises:
        ValueError: if `layers` is not of rank 4, or an argument is out of its range.
        TypeError: if an argument is of another type.

    Example:

    >>> mix = ScalarMix()
    >>> tuple(mix(keras.ops.ones((2, 3, 5, 7))).shape)
    (2, 5, 7)
    >>> mix.normalized_weights().round(2)
    array([0.33, 0.33, 0.33], dtype=float32)

    Reference: Peters et al., 2018 (arXiv 1802.05365), eq. 1.
    """

    def __init__(self, normalize=False, l2=0.0, dropout=0.0, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.normalize = normalize
        self.l2 = non_negative_number("l2", l2)
        self.dropout = check_dropout(dropout)
        self.seed = plain_integer(seed)
        self.supports_masking = True

    def build(self, layers_shape):
        check_rank(
            "layers",
            layers_shape,
            "batch, num_layers, length, dim",
            advice="Stack the encoder's layers on axis 1.",
        )
        self.scores = self.add_weight(
            name="scores",
            shape=(layers_shape[1],),
            initializer="zeros",
            regularizer=keras.regularizers.L2(self.l2) if self.l2 else None,
        )
        self.gamma = self.add_weight(name="gamma", shape=(), initializer="ones")
        self._dropout = keras.layers.Dropout(
            self.dropout, seed=self.seed, dtype=self.dtype_policy
        )

    def call(self, layers, mask=None, training=None):
        real = None if mask is None else ops.cast(mask, "bool")[:, None]
        layers = zero_padding(layers, real)
        if self.normalize:
            layers = ops.cast(_normalize(layers, real), layers.dtype)
        weights = self.gamma * _softmax(self.scores)
        mixed = ops.einsum("l,blnd->bnd", ops.cast(weights, layers.dtype), layers)
        return zero_padding(self._dropout(mixed, training=training), mask)

    def normalized_weights(self):
        """Return the share of each layer, softmax(s): NumPy array `(num_layers,)`."""
        return ops.convert_to_numpy(_softmax(ops.cast(self.scores, "float32")))

    def compute_mask(self, layers, previous_mask=None):
        return previous_mask

    def compute_output_shape(self, layers_shape):
        return (layers_shape[0], *layers_shape[2:])

    def get_config(self):
        return {
            **super().get_config(),
            "normalize": self.normalize,
            "l2": self.l2,
            "dropout": self.dropout,
            "seed": self.seed,
        }


def _softmax(scores):
    if scores.shape[0] == 1:  # Keras warns of the softmax of a single number
        return ops.exp(scores - scores)
    return ops.softmax(scores)


def _normalize(layers, real):
    """Bring real units to mean 0 and variance 1 over units and dimensions."""
    layers = raise_precision(layers)
    if real is None:
        number = ops.cast(ops.shape(layers)[2], layers.dtype)
    else:
        number = ops.sum(ops.cast(real, layers.dtype), axis=-1)[..., None, None]
    number = ops.maximum(number * layers.shape[-1], 1.0)

    def mean(values):
        return ops.sum(values, axis=(2, 3), keepdims=True) / number

    centred = zero_padding(layers - mean(layers), real)
    return centred * ops.rsqrt(mean(ops.square(centred)) + 1e-12)
