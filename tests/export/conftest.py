"""Small models and their archives, which the tests share."""

import functools

import keras
import pytest

from glomo_keras.data import Vocabulary
from glomo_keras.export import Limits
from glomo_keras.export import TextGraphs
from glomo_keras.export import export_graph_predictor
from glomo_keras.export import export_image_graph_predictor
from glomo_keras.export import export_language_model
from glomo_keras.export.archive_reading import load_archive
from glomo_keras.models import BidirectionalLanguageModel
from glomo_keras.models import GraphPredictor
from glomo_keras.models import ImageGraphPredictor

WORDS = ["the", "cat", "sat", "on", "a", "mat", ".", "dog", "café"]
LIMITS = Limits(max_batch=7, max_units=11, max_bytes=97)


@pytest.fixture(scope="session")
def load_once():
    """`load_archive`, once for each archive: it takes a second."""
    return functools.cache(load_archive)


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
        num_convolutions=1,
    )
    return TextGraphs(predictor, Vocabulary.load(path), LIMITS.max_units)


@pytest.fixture(scope="session")
def archives(text_graphs, tmp_path_factory):
    """Paths of the archives, `ids` and `text`."""
    return export_graph_predictor(
        text_graphs.predictor,
        tmp_path_factory.mktemp("models"),
        vocabulary=text_graphs.vocabulary,
        name="glomo_test",
        num_senders=3,
        limits=LIMITS,
    )


@pytest.fixture(scope="session")
def image_predictor():
    keras.utils.set_random_seed(2)
    return ImageGraphPredictor(6, 2, 3, num_convolutions=1)


@pytest.fixture(scope="session")
def image_archive(image_predictor, tmp_path_factory):
    """Path of the archive."""
    folder = tmp_path_factory.mktemp("models")
    limits = Limits(max_batch=3, max_units=40)
    return export_image_graph_predictor(
        image_predictor, folder, num_senders=2, limits=limits
    )["images"]


@pytest.fixture(scope="session")
def language_model():
    keras.utils.set_random_seed(5)
    return BidirectionalLanguageModel(
        units=7,
        projection_dim=3,
        embedding_dim=5,
        kernel_sizes=[1, 2],
        filters=[3, 5],
        max_characters=13,
    )


@pytest.fixture(scope="session")
def language_archives(language_model, tmp_path_factory):
    """Paths of the archives, `words` and `text`."""
    folder = tmp_path_factory.mktemp("models")
    return export_language_model(language_model, folder, limits=LIMITS)
