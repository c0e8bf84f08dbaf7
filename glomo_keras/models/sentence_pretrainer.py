"""Pretraining by whole sentences: the next one, from the mean of one's features."""

import keras
import numpy as np
from keras import ops

from glomo_keras.checks import positive_integer
from glomo_keras.models.pretrainer import GLoMoPretrainer
from glomo_keras.ops.sentences import mean_features
from glomo_keras.ops.sentences import next_sentences


@keras.saving.register_keras_serializable(package="glomo_keras")
class SentencePretrainer(GLoMoPretrainer):
    """Trains a graph predictor to predict sentences: the paper's "- unit-level".

    As in `GLoMoPretrainer` embeddings travel along the predicted graphs. But no unit
    predicts those that follow it: the mean s of the features f^L of a sentence starts a
    GRU that predicts the units of the next sentence, like skip-thought vectors.

        s = mean over the units t of a sentence of f^L_t
        loss = mean over the directions of
                   mean over the units of next sentences of -log p(x_d | x_<d, s)

    Backward, the sentence before is predicted, from its last unit to its first. A
    sentence at the edge of a sequence may be cut: what there is of it counts.

    Args:
        graph_predictor: `GraphPredictor`, what is trained.
        end_ids: list of ints, unit ids that end a sentence, as of "." and "?".
        context_length: int, units of a next sentence that are predicted at most.
        num_sentences: int, sentences of a sequence that are predicted at most, those
            that come first in a direction.
        **kwargs: other arguments of `GLoMoPretrainer`, without `num_positions`.

    Call arguments:
        inputs: as of `GLoMoPretrainer`.
        training: bool, whether to apply dropout.

    Returns:
        As `GLoMoPretrainer`, with sentences in place of positions: log-likelihoods
        `(batch, number of sentences, context_length)`.

    Raises:
        ValueError: if an argument is out of its range.
        TypeError: if `graph_predictor` is of another class.

    Example:

    >>> predictor = glomo_keras.models.GraphPredictor(
    ...     13, embedding_dim=16, num_graph_layers=1, num_convolutions=1)
    >>> pretrainer = SentencePretrainer(predictor, end_ids=[2], context_length=5)
    >>> outputs = pretrainer(keras.ops.array([[3, 4, 2, 5, 6, 2, 7]]))
    >>> tuple(outputs["forward"].shape)
    (1, 7, 5)

    Reference: Yang et al., 2018 (arXiv 1806.05662), section 3.3, Table 2; the
    objective: Kiros et al., 2015 (arXiv 1506.06726).
    """

    def __init__(
        self,
        graph_predictor,
        end_ids,
        context_length=24,
        num_sentences=8,
        **kwargs,
    ):
        num_positions = kwargs.get("num_positions")
        if num_positions is not None:
            raise ValueError(
                "`num_positions` has no effect: sentences are predicted, no positions. "
                f"Received: num_positions={num_positions}. Use `num_sentences`."
            )
        super().__init__(graph_predictor, context_length=context_length, **kwargs)
        ids, size = np.atleast_1d(end_ids), graph_predictor.vocabulary_size
        is_right = ids.size and ids.dtype.kind in "iu" and 0 < ids.min() <= ids.max()
        if not is_right or ids.max() >= size:
            raise ValueError(
                "`end_ids` must be unit ids of the vocabulary, without that of padding "
                f"(0). Received: end_ids={end_ids}, for a vocabulary of {size}."
            )
        self.end_ids = ids.tolist()
        self.num_sentences = positive_integer("num_sentences", num_sentences)

    def decode(self, direction, features, unit_ids, padding_mask, training=None):
        sentences = next_sentences(
            unit_ids,
            self.end_ids,
            self.num_sentences,
            self.context_length,
            direction,
            padding_mask,
        )
        states = mean_features(features, sentences.members)
        # Each sentence is a sequence of its own, after the unit that it follows.
        dim, steps = self.dim, self.context_length + 1
        states = ops.broadcast_to(
            states[:, :, None], (*ops.shape(states)[:2], steps, dim)
        )
        first = 0 if direction == "forward" else self.context_length
        values = self.decoders[direction](
            ops.reshape(states, (-1, steps, dim)),
            ops.reshape(sentences.unit_ids, (-1, steps)),
            positions=ops.array([first]),
            features_mask=ops.reshape(sentences.mask, (-1, steps)),
            training=training,
        )
        shape = (*ops.shape(sentences.mask)[:2], self.context_length)
        valid = sentences.mask
        if direction == "forward":
            valid = valid[..., 1:]
        else:
            valid = ops.flip(valid[..., :-1], axis=-1)  # nearest first
        return ops.reshape(values, shape), valid

    def get_config(self):
        return {
            **super().get_config(),
            "end_ids": self.end_ids,
            "num_sentences": self.num_sentences,
        }
