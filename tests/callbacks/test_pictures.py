"""Pictures while a model learns: which files, in which epochs."""

import sys
import types

import numpy as np
import pytest

from glomo_keras.callbacks import GraphPictures
from glomo_keras.callbacks import PixelPictures
from glomo_keras.models import GraphPredictor
from glomo_keras.models import ImageGraphPredictor

pytest.importorskip("matplotlib")


def run(callback, predictor, epochs):
    callback.set_model(types.SimpleNamespace(graph_predictor=predictor))
    for epoch in range(epochs):
        callback.on_epoch_end(epoch, {})


def test_graphs_of_texts(tmp_path):
    predictor = GraphPredictor(5, 6, 1, 2, num_convolutions=1)
    unit_ids = np.array([[2, 3, 4], [4, 0, 0], [0, 0, 0]])
    units = ["[PAD]", "[UNK]", "the", "cat", "sat"]
    run(GraphPictures(unit_ids, units, tmp_path / "new", every=2), predictor, 3)
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [
        f"epoch_002_text_{text}_{kind}.png"  # the last text is padding alone
        for text in (0, 1)
        for kind in ("arcs", "grid")
    ]


def test_edges_of_pixels(tmp_path):
    predictor = ImageGraphPredictor(4, 1, 1, num_convolutions=1)
    images = np.zeros((1, 3, 5, 3), "uint8")
    run(PixelPictures(images, tmp_path / "new"), predictor, 1)
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [
        "epoch_001_image_0_center.png",
        "epoch_001_image_0_corner.png",
    ]


@pytest.mark.parametrize("make", [GraphPictures, PixelPictures])
def test_what_is_missing_is_told_before_training(make, tmp_path, monkeypatch):
    arguments = [np.zeros((1, 3), "int32"), ["[PAD]"], tmp_path]
    arguments = arguments if make is GraphPictures else [arguments[0], tmp_path]
    callback = make(*arguments)
    callback.set_model(types.SimpleNamespace())
    with pytest.raises(ValueError, match="`graph_predictor` must be an attribute"):
        callback.on_train_begin()
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match="matplotlib"):
        make(*arguments)


def test_images_of_other_channels_are_refused(tmp_path):
    predictor = ImageGraphPredictor(4, 1, 1, num_convolutions=1, channels=1)
    images = np.zeros((1, 3, 5, 1), "uint8")
    with pytest.raises(ValueError, match="three channels.*one of 1"):
        run(PixelPictures(images, tmp_path), predictor, 1)


@pytest.mark.parametrize("every, error", [(0, ValueError), (1.5, TypeError)])
@pytest.mark.parametrize("arguments", [(GraphPictures, None, []), (PixelPictures, [])])
def test_wrong_numbers_of_epochs(arguments, every, error):
    callback, *arguments = arguments
    with pytest.raises(error, match=f"every={every}"):
        callback(*arguments, "pictures", every=every)
