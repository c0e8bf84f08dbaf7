"""Strings to graphs, in a process."""

import numpy as np
import pytest

from glomo_keras.export import TextGraphs
from glomo_keras.models import ImageGraphPredictor

TEXTS = ["The cat sat on a mat .", "", "a dog", "café \u4e2d zebra", "   "]


@pytest.fixture(scope="module")
def expected(text_graphs):
    return {name: tensor.numpy() for name, tensor in text_graphs(TEXTS).items()}


def test_text_graphs_of_a_preset(text_graphs, tmp_path, expected):
    text_graphs.predictor.save_to_preset(tmp_path / "words", text_graphs.vocabulary)
    reloaded = TextGraphs.from_preset(tmp_path / "words", max_units=4)
    found = reloaded(TEXTS)
    np.testing.assert_array_equal(found["units"], expected["units"][:, :4])
    np.testing.assert_array_equal(
        found["forward"], expected["forward"][..., :4, :4]
    )  # what is cut off comes later
    text_graphs.predictor.save_to_preset(tmp_path / "ids")
    ImageGraphPredictor(4, 1, 1, num_convolutions=1).save_to_preset(tmp_path / "pixels")
    for name, held in (("ids", "GraphPredictor"), ("pixels", "ImageGraphPredictor")):
        message = f"has no vocabulary.* holds a {held}: load it by {held}.from_preset"
        with pytest.raises(ValueError, match=message):
            TextGraphs.from_preset(tmp_path / name)


def test_no_texts(text_graphs):
    for texts in ([], np.zeros(0, object)):
        shapes = {name: tuple(t.shape) for name, t in text_graphs(texts).items()}
        assert shapes == {
            "forward": (0, 2, 5, 1, 1),
            "backward": (0, 2, 5, 1, 1),
            "units": (0, 1),
            "padding_mask": (0, 1),
        }


@pytest.mark.parametrize("max_units, error", [(0, ValueError), ("4", TypeError)])
def test_wrong_lengths(text_graphs, max_units, error):
    with pytest.raises(error, match=f"max_units={max_units!r}"):
        TextGraphs(text_graphs.predictor, text_graphs.vocabulary, max_units)


def test_a_length_of_numpy(text_graphs):
    cut = TextGraphs(text_graphs.predictor, text_graphs.vocabulary, np.int64(2))
    assert cut(TEXTS)["units"].shape == (5, 2)


def test_a_preset_is_frozen_and_its_arguments_replaced(text_graphs, tmp_path):
    text_graphs.predictor.save_to_preset(tmp_path, text_graphs.vocabulary)
    loaded = TextGraphs.from_preset(preset=tmp_path, trainable=False, top_k=1)
    assert not loaded.predictor.trainable and loaded.predictor.top_k == 1
    assert loaded.max_units is None
    assert TextGraphs.from_preset(tmp_path).predictor.trainable
