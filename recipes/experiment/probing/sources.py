"""Sources of the graphs of sentences: predictors, and files of attention."""

import keras
import numpy as np

from experiment.text.graph_arms import preset_vocabulary
from glomo_keras.models import GraphPredictor
from glomo_keras.ops import DIRECTIONS

WORDS_OF_BATCH = 2_048
ROUND_TO = 8  # lengths, so that few programs are compiled


def predicted_graphs(predictor, vocabulary, sentences):
    """Yield batches of sentences and their graphs, by a predictor.

    Args:
        predictor: `GraphPredictor`.
        vocabulary: path of its vocabulary.
        sentences: list of `Sentence`.

    Yields:
        Tuples of an int array `(batch,)`, numbers of sentences, and a dict by direction
        of float arrays `(batch, layers, heads, length, length)`.
    """
    from glomo_keras.data import Vocabulary

    units = sorted({word for sentence in sentences for word in sentence.words})
    ids = dict(
        zip(units, Vocabulary.load(vocabulary).lookup(units).numpy(), strict=True)
    )
    lengths = np.array([len(sentence.words) for sentence in sentences])
    rounded = -(-lengths // ROUND_TO) * ROUND_TO
    for length in np.unique(rounded).tolist():
        of_length = np.flatnonzero(rounded == length)
        size = max(1, WORDS_OF_BATCH // length)
        for start in range(0, len(of_length), size):
            numbers = of_length[start : start + size]
            unit_ids = np.zeros((size, length), np.int32)
            for row, number in enumerate(numbers):
                words = sentences[number].words
                unit_ids[row, : len(words)] = [ids[word] for word in words]
            graphs = predictor.predict_on_batch(
                {"unit_ids": unit_ids, "padding_mask": unit_ids != 0}
            )
            yield numbers, {d: graphs[d][: len(numbers)] for d in DIRECTIONS}


def load_predictor(preset):
    """Return the predictor of a preset, the same untrained, and the vocabulary's path.

    Args:
        preset: name or folder of a preset of a `GraphPredictor`.
    """
    vocabulary = preset_vocabulary(preset)
    predictor = GraphPredictor.from_preset(preset)
    keras.utils.set_random_seed(0)
    untrained = type(predictor).from_config(predictor.get_config())
    return predictor, untrained, vocabulary


def attention_graphs(file, split, sentences):
    """Yield sentences and their graphs, of a file of attention.

    Args:
        file: `AttentionFile`.
        split: str.
        sentences: list of `Sentence`.

    Yields:
        See `predicted_graphs`.
    """
    for number, sentence in enumerate(sentences):
        graphs = file.graphs(split, number, len(sentence.words))
        yield np.array([number]), {d: graphs[d][None] for d in DIRECTIONS}
