"""Pretraining on images: what a run leaves, and what it refuses."""

import csv
import json

import numpy as np
import pretrain_images
import pytest
from experiment.pretraining.image_stream import ImageSequence

from glomo_keras.models import ImageGraphPredictor

TINY = (
    "--size smoke --image-size 4 --filters 6 --steps-per-epoch 3 --num-valid 6 "
    "--limit 40 --warmup 1 --context-window 1 2 --no-jit"
).split()


def pretrain(output, *more):
    pretrain_images.main(["--output", str(output), *TINY, *more])
    with (output / "log.csv").open() as file:
        return list(csv.DictReader(file))


def test_pretraining_leaves_all_that_it_promises(tmp_path, capsys):
    rows = pretrain(tmp_path, "--stop-after", "1", "--pictures-every", "1")
    assert [row["epoch"] for row in rows] == ["0"]
    assert float(rows[0]["val_bits"]) < 9
    pretrain(tmp_path, "--resume", "--stop-after", "1")  # has nothing to do
    shown = capsys.readouterr().out
    assert "Arrays of" in shown and "Starting at epoch 2." in shown
    assert shown.count("bits per dimension train") == 1
    predictor = ImageGraphPredictor.from_preset(tmp_path / "preset")
    graphs = predictor(np.zeros((1, 3, 5, 3), "uint8"))
    assert graphs["forward"].shape == (1, 2, 2, 15, 15)
    assert len(list((tmp_path / "pictures").glob("epoch_001_image_*.png"))) == 4
    metadata = json.loads((tmp_path / "preset" / "metadata.json").read_text())
    assert metadata["training"]["image_size"] == 4
    settings = (tmp_path / "settings.json").read_text()
    with pytest.raises(ValueError, match="settings .data: 'shapes', not 'elsewhere'"):
        pretrain(tmp_path, "--data", "elsewhere")
    assert (tmp_path / "settings.json").read_text() == settings


CONTROL = (
    "--graphs uniform --pictures-every 0 --num-graph-layers 1 "
    "--block-size 4"  # which is for learned graphs
).split()


def test_controls_train(tmp_path):
    (row,) = pretrain(tmp_path, *CONTROL, "--epochs", "1")
    assert float(row["val_density"]) == 1.0


@pytest.mark.slow
def test_resuming_gives_what_an_uninterrupted_run_gives(tmp_path):
    arguments = [*CONTROL, "--epochs", "2"]
    whole = pretrain(tmp_path / "whole", *arguments)
    pretrain(tmp_path / "parts", *arguments, "--stop-after", "1")
    parts = pretrain(tmp_path / "parts", *arguments, "--resume")
    for one, other in zip(whole, parts, strict=True):
        for name in ("val_bits", "bits"):
            assert float(one[name]) == pytest.approx(float(other[name]), abs=1e-5)


def test_images_come_once_a_round_and_in_the_same_order_after_a_stop(random):
    images = random.integers(0, 256, (10, 4, 4, 3)).astype("uint8")
    images[:, 0, 0, 0] = np.arange(10)
    batches = ImageSequence(images, 3, seed=5)
    seen = [batches[i][:, 0, 0, 0].tolist() for i in range(6)]
    assert len(set(sum(seen[:3], []))) == 9 and seen[:3] != seen[3:]
    later = ImageSequence(images, 3, seed=5, first_step=4)
    np.testing.assert_array_equal(later[1], batches[5])
    flipped = ImageSequence(images, 10, seed=5, flip=True)[0]
    plain = ImageSequence(images, 10, seed=5)[0]
    mirrored = [not np.array_equal(a, b) for a, b in zip(flipped, plain, strict=True)]
    assert 0 < sum(mirrored) < 10
    for one, other, is_mirrored in zip(flipped, plain, mirrored, strict=True):
        np.testing.assert_array_equal(one, other[:, ::-1] if is_mirrored else other)
