"""Raw strings to relational graphs: a vocabulary and a graph predictor in one."""

import keras
import tensorflow as tf

from glomo_keras.checks import check_positive_integers
from glomo_keras.data.unit_ids import UnitIds
from glomo_keras.data.unit_ids import encode_at_most
from glomo_keras.data.vocabulary import Vocabulary
from glomo_keras.models.checks import check_model
from glomo_keras.models.graph_predictor import GraphPredictor
from glomo_keras.models.presets import load_preset
from glomo_keras.models.presets import open_preset
from glomo_keras.ops.visibility import DIRECTIONS


class TextGraphs(tf.Module):
    """The graphs of texts.

    Args:
        predictor: a `GraphPredictor`.
        vocabulary: the `glomo_keras.data.Vocabulary` that it was trained with.
        max_units: int or None, units of a text that are read; the rest is cut off.

    Call arguments:
        texts: string tensor `(batch,)`, or a list of strings. Runs in a graph. A
            `keras.Input` of strings makes it a part of a functional model, without
            `units`; see `glomo_keras.data.UnitIds`.

    Returns:
        Dict of `forward` and `backward`, float tensors `(batch, layers, heads, length,
        length)`, receivers in rows; `units`, string tensor `(batch, length)`, empty at
        padding; and `padding_mask`, bool tensor `(batch, length)`, `True` at real
        units. The length is that of the longest text, and at least 1.

    Raises:
        ValueError: if the vocabulary does not fit the predictor.
        TypeError: if one of them is something else.

    Example:

    >>> from glomo_keras.models import GraphPredictor
    >>> vocabulary = Vocabulary(["the", "cat", "sat"])
    >>> text_graphs = TextGraphs(GraphPredictor(5, embedding_dim=16), vocabulary)
    >>> graphs = text_graphs(["the cat sat down", "the cat"])
    >>> tuple(graphs["forward"].shape)
    (2, 3, 8, 4, 4)
    >>> graphs["units"][1].numpy().tolist()
    [b'the', b'cat', b'', b'']
    """

    def __init__(self, predictor, vocabulary, max_units=None):
        super().__init__(name="text_graphs")
        advice = "To load a preset use TextGraphs.from_preset(...)."
        check_model("predictor", predictor, GraphPredictor, advice)
        check_model(
            "vocabulary", vocabulary, Vocabulary, "To read a file use Vocabulary.load."
        )
        if predictor.vocabulary_size != len(vocabulary):
            raise ValueError(
                f"`vocabulary` has {len(vocabulary):,} units, and `predictor` was made "
                f"for {predictor.vocabulary_size:,}. Give the vocabulary that the "
                "predictor was trained with."
            )
        check_positive_integers(or_none=True, max_units=max_units)
        self.predictor = predictor
        self.vocabulary = vocabulary
        self.table = vocabulary.table  # so that it is exported
        self.max_units = None if max_units is None else int(max_units)

    @classmethod
    def from_preset(cls, preset, max_units=None, trainable=True, **overrides):
        """Load a preset that has a vocabulary; see `GraphPredictor.from_preset`.

        Args:
            preset: name or path of the preset.
            max_units: int or None, units of a text that are read.
            trainable: bool. `False` freezes the predictor; `True` leaves it as it was
                saved.
            **overrides: arguments of the predictor in place of those that were saved.

        Returns:
            A `TextGraphs`.
        """
        with open_preset(preset) as opened:
            vocabulary = Vocabulary.from_preset(opened)
            predictor = load_preset(opened, trainable=trainable, **overrides)
            return cls(predictor, vocabulary, max_units)

    def __call__(self, texts):
        if isinstance(texts, keras.KerasTensor):
            batch = UnitIds(self.vocabulary, self.max_units)(texts)
            return {**self.predictor(batch), "padding_mask": batch["padding_mask"]}
        batch = self.encode(texts)
        graphs = self.predictor({k: batch[k] for k in ("unit_ids", "padding_mask")})
        graphs = {direction: graphs[direction] for direction in DIRECTIONS}
        return {
            **graphs,
            "units": batch["units"],
            "padding_mask": batch["padding_mask"],
        }

    def encode(self, texts):
        """Return ids, mask and units of texts, all `(batch, length)`."""
        return encode_at_most(self.vocabulary, texts, self.max_units)
