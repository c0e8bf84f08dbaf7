"""A small graph predictor, a small language model and a few texts, for all tasks."""

import keras
import pytest
import tensorflow as tf
from experiment.text import text_arrays

from glomo_keras.data import Vocabulary
from glomo_keras.data.prepare import prepare_corpus
from glomo_keras.models import BidirectionalLanguageModel
from glomo_keras.models import GraphPredictor
from glomo_keras.models import find_preset


@pytest.fixture(scope="session")
def prepared(tmp_path_factory):
    """Arrays of a small corpus of planted links, as `pretrain_text.py` writes them."""
    folder = tmp_path_factory.mktemp("planted") / "prepared"
    prepare_corpus("planted", folder, vocabulary_size=100, limit=4_000)
    return folder


@pytest.fixture(scope="session")
def predictor_folder(tmp_path_factory):
    """A small predictor with random weights and a vocabulary of its own."""
    folder = tmp_path_factory.mktemp("predictor")
    words = "the in was but end . put is garden plot found Where ?".split()
    keras.utils.set_random_seed(0)
    GraphPredictor(
        len(words) + 2, embedding_dim=12, num_graph_layers=2, num_heads=3
    ).save_to_preset(folder, Vocabulary([w.lower() for w in words], lowercase=True))
    return folder


@pytest.fixture(scope="session")
def texts(predictor_folder, tmp_path_factory):
    """Arrays of three pairs, one text empty and one too long."""
    folder = tmp_path_factory.mktemp("arrays") / "arrays"
    vectors = folder.parent / "vectors.txt"
    vectors.write_text("the 1 2\ncat 3 4\ndon't 5 6\n")
    splits = {
        "train": [
            {"id": "a", "one": "The cat don't sit.", "two": "in the plot", "label": 1},
            {"id": "b", "one": "", "two": "in the plot", "label": 0},
        ],
        "test": [{"id": "c", "one": "the " * 9, "two": "Unknown Cat?", "label": 1}],
    }
    return text_arrays.prepare_texts(
        lambda: splits,
        {"one": 5, "two": 3},
        folder,
        find_preset(predictor_folder).vocabulary,
        f"vectors:{vectors}",
        {},
        keep_texts=("two",),
        log=str,
    )


@pytest.fixture(scope="session")
def elmo_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("elmo")
    keras.utils.set_random_seed(0)
    BidirectionalLanguageModel(
        units=5, projection_dim=3, kernel_sizes=[1, 2], filters=[3, 5],
        max_characters=11,
    ).save_to_preset(folder)  # fmt: skip
    return folder


@pytest.fixture
def eagerly():
    """Train a few steps without tracing them, which takes longer than they do."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)
