"""CIFAR-10, with messages along the graphs of pixels."""

import json

import cifar10
import compare
import keras
import numpy as np
import pytest
from experiment.images import resnet
from experiment.images.cifar10 import Cifar10Task
from experiment.images.pixel_arms import PixelGraphs
from experiment.images.pixel_arms import PixelMessages
from experiment.images.pixel_arms import frozen_predictor
from experiment.process import UsageError
from keras import ops
from tiny_tasks import settings_of

from glomo_keras.layers import GraphTransfer
from glomo_keras.layers import MessageTransfer
from glomo_keras.models import ImageGraphPredictor
from glomo_keras.models import MessageCache


@pytest.fixture(scope="module")
def predictor():
    keras.utils.set_random_seed(4)
    return ImageGraphPredictor(6, 2, 3, num_convolutions=1)


@pytest.mark.parametrize("composed", [True, False])
def test_cached_messages_stand_in_for_graphs(predictor, random, composed):
    images = random.integers(0, 256, (4, 3, 5, 3)).astype("uint8")
    pixels = (images.reshape(4, 15, 3) / 127.5 - 1).astype("float32")
    transfer = GraphTransfer(num_mixtures=2, composed=composed)
    expected = transfer(pixels, predictor(images))
    for weight in transfer.weights:
        weight.assign(random.normal(size=weight.shape))
    expected = ops.convert_to_numpy(transfer(pixels, predictor(images)))
    cache = MessageCache(predictor, composed)
    message_transfer = MessageTransfer(num_mixtures=2)
    for _ in range(2):  # computed, then held
        messages = cache(images[[0, 1, 2, 0]])
        message_transfer(pixels[[0, 1, 2, 0]], messages)
        message_transfer.set_weights(transfer.get_weights())
    fused = ops.convert_to_numpy(message_transfer(pixels[[0, 1, 2, 0]], messages))
    np.testing.assert_allclose(fused, expected[[0, 1, 2, 0]], atol=5e-3)  # float16
    assert messages["forward"].shape[1:3] == cache.message_shape
    assert len(cache.results) == 3
    without_room = MessageCache(predictor, composed, num_bytes=0)
    again = without_room(images[[0, 1, 2, 0]])
    np.testing.assert_array_equal(again["backward"], messages["backward"])
    assert len(without_room.results) == 0


def test_runs_share_their_messages(tmp_path):
    task = Cifar10Task()
    settings = settings_of(
        task, "--output", tmp_path, "--size", "smoke", "--graph-on", "pixels"
    )
    first, second = (task.make_arm("learned", seed, settings) for seed in (0, 1))
    assert first.message_cache is second.message_cache


def test_controls_send_pixels_or_their_mean(random):
    images = random.integers(0, 256, (2, 3, 5, 3)).astype("uint8")
    pixels = images.reshape(2, 15, 3) / 127.5 - 1
    matched = PixelMessages("matched").batch_inputs(images)
    np.testing.assert_allclose(matched["forward"][:, 0, 0], pixels, atol=1e-3)
    uniform = PixelMessages("uniform").batch_inputs(images)
    mean = np.broadcast_to(pixels.mean(axis=1, keepdims=True), pixels.shape)
    np.testing.assert_allclose(uniform["backward"][:, 0, 0], mean, atol=1e-3)
    assert PixelMessages("none").batch_inputs(images) == {}


def test_pixels_read_their_neighbours(random):
    images = random.integers(0, 256, (2, 3, 5, 3)).astype("uint8")
    pixels = images / 127.5 - 1
    arm = PixelMessages("local")
    assert arm.message_shape == (1, 2)
    graphs = PixelGraphs("local").graphs(ops.zeros(images.shape))
    messages = arm.batch_inputs(images)
    later, earlier = slice(1, None), slice(0, -1)
    sides = ("forward", later, earlier), ("backward", earlier, later)
    for direction, reader, read in sides:
        beside, in_column = np.zeros_like(pixels), np.zeros_like(pixels)
        beside[:, :, reader] = pixels[:, :, read]
        in_column[:, reader] = pixels[:, read]
        expected = np.stack([beside, in_column], axis=1).reshape(2, 1, 2, 15, 3)
        np.testing.assert_allclose(messages[direction], expected, atol=1e-3)
        sent = ops.convert_to_numpy(graphs[direction]) @ pixels.reshape(2, 1, 1, 15, 3)
        np.testing.assert_allclose(sent, expected, atol=1e-6)


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


def test_messages_that_are_kept_go_one_hop(tmp_path):
    with pytest.raises(UsageError, match="--num-hops must be 1 on images"):
        settings_of(Cifar10Task(), "--output", tmp_path, "--num-hops", "2")


def test_graphs_on_the_stem(preset, tmp_path):
    arguments = "--size smoke --image-size 4 --epochs 1 --graph learned --graph-on stem"
    arguments = [*arguments.split(), "--output", str(tmp_path), "--predictor", preset]
    cifar10.main(arguments)
    (line,) = (tmp_path / "runs.jsonl").read_text().splitlines()
    record = json.loads(line)
    assert record["graph_on"] == "stem" and 0 <= record["test"]["accuracy"] <= 1


@pytest.mark.parametrize("arm, seen", [("matched", np.eye(6)), ("uniform", 1 / 6)])
def test_controls_on_the_stem(arm, seen):
    graphs = PixelGraphs(arm).graphs(ops.zeros((4, 2, 3, 3)))
    for graph in graphs.values():
        expected = np.broadcast_to(seen, (4, 1, 1, 6, 6))
        np.testing.assert_allclose(ops.convert_to_numpy(graph), expected, rtol=1e-6)


def test_the_shipped_predictor_is_the_default(tmp_path):
    settings = settings_of(Cifar10Task(), "--output", tmp_path)
    predictor = frozen_predictor(settings.predictor)
    assert predictor.num_graph_layers == 2 and not predictor.trainable


def test_images_without_labels_are_refused(tmp_path):
    np.savez(tmp_path / "train.npz", images=np.zeros((2, 8, 8, 3), "uint8"))
    np.savez(tmp_path / "test.npz", images=np.zeros((2, 8, 8, 3), "uint8"))
    task = Cifar10Task()
    settings = settings_of(
        task, "--output", tmp_path / "run", "--data", tmp_path, "--image-size", "4"
    )
    with pytest.raises(ValueError, match="has no labels"):
        task.prepare(settings)
    assert not (tmp_path / "run" / "arrays").exists()


def test_images_that_have_changed_are_refused(tmp_path):
    def write(level):
        for split in ("train", "test"):
            images = np.full((2, 8, 8, 3), level, "uint8")
            np.savez(tmp_path / f"{split}.npz", images=images, labels=np.arange(2))

    task = Cifar10Task()
    settings = settings_of(
        task, "--output", tmp_path / "run", "--data", tmp_path, "--image-size", "4"
    )
    write(3)
    for _ in range(2):  # made, then used again
        assert (task.prepare(settings)["train"]["images"] == 3).all()
    write(4)
    with pytest.raises(ValueError, match="holds other images .sources"):
        task.prepare(settings)


def test_the_network_does_not_depend_on_the_image_data_format():
    keras.config.set_image_data_format("channels_first")
    try:
        images = keras.Input((8, 8, 3))
        features = resnet.stages(resnet.stem(images, 5), 18, 5)
    finally:
        keras.config.set_image_data_format("channels_last")
    assert features.shape == (None, 40)
    assert keras.Model(images, features).layers[1].kernel.shape == (3, 3, 3, 5)
