"""An image predictor as a SavedModel: the same numbers, within limits."""

import json
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from glomo_keras import __main__ as command_line
from glomo_keras.export import Limits
from glomo_keras.export import SavedModelGraphs
from glomo_keras.export import export_image_graph_predictor
from glomo_keras.models import ImageGraphPredictor

DIRECTIONS = ("forward", "backward")


@pytest.fixture(scope="module")
def predictor():
    keras.utils.set_random_seed(2)
    return ImageGraphPredictor(6, 2, 3, num_convolutions=1)


@pytest.fixture(scope="module")
def archive(predictor, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    limits = Limits(max_batch=3, max_units=40)
    return export_image_graph_predictor(predictor, folder, num_senders=2, limits=limits)


@pytest.fixture
def images(random):
    return random.integers(0, 256, (2, 5, 7, 3)).astype("uint8")


def test_the_same_numbers_without_the_library(predictor, archive, images, tmp_path):
    np.save(tmp_path / "images.npy", images)
    program = """
import sys
sys.modules.update(dict.fromkeys(("keras", "glomo_keras", "tensorflow_text")))
import numpy as np
import tensorflow as tf
images = tf.constant(np.load(sys.argv[2] + "/images.npy"))
found = tf.saved_model.load(sys.argv[1]).signatures["serving_default"](images=images)
np.savez(sys.argv[2] + "/graphs.npz", **{k: v.numpy() for k, v in found.items()})
"""
    subprocess.run(
        [sys.executable, "-c", program, archive, str(tmp_path)],
        cwd="/",
        timeout=300,
        check=True,
    )
    expected = predictor(images)
    with np.load(tmp_path / "graphs.npz") as found:
        assert set(found) == set(DIRECTIONS)
        for direction in DIRECTIONS:
            np.testing.assert_allclose(found[direction], expected[direction], atol=1e-6)


def test_a_model_takes_graphs_of_the_archive(predictor, archive, images):
    pixels = keras.Input((5, 7, 3), dtype="uint8")
    model = keras.Model(pixels, SavedModelGraphs(archive, name="graphs")(pixels))
    assert not model.trainable_variables
    expected = predictor(images)
    for direction, graphs in model.predict(images, verbose=0).items():
        np.testing.assert_allclose(graphs, expected[direction], atol=1e-6)
    with pytest.raises(ValueError, match="images have none. Leave it out"):
        model.get_layer("graphs")(images, padding_mask=images != 0)


def test_top_senders_of_any_size(predictor, archive, images):
    loaded = tf.saved_model.load(archive)
    nothing = loaded.signatures["top_senders"](images=tf.constant(images[:0]))
    assert nothing["forward_senders"].shape == (0, 2, 3, 35, 2)
    for part in (images, images[:1, :3, :2]):
        found = loaded.signatures["top_senders"](images=tf.constant(part))
        graphs = predictor(part)["backward"].numpy()
        order = np.argsort(-graphs, axis=-1, kind="stable")[..., :2]
        weights = np.take_along_axis(graphs, order, -1)
        np.testing.assert_allclose(found["backward_weights"], weights, atol=1e-6)
        expected = np.where(weights > 0, order, -1)
        np.testing.assert_array_equal(found["backward_senders"], expected)


@pytest.mark.parametrize(
    "shape, message",
    [
        ((4, 2, 2, 3), "more than 3 images in a request"),
        ((1, 7, 6, 3), "more than 40 pixels"),
        ((1, 0, 6, 3), "at least one pixel"),
        ((0, 65_537, 65_536, 3), "more than 40 pixels"),  # nothing of that size is made
        ((0, 65_536, 65_536, 3), "more than 40 pixels"),  # 2 ** 32 of them
    ],
)
def test_what_is_over_the_limits_is_refused(archive, shape, message):
    serve = tf.saved_model.load(archive).signatures["serve"]
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        serve(images=tf.zeros(shape, tf.uint8))


def test_the_command_line_exports_images(predictor, tmp_path, capsys):
    predictor.save_to_preset(tmp_path / "pixels")
    command_line.main(["export", str(tmp_path / "pixels"), str(tmp_path / "models")])
    (path,) = capsys.readouterr().out.split()
    assert pathlib.Path(path) == tmp_path / "models" / "glomo_image" / "1"
    command_line.main(["inspect", path])
    assert "takes   images: uint8 (any, any, any, 3)" in capsys.readouterr().out
    command_line.main(["inspect", str(tmp_path / "pixels")])
    assert "ImageGraphPredictor" in json.dumps(capsys.readouterr().out)


def test_the_guide_names_all_inputs_and_outputs(archive):
    guide = (pathlib.Path(__file__).parents[2] / "docs" / "serving.md").read_text()
    table = guide.partition("| `glomo_image` |")[2].partition("\n\n")[0]
    for signature in tf.saved_model.load(archive).signatures.values():
        names = {*signature.structured_outputs}
        names |= {*signature.structured_input_signature[1]}
        assert all(f"`{name}`" in table for name in names)


def test_another_predictor_is_no_next_version(predictor, tmp_path):
    export_image_graph_predictor(predictor, tmp_path)
    assert export_image_graph_predictor(predictor, tmp_path).endswith("/2")
    other = ImageGraphPredictor(4, 1, 1, num_convolutions=1)
    with pytest.raises(ValueError, match="glomo_image/2 is of another model: filters="):
        export_image_graph_predictor(other, tmp_path)


def test_wrong_arguments(predictor, tmp_path):
    with pytest.raises(ValueError, match="num_senders=0"):
        export_image_graph_predictor(predictor, tmp_path, num_senders=0)
