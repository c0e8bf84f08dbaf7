"""Strings as inputs of Keras models."""

import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from glomo_keras.data import UnitIds
from glomo_keras.data import Vocabulary
from glomo_keras.export import TextGraphs
from glomo_keras.layers import GraphTransfer
from glomo_keras.models import GraphPredictor

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="strings need TensorFlow"
)
WORDS = ["the", "cat", "sat", "on", "a", "mat", "."]
TEXTS = ["The cat sat on a mat .", "", "a dog"]


@pytest.fixture(scope="module")
def preset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("presets") / "small"
    keras.utils.set_random_seed(3)
    predictor = GraphPredictor(
        9, embedding_dim=6, num_graph_layers=1, num_heads=2, num_convolutions=1
    )
    predictor.save_to_preset(folder, Vocabulary(WORDS, lowercase=True))
    return folder


def make_model(preset):
    """Return a classifier of strings, with graphs."""
    texts = keras.Input((), dtype="string", name="texts")
    predictor = GraphPredictor.from_preset(preset, trainable=False)
    batch = UnitIds.from_preset(preset, max_units=5)(texts)
    x = keras.layers.Embedding(9, 4)(batch["unit_ids"])
    x = GraphTransfer()(x, predictor(batch), features_mask=batch["padding_mask"])
    return keras.Model(texts, keras.layers.Dense(2)(keras.ops.sum(x, axis=1)))


def test_ids_are_those_of_the_vocabulary(preset):
    layer = UnitIds.from_preset(preset)
    expected = Vocabulary.from_preset(preset).encode(TEXTS)
    for texts in (
        tf.constant(TEXTS),
        np.array(TEXTS, object),
        tf.constant(TEXTS)[:, None],
    ):
        batch = layer(texts)
        assert list(batch) == ["unit_ids", "padding_mask"]
        for name, tensor in batch.items():
            np.testing.assert_array_equal(tensor, expected[name])
    cut = UnitIds.from_preset(preset, max_units=3)(tf.constant(TEXTS))
    np.testing.assert_array_equal(cut["unit_ids"], expected["unit_ids"][:, :3])
    whole = UnitIds.from_preset(preset, max_units=2**40)(tf.constant(TEXTS))
    np.testing.assert_array_equal(whole["unit_ids"], expected["unit_ids"])


def test_a_model_of_strings_trains_and_is_saved_whole(preset, tmp_path):
    model = make_model(preset)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss)
    assert not model.jit_compile
    texts, labels = tf.constant(TEXTS), np.array([0, 1, 1])
    history = model.fit(texts, labels, epochs=3, verbose=0).history["loss"]
    assert np.isfinite(history).all()
    expected = model.predict(texts, verbose=0)

    model.save(tmp_path / "model.keras")
    model.export(tmp_path / "exported", verbose=False)
    np.save(tmp_path / "expected.npy", expected)
    script = f"""
import keras, numpy as np, tensorflow as tf
import glomo_keras.data.unit_ids
expected = np.load("expected.npy")
texts = tf.constant({TEXTS!r})
loaded = keras.saving.load_model("model.keras")
np.testing.assert_allclose(loaded.predict(texts, verbose=0), expected, atol=1e-5)
exported = tf.saved_model.load("exported")
np.testing.assert_allclose(exported.serve(texts), expected, atol=1e-5)
"""
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True)


def test_text_graphs_take_a_keras_input(preset):
    text_graphs = TextGraphs.from_preset(preset, max_units=4)
    texts = keras.Input((), dtype="string")
    symbolic = text_graphs(texts)
    assert sorted(symbolic) == ["backward", "forward", "padding_mask"]
    model = keras.Model(texts, symbolic)
    expected = text_graphs(TEXTS)
    for name, values in model.predict(tf.constant(TEXTS), verbose=0).items():
        np.testing.assert_allclose(values, expected[name], atol=1e-6)
    x = keras.layers.Embedding(9, 4)(UnitIds.from_preset(preset, 4)(texts)["unit_ids"])
    assert GraphTransfer()(x, symbolic).shape == (None, None, 8)


def test_config_round_trip(preset):
    layer = UnitIds.from_preset(preset, max_units=3, name="ids")
    copy = UnitIds.from_config(layer.get_config())
    assert copy.get_config() == layer.get_config()
    assert copy.vocabulary.units == layer.vocabulary.units
    assert copy.vocabulary.lowercase and copy.max_units == 3


def test_wrong_arguments_are_named(preset, tmp_path):
    with pytest.raises(TypeError, match="`vocabulary` must be of the class `Vocab.*"):
        UnitIds("small")
    with pytest.raises(ValueError, match="`max_units` must be"):
        UnitIds.from_preset(preset, max_units=0)
    with pytest.raises(ValueError, match=r"`texts` must have shape .*\(1, 2\)"):
        UnitIds.from_preset(preset)(tf.constant([["a", "b"]]))
    GraphPredictor(9, embedding_dim=8, num_convolutions=1).save_to_preset(tmp_path)
    with pytest.raises(ValueError, match="has no vocabulary to read texts by"):
        Vocabulary.from_preset(tmp_path)
    with pytest.raises(FileNotFoundError):
        Vocabulary.from_preset("no_such_preset")
