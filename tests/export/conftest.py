"""A small predictor, its vocabulary, and its archives."""

import keras
import pytest

from glomo_keras.data import Vocabulary
from glomo_keras.export import Limits
from glomo_keras.export import TextGraphs
from glomo_keras.export import export_graph_predictor
from glomo_keras.models import GraphPredictor

WORDS = ["the", "cat", "sat", "on", "a", "mat", ".", "dog", "café"]
LIMITS = Limits(max_batch=7, max_units=11, max_bytes=97)


@pytest.fixture(scope="session")
def text_graphs(tmp_path_factory):
    keras.utils.set_random_seed(11)
    path = tmp_path_factory.mktemp("vocabulary") / "vocabulary.txt"
    Vocabulary(WORDS, lowercase=True).save(path)
    predictor = GraphPredictor(
        len(WORDS) + 2,
        embedding_dim=10,
        num_graph_layers=2,
        num_heads=5,
        num_convolutions=2,
    )
    return TextGraphs(predictor, Vocabulary.load(path), LIMITS.max_units)


@pytest.fixture(scope="session")
def archives(text_graphs, tmp_path_factory):
    """Paths of the archives, `ids` and `text`."""
    return export_graph_predictor(
        text_graphs.predictor,
        tmp_path_factory.mktemp("models"),
        text_graphs.vocabulary,
        name="glomo_test",
        num_senders=3,
        limits=LIMITS,
    )
