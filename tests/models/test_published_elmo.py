"""A published ELMo gives its published activations."""

import json

import h5py
import numpy as np
import pytest
from keras import ops

from glomo_keras.models import BidirectionalLanguageModel
from glomo_keras.models import load_published_elmo

MAX_CHARACTERS = 50


def characters_of(sentence):
    """Written from the format's description: no TensorFlow is needed."""
    rows = np.zeros((len(sentence), MAX_CHARACTERS), "int32")
    for row, word in zip(rows, sentence, strict=True):
        codes = [258, *word.encode()[: MAX_CHARACTERS - 2], 259]
        row[:] = 260 + 1
        row[: len(codes)] = np.array(codes) + 1
    return rows


def batch_of(sentences):
    length = max(len(sentence) for sentence in sentences)
    batch = np.zeros((len(sentences), length, MAX_CHARACTERS), "int32")
    for row, sentence in zip(batch, sentences, strict=True):
        row[: len(sentence)] = characters_of(sentence)
    return batch


@pytest.fixture(scope="module")
def folder(golden_path):
    if not (golden_path / "elmo" / "lm_weights.hdf5").is_file():
        pytest.skip(f"no published ELMo in {golden_path / 'elmo'}")
    return golden_path / "elmo"


@pytest.fixture(scope="module")
def model(folder):
    return load_published_elmo(folder / "options.json", folder / "lm_weights.hdf5")


@pytest.fixture(scope="module")
def streams(folder):
    """Three streams of ten sentences, each with the top layer that was published."""
    texts = json.loads((folder / "sentences.json").read_text())
    streams = []
    for number, sentences in enumerate(texts):
        with h5py.File(folder / f"lm_embeddings_{number}.hdf5") as file:
            expected = [file[str(index)][:] for index in range(len(sentences))]
        words = [sentence.split() for sentence in sentences]
        streams.append(list(zip(words, expected, strict=True)))
    return streams


def assert_top_layer(layers, row, expected):
    forward, backward = expected  # (length, 16) each
    found = ops.convert_to_numpy(layers)[row, -1]
    joined = np.concatenate([forward, backward], axis=-1)
    np.testing.assert_allclose(found[: len(joined)], joined, atol=1e-5)
    assert not found[len(joined) :].any()


def test_all_sentences_with_carried_states(model, streams):
    states = None
    for step in zip(*streams, strict=True):
        batch = batch_of([words for words, _ in step])
        layers, states = model(batch, initial_states=states, return_states=True)
        for row, (_, expected) in enumerate(step):
            assert_top_layer(layers, row, expected)


def test_first_sentences_without_states(model, streams):
    for _ in range(2):  # and again: nothing is carried unasked
        for (words, expected), *_ in streams:
            assert_top_layer(model(batch_of([words])), 0, expected)


def test_token_representations(folder, model):
    words = (folder / "vocab_test.txt").read_text().split()
    with h5py.File(folder / "elmo_token_embeddings.hdf5") as file:
        expected = file["embedding"][:]
    # The first lines of the list are the marks of a sentence and the unknown word.
    chosen = [number for number, word in enumerate(words) if word[0] != "<"]
    rows = batch_of([[words[number]] for number in chosen])
    found = ops.convert_to_numpy(model(rows))[:, 0, 0]
    forward, backward = np.split(found, 2, axis=-1)
    np.testing.assert_array_equal(forward, backward)
    offset = len(expected) - len(words)
    np.testing.assert_allclose(
        forward, expected[[number + offset for number in chosen]], atol=1e-5
    )


def test_what_does_not_fit_is_told(folder, tmp_path):
    options = json.loads((folder / "options.json").read_text())
    other = tmp_path / "options.json"

    def load(weights=folder / "lm_weights.hdf5"):
        return load_published_elmo(other, weights)

    other.write_text(json.dumps({**options, "lstm": {}}))
    with pytest.raises(ValueError, match="not the options of a published ELMo"):
        load()
    other.write_text(json.dumps({**options, "lstm": {**options["lstm"], "dim": 5}}))
    with pytest.raises(ValueError, match=r"W_0 of the shape \(32, 20\)"):
        load()
    other.write_text(
        json.dumps({**options, "lstm": {**options["lstm"], "n_layers": 3}})
    )
    with pytest.raises(ValueError, match="lacks weights"):
        load()
    options["char_cnn"]["n_characters"] = 100
    other.write_text(json.dumps(options))
    with pytest.raises(ValueError, match="262 characters"):
        load()
    broken = tmp_path / "broken"
    broken.write_bytes(b"\xff{")
    with pytest.raises(ValueError, match="broken is no JSON file"):
        load_published_elmo(broken, folder / "weights.hdf5")
    with pytest.raises(ValueError, match="broken must be an HDF5 file"):
        load_published_elmo(folder / "options.json", broken)
    with pytest.raises(ValueError, match="max_characters must be left out"):
        load_published_elmo(
            folder / "options.json", folder / "weights.hdf5", max_characters=20
        )


def test_the_model_is_saved_like_any_other(model, tmp_path):
    fingerprint = model.save_to_preset(tmp_path)
    again = BidirectionalLanguageModel.from_preset(tmp_path)
    assert again.save_to_preset(tmp_path / "copy") == fingerprint
    batch = batch_of([["a", "cat"]])
    np.testing.assert_array_equal(
        ops.convert_to_numpy(again(batch)), ops.convert_to_numpy(model(batch))
    )
