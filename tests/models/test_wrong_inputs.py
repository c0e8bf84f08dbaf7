"""Inputs of another kind than models take are named."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from glomo_keras.models import BidirectionalLanguageModel
from glomo_keras.models import GLoMoPretrainer
from glomo_keras.models import GraphPredictor
from glomo_keras.models import ImageGLoMoPretrainer
from glomo_keras.models import ImageGraphPredictor
from glomo_keras.models import LanguageModelPretrainer

IDS = np.array([[2, 3, 0]])


@pytest.fixture(scope="module")
def predictor():
    sizes = {"num_graph_layers": 1, "num_heads": 2, "num_convolutions": 1}
    return GraphPredictor(4, embedding_dim=4, **sizes)


@pytest.fixture(scope="module")
def language_model():
    return BidirectionalLanguageModel(
        units=5, projection_dim=3, kernel_sizes=[1], filters=[3], max_characters=11
    )


@pytest.mark.parametrize("inputs", [[IDS, IDS != 0], (IDS, IDS != 0)])
def test_a_predictor_takes_tensors_by_name(predictor, inputs):
    for call in (predictor, predictor.project):
        message = "must be a dict of `unit_ids` and `padding_mask`.* of type "
        with pytest.raises(TypeError, match=message):
            call(inputs)


def test_the_mask_is_that_of_the_ids_where_none_is_given(predictor):
    expected = predictor({"unit_ids": IDS, "padding_mask": IDS != 0})
    for inputs in (IDS, keras.ops.array(IDS), {"unit_ids": IDS}):
        graphs = predictor(inputs)
        for direction, graph in expected.items():
            np.testing.assert_array_equal(graphs[direction], graph)
        factors = predictor.project(inputs)
        assert tuple(factors["forward"]["keys"].shape) == (1, 1, 2, 3, 2)
    # A symbolic input becomes part of a functional model.
    ids = keras.Input((None,), dtype="int32")
    model = keras.Model(ids, predictor(ids))
    predicted = model.predict(IDS, verbose=0), predictor.predict(IDS, verbose=0)
    for graphs in predicted:
        for direction, graph in expected.items():
            np.testing.assert_allclose(graphs[direction], graph, atol=1e-6)


def test_arrays_and_tensors_of_others_go_together(predictor):
    """What `Vocabulary.encode` returns is TensorFlow's on every backend."""
    expected = predictor({"unit_ids": IDS, "padding_mask": IDS != 0})
    tensor, mask = tf.constant(IDS), tf.constant(IDS != 0)
    for inputs in (
        tensor,
        {"unit_ids": tensor, "padding_mask": mask},
        {"unit_ids": IDS, "padding_mask": mask},
        {"unit_ids": tensor, "padding_mask": IDS != 0},
    ):
        graphs = predictor(inputs)
        for direction, graph in expected.items():
            np.testing.assert_array_equal(graphs[direction], graph)


def test_missing_inputs_and_lists_of_numbers_are_named(predictor):
    for call in (predictor, predictor.project):
        with pytest.raises(ValueError, match=r"unit_ids.* keys:? \['padding_mask'\]"):
            call({"padding_mask": IDS != 0})
    with pytest.raises(TypeError, match="`unit_ids` must be a tensor.* type list"):
        predictor.project({"unit_ids": [[2, 3]], "padding_mask": [[True, True]]})
    for call in (predictor, predictor.project):
        for numbers in ([[2, 3]], [], ((2, 3),)):
            with pytest.raises(TypeError, match="`unit_ids` must be a tensor.* type "):
                call(numbers)
    images = ImageGraphPredictor(4, 1, 1, num_convolutions=1)
    with pytest.raises(TypeError, match="`images` must be a tensor.* type list"):
        images([np.zeros((2, 3, 3), "uint8")])


@pytest.mark.parametrize("ids", [[[2, 4]], [[-1, 2]]])
def test_ids_of_another_vocabulary_are_refused(predictor, ids):
    message = r"must lie in \[0, 4\).* from -?\d to \d\. .*Vocabulary.from_preset"
    for inputs in (np.array(ids), keras.ops.array(ids)):
        for call in (predictor, predictor.project):
            with pytest.raises(ValueError, match=message):
                call(inputs)


