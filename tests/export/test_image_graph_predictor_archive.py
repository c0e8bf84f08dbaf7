"""An image predictor as a SavedModel: the same numbers, within limits."""

import json
import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from glomo_keras import __main__ as command_line
from glomo_keras.export import SavedModelGraphs
from glomo_keras.export import export_image_graph_predictor
from glomo_keras.models import ImageGraphPredictor

DIRECTIONS = ("forward", "backward")


@pytest.fixture
def images(random):
    return random.integers(0, 256, (2, 5, 7, 3)).astype("uint8")


def test_a_model_takes_graphs_of_the_archive(image_predictor, image_archive, images):
    pixels = keras.Input((5, 7, 3), dtype="uint8")
    model = keras.Model(pixels, SavedModelGraphs(image_archive, name="graphs")(pixels))
    assert not model.trainable_variables
    expected = image_predictor(images)
    for direction, graphs in model.predict(images, verbose=0).items():
        np.testing.assert_allclose(graphs, expected[direction], atol=1e-6)
    with pytest.raises(
        ValueError, match="takes images alone.*Received: a `padding_mask`"
    ):
        model.get_layer("graphs")(images, padding_mask=images != 0)
    # Levels between whole ones, and beyond them, as of resized images.
    images[0, 0, 0] = 0, 255, 9
    between = images + np.array([-0.4, 0.4, 0.4])
    for direction, graphs in model.get_layer("graphs")(between).items():
        np.testing.assert_allclose(
            graphs, image_predictor(images)[direction], atol=1e-6
        )


def test_top_senders_of_any_size(image_predictor, image_archive, load_once, images):
    loaded = load_once(image_archive)
    nothing = loaded.signatures["top_senders"](images=tf.constant(images[:0]))
    assert nothing["forward_senders"].shape == (0, 2, 3, 35, 2)
    for part in (images, images[:1, :3, :2]):
        found = loaded.signatures["top_senders"](images=tf.constant(part))
        graphs = image_predictor(part)["backward"].numpy()
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
def test_what_is_over_the_limits_is_refused(image_archive, load_once, shape, message):
    serve = load_once(image_archive).signatures["serve"]
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        serve(images=tf.zeros(shape, tf.uint8))


def test_the_command_line_exports_images(image_predictor, tmp_path, capsys):
    image_predictor.save_to_preset(tmp_path / "pixels")
    command_line.main(["export", str(tmp_path / "pixels"), str(tmp_path / "models")])
    (path,) = capsys.readouterr().out.split()
    assert pathlib.Path(path) == tmp_path / "models" / "glomo_image" / "1"
    command_line.main(["inspect", path])
    assert "takes   images: uint8 (any, any, any, 3)" in capsys.readouterr().out
    command_line.main(["inspect", str(tmp_path / "pixels")])
    assert "ImageGraphPredictor" in json.dumps(capsys.readouterr().out)


def test_the_guide_names_all_inputs_and_outputs(image_archive, load_once):
    guide = pathlib.Path(__file__).parents[2] / "docs" / "serving.md"
    table = guide.read_text("utf-8").partition("| `glomo_image` |")[2]
    table = table.partition("\n\n")[0]
    for signature in load_once(image_archive).signatures.values():
        names = {*signature.structured_outputs}
        names |= {*signature.structured_input_signature[1]}
        assert all(f"`{name}`" in table for name in names)


def test_another_predictor_is_no_next_version(
    image_predictor, empty_archives, tmp_path
):
    for version in "12":
        paths = export_image_graph_predictor(image_predictor, tmp_path)
        assert paths == {"images": str(tmp_path / "glomo_image" / version)}
    other = ImageGraphPredictor(4, 1, 1, num_convolutions=1)
    with pytest.raises(ValueError, match="glomo_image/2 is of another model: filters="):
        export_image_graph_predictor(other, tmp_path)


def test_wrong_arguments(image_predictor, tmp_path):
    with pytest.raises(ValueError, match="num_senders=0"):
        export_image_graph_predictor(image_predictor, tmp_path, num_senders=0)
