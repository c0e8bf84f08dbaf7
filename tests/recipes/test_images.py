"""The image recipes: pretraining, and CIFAR-10 with messages along the graphs."""

import argparse
import csv
import json

import cifar10
import compare
import image_task
import keras
import numpy as np
import pretrain_images
import pytest
import resnet
import task_options
from image_batches import ImageSequence
from keras import ops

from glomo_keras.layers import GraphTransfer
from glomo_keras.layers import MessageTransfer
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


@pytest.fixture(scope="module")
def predictor():
    keras.utils.set_random_seed(4)
    return ImageGraphPredictor(6, 2, 3, num_convolutions=1)


@pytest.mark.parametrize("composed", [True, False])
def test_kept_messages_stand_in_for_graphs(predictor, random, composed):
    images = random.integers(0, 256, (4, 3, 5, 3)).astype("uint8")
    pixels = (images.reshape(4, 15, 3) / 127.5 - 1).astype("float32")
    transfer = GraphTransfer(num_mixtures=2, composed=composed)
    expected = transfer(pixels, predictor(images))
    for weight in transfer.weights:
        weight.assign(random.normal(size=weight.shape))
    expected = ops.convert_to_numpy(transfer(pixels, predictor(images)))
    arm = image_task.PixelMessages("learned", predictor, composed=composed)
    kept = MessageTransfer(num_mixtures=2)
    for _ in range(2):  # computed, then kept
        messages = arm.inputs(images[[0, 1, 2, 0]])
        found = kept(pixels[[0, 1, 2, 0]], messages)
        kept.set_weights(transfer.get_weights())
    found = ops.convert_to_numpy(kept(pixels[[0, 1, 2, 0]], messages))
    np.testing.assert_allclose(found, expected[[0, 1, 2, 0]], atol=5e-3)  # float16
    assert messages["forward"].shape[1:3] == arm.shape
    assert len(arm.kept) == 3
    nothing_kept = image_task.PixelMessages("learned", predictor, 0, composed)
    again = nothing_kept.inputs(images[[0, 1, 2, 0]])
    np.testing.assert_array_equal(again["backward"], messages["backward"])
    assert len(nothing_kept.kept) == 0


def test_runs_share_what_is_kept(tmp_path):
    line = ["--output", str(tmp_path), "--size", "smoke", "--graph-on", "pixels"]
    options = cifar10.make_parser().parse_args(line)
    options = task_options.finish_options(cifar10.TASK, options)
    first, second = (cifar10.TASK.make_arm("learned", seed, options) for seed in (0, 1))
    assert first.kept is second.kept


def test_controls_send_pixels_or_their_mean(random):
    images = random.integers(0, 256, (2, 3, 5, 3)).astype("uint8")
    pixels = images.reshape(2, 15, 3) / 127.5 - 1
    matched = image_task.PixelMessages("matched").inputs(images)
    np.testing.assert_allclose(matched["forward"][:, 0, 0], pixels, atol=1e-3)
    uniform = image_task.PixelMessages("uniform").inputs(images)
    mean = np.broadcast_to(pixels.mean(axis=1, keepdims=True), pixels.shape)
    np.testing.assert_allclose(uniform["backward"][:, 0, 0], mean, atol=1e-3)
    assert image_task.PixelMessages("none").inputs(images) == {}


@pytest.mark.parametrize("depth, count", [(18, 11_173_962), (34, 21_282_122)])
def test_resnets_have_the_parameters_of_the_paper_s(depth, count):
    # Those of the usual ResNets for CIFAR, with a linear layer of ten classes.
    images = keras.Input((32, 32, 3))
    hidden = resnet.stages(resnet.stem(images, 64), depth, 64)
    model = keras.Model(images, keras.layers.Dense(10)(hidden))
    trained = sum(int(np.prod(w.shape)) for w in model.trainable_weights)
    assert trained == count


@pytest.fixture(scope="module")
def preset(predictor, tmp_path_factory):
    folder = tmp_path_factory.mktemp("preset") / "pixels"
    predictor.save_to_preset(folder)
    return str(folder)


def test_the_table_of_a_comparison(preset, tmp_path, capsys):
    arguments = ["cifar10", "--size", "smoke", "--image-size", "4", "--seeds", "1"]
    arguments += ["--output", str(tmp_path), "--predictor", preset, "--epochs", "1"]
    compare.main([*arguments, "--arms", "none", "learned"])
    table = capsys.readouterr().out
    assert "| none |" in table and "| learned |" in table
    with pytest.raises(SystemExit):
        compare.main([*arguments, "--arms", "shuffled"])
    assert "cifar10 has the arms none, matched" in capsys.readouterr().err


def test_graphs_on_the_stem(preset, tmp_path):
    arguments = "--size smoke --image-size 4 --epochs 1 --graph learned --graph-on stem"
    arguments = [*arguments.split(), "--output", str(tmp_path), "--predictor", preset]
    cifar10.main(arguments)
    (line,) = (tmp_path / "runs.jsonl").read_text().splitlines()
    record = json.loads(line)
    assert record["graph_on"] == "stem" and 0 <= record["test"]["accuracy"] <= 1


@pytest.mark.parametrize("arm, seen", [("matched", np.eye(6)), ("uniform", 1 / 6)])
def test_controls_on_the_stem(arm, seen):
    graphs = cifar10._graphs(ops.zeros((4, 2, 3, 3)), arm)
    for graph in graphs.values():
        expected = np.broadcast_to(seen, (4, 1, 1, 6, 6))
        np.testing.assert_allclose(ops.convert_to_numpy(graph), expected, rtol=1e-6)


def test_the_shipped_predictor_is_the_default(tmp_path):
    options = cifar10.make_parser().parse_args(["--output", str(tmp_path)])
    predictor = image_task.load_image_predictor(options.predictor)
    assert predictor.num_graph_layers == 2 and not predictor.trainable


def test_images_without_labels_are_refused(tmp_path, monkeypatch):
    np.savez(tmp_path / "train.npz", images=np.zeros((2, 8, 8, 3), "uint8"))
    options = argparse.Namespace(
        output=tmp_path / "run", data=str(tmp_path), image_size=4
    )
    with pytest.raises(ValueError, match="has no labels"):
        cifar10.TASK.prepare(options)


def test_the_network_does_not_depend_on_the_image_data_format():
    keras.config.set_image_data_format("channels_first")
    try:
        images = keras.Input((8, 8, 3))
        features = resnet.stages(resnet.stem(images, 5), 18, 5)
    finally:
        keras.config.set_image_data_format("channels_last")
    assert features.shape == (None, 40)
    assert keras.Model(images, features).layers[1].kernel.shape == (3, 3, 3, 5)
