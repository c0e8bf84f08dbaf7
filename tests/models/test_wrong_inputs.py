"""Inputs of another kind than models take are named."""

import keras
import numpy as np
import pytest

from glomo_keras.models import BidirectionalLanguageModel
from glomo_keras.models import GraphPredictor
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


def test_missing_inputs_and_lists_of_numbers_are_named(predictor):
    with pytest.raises(ValueError, match=r"`padding_mask`. .*keys: \['unit_ids'\]"):
        predictor.project({"unit_ids": IDS})
    with pytest.raises(TypeError, match="must be a dict of .* of type ndarray"):
        predictor.project(IDS)
    with pytest.raises(TypeError, match="`unit_ids` must be a tensor.* type list"):
        predictor.project({"unit_ids": [[2, 3]], "padding_mask": [[True, True]]})
    images = ImageGraphPredictor(4, 1, 1, num_convolutions=1)
    with pytest.raises(TypeError, match="`images` must be a tensor.* type list"):
        images([np.zeros((2, 3, 3), "uint8")])


@pytest.mark.parametrize("as_input", [keras.ops.convert_to_tensor, list])
def test_a_language_model_is_pretrained_on_tensors_by_name(language_model, as_input):
    pretrainer = LanguageModelPretrainer(language_model, vocabulary_size=5)
    with pytest.raises(TypeError, match="dict of `unit_ids` and `character_ids`"):
        pretrainer(as_input(np.ones((2, 3, 11), "int32")))
    with pytest.raises(ValueError, match=r"keys: \['unit_ids'\]"):
        pretrainer({"unit_ids": keras.ops.ones((2, 3), "int32")})


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