def test_shares_of_one_are_no_levels(predictor):
    images = ImageGraphPredictor(4, 1, 1, num_convolutions=1)
    pretrainer = ImageGLoMoPretrainer(images)
    pretrainer.compile("sgd")
    shares = np.random.default_rng(0).uniform(size=(2, 3, 3, 3)).astype("float32")
    calls = images, images.project, pretrainer, pretrainer.fit, pretrainer.evaluate
    for call in calls:
        with pytest.raises(
            ValueError, match=r"from 0\.\d+ to 0\.\d+. Use `images \* 255"
        ):
            call(shares)
    dark = np.zeros((2, 3, 3, 3), "float32")
    dark[0, 0, 0, 0] = 0.75  # shrunk from a larger one
    for levels in (255 * shares, np.round(shares), dark):
        assert np.isfinite(images(levels)["forward"]).all()


class CountedImages(keras.utils.PyDataset):
    """Batches of images, and how many were asked for."""

    def __init__(self):
        super().__init__()
        self.read = 0

    def __len__(self):
        return 300

    def __getitem__(self, index):
        self.read += 1
        return np.zeros((1, 3, 3, 3), "uint8")


def test_a_data_set_is_not_read_to_check_it():
    predictor = ImageGraphPredictor(4, 1, 1, num_convolutions=1)
    pretrainer = ImageGLoMoPretrainer(predictor)
    pretrainer.compile("sgd")
    images = CountedImages()
    pretrainer.fit(images, steps_per_epoch=1, epochs=1, verbose=0)
    assert images.read < 20


def test_arrays_of_ids_are_checked_before_training(predictor):
    pretrainer = GLoMoPretrainer(predictor)
    pretrainer.compile("sgd")
    for x in (np.array([[2, 9]]), {"unit_ids": np.array([[2, -1]])}):
        with pytest.raises(ValueError, match=r"must lie in \[0, 4\)"):
            pretrainer.fit(x, verbose=0)


@pytest.mark.parametrize("as_input", [keras.ops.convert_to_tensor, list])
def test_a_language_model_is_pretrained_on_tensors_by_name(language_model, as_input):
    pretrainer = LanguageModelPretrainer(language_model, vocabulary_size=5)
    with pytest.raises(TypeError, match="dict of `unit_ids` and `character_ids`"):
        pretrainer(as_input(np.ones((2, 3, 11), "int32")))
    with pytest.raises(ValueError, match=r"keys: \['unit_ids'\]"):
        pretrainer({"unit_ids": keras.ops.ones((2, 3), "int32")})


@pytest.mark.parametrize("name, wrong", [("unit_ids", 5), ("character_ids", 262)])
@pytest.mark.parametrize("sign", [1, -1])
def test_ids_of_other_words_and_characters_are_refused(
    language_model, name, wrong, sign
):
    pretrainer = LanguageModelPretrainer(language_model, vocabulary_size=5)
    pretrainer.compile("sgd")
    inputs = {
        "unit_ids": np.full((2, 3), 4, "int32"),
        "character_ids": np.full((2, 3, 11), 261, "int32"),
    }
    assert np.isfinite(pretrainer(inputs)["forward"]).all()
    inputs[name] = sign * np.full_like(inputs[name], wrong)
    for call in (pretrainer, pretrainer.fit, pretrainer.evaluate):
        message = rf"`{name}` must lie in \[0, {wrong}\).* from {sign * wrong} to"
        with pytest.raises(ValueError, match=message):
            call(inputs)
    if name == "character_ids":
        with pytest.raises(ValueError, match="Make them by .*data.character_ids"):
            language_model(inputs[name])


@pytest.mark.parametrize(
    "states, error",
    [
        ([1, 2], TypeError),
        ({"forward": [None, None], "backward": [None, None]}, ValueError),
        ({"forward": 3}, ValueError),
    ],
)
def test_states_of_another_kind_are_named(language_model, states, error):
    with pytest.raises(error, match="`initial_states` must be .*`return_states=True`"):
        language_model(np.ones((2, 3, 11), "int32"), initial_states=states)
