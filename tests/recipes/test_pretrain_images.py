"""The image recipe: from pixels to a predictor, and on after a stop."""

import csv
import json

import numpy as np
import pretrain_images
import pytest
from experiment.pretraining.image_stream import ImageSequence

from glomo_keras.models import ImageGraphPredictor

TINY = (
    "--size smoke --image-size 4 --filters 6 --num-graph-layers 1 --steps-per-epoch 3 "
    "--num-valid 6 --limit 40 --warmup 1 --context-window 1 2 --no-jit"
).split()


def pretrain(output, *more):
    pretrain_images.main(["--output", str(output), *TINY, *more])


def read_log(output):
    with (output / "log.csv").open() as file:
        return list(csv.DictReader(file))


def test_a_run_leaves_all_that_it_promises(tmp_path, capsys, eagerly):
    pretrain(tmp_path, "--epochs", "2", "--stop-after", "1")
    (row,) = read_log(tmp_path)
    assert row["epoch"] == "0" and float(row["val_bits"]) < 9
    pretrain(tmp_path, "--epochs", "2", "--resume", "--stop-after", "1")
    shown = capsys.readouterr().out
    assert "Arrays of" in shown
    assert "The run has finished its 1 epochs. Nothing is trained." in shown
    assert shown.count(" bits, specificity ") == 1
    predictor = ImageGraphPredictor.from_preset(tmp_path / "preset")
    graphs = predictor(np.zeros((1, 3, 5, 3), "uint8"))
    assert graphs["forward"].shape == (1, 1, 2, 15, 15)
    assert len(list((tmp_path / "pictures").glob("epoch_001_image_*.png"))) == 4
    metadata = json.loads((tmp_path / "preset" / "metadata.json").read_text())
    assert metadata["training"]["image_size"] == 4
    within_4 = metadata["training"]["heads"]["within_4"]  # all of an image of 4 x 4
    assert within_4 == {"forward": [[1.0] * 2], "backward": [[1.0] * 2]}
    settings = (tmp_path / "settings.json").read_text()
    with pytest.raises(SystemExit, match="settings .context_window: .1, 2., not .2, 1"):
        pretrain(tmp_path, "--epochs", "2", "--resume", "--context-window", "2", "1")
    with pytest.raises(SystemExit, match="holds a run already"):
        pretrain(tmp_path)
    assert (tmp_path / "settings.json").read_text() == settings


def save_images(path, shift=0):
    images = np.arange(7 * 4 * 4 * 3).reshape(7, 4, 4, 3) + shift
    np.savez(path, images=images.astype("uint8"))


def test_arrays_of_other_images_are_refused(tmp_path, capsys):
    path = tmp_path / "train.npz"
    save_images(path)
    data, output = ["--data", str(path)], tmp_path / "run"
    pretrain(output, "--prepare-only", *data)
    pretrain(output, "--prepare-only", *data)
    assert "Arrays of" in capsys.readouterr().out
    assert np.load(output / "prepared" / "images.npy").shape == (7, 4, 4, 3)
    save_images(path, shift=1)  # as many bytes
    with pytest.raises(SystemExit, match="other settings .sources: "):
        pretrain(output, "--prepare-only", *data)
    with pytest.raises(SystemExit, match="settings .data: .*, not 'shapes', sources: "):
        pretrain(output, "--prepare-only")
    path.unlink()  # the array is enough for a machine that only trains
    capsys.readouterr()
    pretrain(output, "--prepare-only", *data)
    assert "still are the same was not checked" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="has 7 images, of which --num-valid 9"):
        pretrain(output, *data, "--num-valid", "9")


CONTROL = (
    "--graphs uniform --pictures-every 0 --block-size 4"  # which is for learned graphs
).split()


def test_controls_train(tmp_path, eagerly):
    pretrain(tmp_path, *CONTROL, "--epochs", "1")
    (row,) = read_log(tmp_path)
    assert float(row["val_density"]) == 1.0


@pytest.mark.slow
def test_resuming_gives_what_an_uninterrupted_run_gives(tmp_path):
    arguments = [*CONTROL, "--epochs", "2"]
    pretrain(tmp_path / "whole", *arguments)
    pretrain(tmp_path / "parts", *arguments, "--stop-after", "1")
    pretrain(tmp_path / "parts", *arguments, "--resume")
    logs = (read_log(tmp_path / name) for name in ("whole", "parts"))
    for one, other in zip(*logs, strict=True):
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
