"""Saved models do not depend on Keras's global image data format."""

import pathlib

import keras
import numpy as np
import pytest
from keras import ops

from glomo_keras.models import BidirectionalLanguageModel
from glomo_keras.models import ImageGraphPredictor
from glomo_keras.models.presets import load_preset

FOLDER = pathlib.Path(__file__).parents[2] / "saved_models"
PRESETS = sorted(path.parent for path in FOLDER.glob("*/metadata.json"))


def answers(folder):
    model = load_preset(str(folder))
    random = np.random.default_rng(3)
    if isinstance(model, BidirectionalLanguageModel):
        inputs = random.integers(1, 200, (2, 3, model.max_characters)).astype("int32")
    elif isinstance(model, ImageGraphPredictor):
        inputs = random.integers(0, 256, (2, 3, 5, 3)).astype("uint8")
    else:
        ids = random.integers(1, 100, (2, 5)).astype("int32")
        inputs = {"unit_ids": ids, "padding_mask": ids > 0}
    return [ops.convert_to_numpy(x) for x in keras.tree.flatten(model(inputs))]


@pytest.mark.parametrize("folder", PRESETS, ids=lambda folder: folder.name)
def test_presets_answer_alike(folder):
    expected = answers(folder)
    keras.config.set_image_data_format("channels_first")
    try:
        found = answers(folder)
    finally:
        keras.config.set_image_data_format("channels_last")
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_there_are_presets():
    assert len(PRESETS) >= 4
