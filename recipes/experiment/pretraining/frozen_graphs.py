"""Graphs of a predictor that is trained already, for features that train anew."""

from experiment.process import UsageError
from glomo_keras.models import GraphPredictor
from glomo_keras.models import find_preset
from glomo_keras.models.ablations import UniformGraphPredictor


class FrozenGraphPredictor(UniformGraphPredictor):
    """The graphs of another predictor, frozen, beside an embedding table that trains.

    So that graphs can be compared by what they are worth to a prediction, and not the
    embeddings that they were trained with.

    Args:
        predictor: `GraphPredictor`.
        embedding_dim: int, size of the embeddings.
    """

    def __init__(self, predictor, embedding_dim):
        # Only the embeddings of its own are used. `freeze_unused` freezes the rest, as
        # in the control that this derives from.
        super().__init__(
            predictor.vocabulary_size,
            embedding_dim,
            predictor.num_graph_layers,
            predictor.num_heads,
            num_convolutions=1,
        )
        predictor.trainable = False
        self.predictor = predictor

    def call(self, inputs, training=None, mask=None):
        return self.predictor(inputs, training=False)


def frozen_graphs(preset, vocabulary, embedding_dim):
    """Return a `FrozenGraphPredictor` of a preset, for texts of its vocabulary.

    Args:
        preset: string, name or path.
        vocabulary: path of the vocabulary of the texts.
        embedding_dim: int, size of the embeddings.

    Raises:
        UsageError: if the preset has another vocabulary.
    """
    own = find_preset(preset).vocabulary
    if own is None or own.read_bytes() != vocabulary.read_bytes():
        raise UsageError(
            f"--graphs-of must name a preset with the vocabulary {vocabulary}. "
            f"Received: {preset}, whose vocabulary is {own}. Prepare the corpus with "
            "the --vocabulary-size of the preset."
        )
    return FrozenGraphPredictor(GraphPredictor.from_preset(preset), embedding_dim)
