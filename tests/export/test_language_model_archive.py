"""A language model as SavedModels and as a layer: the same numbers, within limits."""

import io
import json
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from glomo_keras import __main__ as command_line
from glomo_keras.data import character_ids
from glomo_keras.export import ElmoFeatures
from glomo_keras.export import export_language_model
from glomo_keras.layers import ScalarMix
from glomo_keras.models import BidirectionalLanguageModel

TESTS = pathlib.Path(__file__).parents[1]
WORDS = [["The", "cat", "sat", "."], ["Café", "\U0001f600", "", ""], ["", "", "", ""]]
LENGTHS = [4, 2, 0]
TEXTS = ["The cat sat.", "Café \U0001f600", ""]


@pytest.fixture(scope="module")
def expected(language_model):
    return language_model(character_ids(WORDS, 13)).numpy()


@pytest.fixture(scope="module")
def serve(language_archives, load_once):
    return {
        kind: load_once(path).signatures["serving_default"]
        for kind, path in language_archives.items()
    }


@pytest.mark.parametrize("kind", ["words", "text"])
def test_through_the_c_api(language_archives, expected, kind):
    inputs, flags = {"text": TEXTS}, ["--text-ops"]
    if kind == "words":
        lengths = {"dtype": "int32", "values": LENGTHS}
        inputs, flags = {"words": WORDS, "lengths": lengths}, []
    result = subprocess.run(
        [sys.executable, TESTS / "c_api.py", *flags, language_archives[kind], "serve"],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        input=json.dumps(inputs).encode(),
        capture_output=True,
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, result.stderr.decode()
    found = np.load(io.BytesIO(result.stdout))
    np.testing.assert_allclose(found["layers"], expected, atol=1e-6)
    assert found["padding_mask"].sum(axis=1).tolist() == LENGTHS


def test_text_is_split_and_read_from_the_start_every_time(serve, expected):
    for _ in range(2):
        found = serve["text"](text=tf.constant(TEXTS))
        np.testing.assert_allclose(found["layers"], expected, atol=1e-6)
    assert found["units"].numpy()[0].tolist() == [b"The", b"cat", b"sat", b"."]
    nothing = serve["text"](text=tf.constant([], tf.string))
    assert nothing["layers"].shape[0] == 0
    empty = serve["text"](text=tf.constant([""]))
    assert empty["layers"].shape == (1, 3, 0, 6)


def test_what_stands_at_padding_is_not_read(serve, expected):
    words = [["The", "cat", "sat", "."], ["Café", "\U0001f600", "not", "read"]]
    found = serve["words"](words=tf.constant(words), lengths=tf.constant([4, 2]))
    np.testing.assert_allclose(found["layers"], expected[:2], atol=1e-6)


def test_an_empty_word_is_padding_wherever_it_stands(
    serve, language_model, language_archives
):
    words = tf.constant([["The", "", "sat", ""]])
    expected = language_model(character_ids(words, language_model.max_characters))
    found = serve["words"](words=words, lengths=tf.constant([4]))
    layer = ElmoFeatures(language_archives["words"])(words)
    for answer in (found, layer):
        assert answer["padding_mask"].numpy().tolist() == [[True, False, True, False]]
        np.testing.assert_allclose(answer["layers"], expected, atol=1e-6)
    assert not found["layers"].numpy()[:, :, 1].any()


@pytest.mark.parametrize(
    ("words", "lengths", "message"),
    [
        ([["a"]] * 8, [1] * 8, "more than 7 texts in a request"),
        ([["a"] * 12], [12], "more than 11 words a text"),
        ([["a"], ["b"]], [1], "of as many texts"),
        ([["a", "b"]], [3], "lengths must lie between 0"),
        ([["a", "b"]], [-1], "lengths must lie between 0"),
    ],
)
def test_what_is_over_the_limits_is_refused(serve, words, lengths, message):
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        serve["words"](words=tf.constant(words), lengths=tf.constant(lengths))


def test_long_and_broken_texts_have_defined_answers(serve):
    texts = [b"word " * 10_000, b"\xff\xfe broken", b"a" * 10_000, b" \t\n"]
    found = serve["text"](text=tf.constant(texts))
    assert found["padding_mask"].numpy().sum(axis=1).tolist() == [11, 3, 1, 0]
    assert np.isfinite(found["layers"]).all()
    with pytest.raises(tf.errors.InvalidArgumentError, match="more than 7 texts"):
        serve["text"](text=tf.constant(["a"] * 8))


@pytest.mark.parametrize("kind", ["words", "text"])
def test_a_downstream_model_holds_the_archive(
    language_archives, expected, kind, tmp_path
):
    shape = (None,) if kind == "words" else ()
    words = keras.Input(shape, dtype="string")
    found = ElmoFeatures(language_archives[kind], name="elmo")(words)
    mixed = ScalarMix(name="mix")(found["layers"], mask=found["padding_mask"])
    outputs = keras.layers.Dense(1)(keras.layers.GlobalMaxPooling1D()(mixed))
    model = keras.Model(words, outputs)
    model.compile(keras.optimizers.Adam(0.05), "mse")
    inputs = tf.constant(WORDS if kind == "words" else TEXTS)
    before = [np.array(weight) for weight in model.get_layer("elmo").weights]
    history = model.fit(inputs, np.array([1.0, -1.0, 0.0]), epochs=9, verbose=0)
    losses = history.history["loss"]
    assert losses[-1] < losses[0]
    for weight, old in zip(model.get_layer("elmo").weights, before, strict=True):
        np.testing.assert_array_equal(weight, old)
    assert (model.get_layer("mix").normalized_weights() != 1 / 3).all()
    assert model.get_layer("elmo").get_config()["filepath"].startswith("/")
    path = tmp_path / "model.keras"
    model.save(path)
    with pytest.raises(ValueError, match="safe_mode=False"):
        keras.models.load_model(path)
    again = keras.models.load_model(path, safe_mode=False)
    np.testing.assert_allclose(
        again.predict(inputs, verbose=0), model.predict(inputs, verbose=0), atol=1e-6
    )
    layers = again.get_layer("elmo")(inputs)["layers"]
    np.testing.assert_allclose(layers, expected, atol=1e-6)


def test_another_archive_is_refused(tmp_path):
    module = tf.Module()
    module.double = tf.function(
        lambda x: {"y": 2 * x}, [tf.TensorSpec((None,), name="x")]
    )
    path = str(tmp_path / "other")
    tf.saved_model.save(module, path, signatures={"serve": module.double})
    with pytest.raises(ValueError, match="no archive of export_language_model"):
        ElmoFeatures(path)


def test_the_command_line_exports_language_models(language_model, tmp_path, capsys):
    language_model.save_to_preset(tmp_path / "elmo")
    command_line.main(["export", str(tmp_path / "elmo"), str(tmp_path / "models")])
    paths = capsys.readouterr().out.split()
    folders = [pathlib.Path(path).parent.name for path in paths]
    assert folders == ["glomo_elmo_words", "glomo_elmo_text"]
    command_line.main(["inspect", paths[0]])
    shown = capsys.readouterr().out
    assert "takes   words: string (any, any)" in shown
    assert "returns layers: float32 (any, 3, any, 6)" in shown


def test_another_model_is_no_next_version(language_archives):
    folder = pathlib.Path(language_archives["words"]).parents[1]
    other = BidirectionalLanguageModel(5, 3, kernel_sizes=[1], filters=[3])
    with pytest.raises(ValueError, match="glomo_elmo_words/1 is of another.*units=7"):
        export_language_model(other, folder)
