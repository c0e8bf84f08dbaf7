"""Strings to unit ids inside a Keras model."""

import keras
import tensorflow as tf

from glomo_keras.checks import positive_integer
from glomo_keras.data.vocabulary import Vocabulary
from glomo_keras.models.checks import check_model


@keras.saving.register_keras_serializable(package="glomo_keras")
class UnitIds(keras.layers.Layer):
    """Turn texts into what a graph predictor takes, as the first layer of a model.

    The model then reads strings, and is saved and exported with its vocabulary. On
    TensorFlow alone; where XLA compiles, use `Vocabulary.encode` on the data instead.

    Args:
        vocabulary: `Vocabulary`, that of the predictor.
        max_units: int or None, units of a text that are read; the rest is cut off.
        **kwargs: `keras.layers.Layer` arguments (`name`, ...).

    Call arguments:
        texts: string tensor `(batch,)` or `(batch, 1)`.

    Returns:
        Dict of `unit_ids`, int tensor `(batch, length)`, 0 at padding, and
        `padding_mask`, bool tensor of the same shape, `True` at real units. The length
        is that of the longest text, and at least 1.

    Raises:
        ValueError: if `max_units` is not positive, or `texts` have another shape.
        TypeError: if `vocabulary` is something else.

    Example:

    >>> texts = keras.Input((), dtype="string")
    >>> unit_ids = UnitIds(Vocabulary(["the", "cat"]))(texts)
    >>> model = keras.Model(texts, unit_ids["unit_ids"])
    >>> model(tf.constant(["the cat sat", "cat"])).numpy().tolist()
    [[2, 3, 1], [3, 0, 0]]
    """

    def __init__(self, vocabulary, max_units=None, **kwargs):
        super().__init__(**kwargs)
        advice = "To load that of a preset use UnitIds.from_preset(...)."
        self.vocabulary = check_model("vocabulary", vocabulary, Vocabulary, advice)
        self.table = vocabulary.table  # so that it is exported
        self.max_units = positive_integer("max_units", max_units, or_none=True)
        self.supports_jit = False  # XLA has no strings
        self.built = True

    @classmethod
    def from_preset(cls, preset, max_units=None, **kwargs):
        """Make the layer with the vocabulary of a preset.

        Args:
            preset: name of a preset that comes with the library, or path of a folder.
            max_units: int or None, units of a text that are read.
            **kwargs: `keras.layers.Layer` arguments.

        Returns:
            A `UnitIds`.
        """
        return cls(Vocabulary.from_preset(preset), max_units, **kwargs)

    def call(self, texts):
        texts = tf.convert_to_tensor(texts)
        if texts.shape.rank != 1 and texts.shape[1:].as_list() != [1]:
            raise ValueError(
                "`texts` must have shape (batch,) or (batch, 1). Received: "
                f"{tuple(texts.shape)}. A column of texts is an input of its own."
            )
        texts = tf.reshape(texts, [-1])
        batch = encode_at_most(self.vocabulary, texts, self.max_units)
        return {name: batch[name] for name in ("unit_ids", "padding_mask")}

    def compute_output_spec(self, texts):
        shape = (texts.shape[0], None)
        return {
            "unit_ids": keras.KerasTensor(shape, dtype="int32"),
            "padding_mask": keras.KerasTensor(shape, dtype="bool"),
        }

    def get_config(self):
        return {
            **super().get_config(),
            "vocabulary": {
                "units": list(self.vocabulary.units[2:]),
                "lowercase": self.vocabulary.lowercase,
            },
            "max_units": self.max_units,
        }

    @classmethod
    def from_config(cls, config):
        vocabulary = Vocabulary(**config["vocabulary"])
        return cls(**{**config, "vocabulary": vocabulary})


def encode_at_most(vocabulary, texts, max_units=None):
    """Return ids, mask and units of texts, cut to so many units.

    Args:
        vocabulary: `Vocabulary`.
        texts: string tensor `(batch,)`, or a list of strings.
        max_units: int or None.

    Returns:
        Dict of `unit_ids`, `padding_mask` and `units`, tensors `(batch, length)`; units
        are empty at padding.

    Example:

    >>> batch = encode_at_most(Vocabulary(["the", "cat"]), ["the cat sat"], max_units=2)
    >>> batch["units"].numpy().tolist()
    [[b'the', b'cat']]
    """
    batch = vocabulary.encode(texts)
    length = tf.shape(batch["unit_ids"])[1]
    if max_units is not None:
        length = tf.minimum(length, min(max_units, tf.int32.max))
    batch["units"] = batch["units"].to_tensor("")
    return {name: _with_length(tensor, length) for name, tensor in batch.items()}


def _with_length(tensor, length):
    missing = tf.maximum(length - tf.shape(tensor)[1], 0)
    return tf.pad(tensor[:, :length], [[0, 0], [0, missing]])
