"""The attention maps of Keras models, and of a backbone of KerasHub."""

import keras
import numpy as np
import pytest

from glomo_keras.layers import GraphTransfer
from glomo_keras.models import attention_maps
from glomo_keras.ops import graphs_from_attention

LENGTH, DIM = 5, 6


def transformer(num_heads=(2, 2), causal=False):
    inputs = hidden = keras.Input((LENGTH, DIM))
    for heads in num_heads:
        attend = keras.layers.MultiHeadAttention(heads, key_dim=3)
        hidden = attend(query=hidden, value=hidden, use_causal_mask=causal)
    return keras.Model(inputs, hidden)


@pytest.fixture
def inputs(random):
    return random.random((3, LENGTH, DIM)).astype("float32")


def test_maps_are_the_scores_of_every_layer(inputs):
    model = transformer()
    maps = keras.ops.convert_to_numpy(attention_maps(model, inputs))
    assert maps.shape == (3, 2, 2, LENGTH, LENGTH)
    first, second = model.layers[1:]
    hidden, scores = first(inputs, inputs, return_attention_scores=True)
    np.testing.assert_allclose(maps[:, 0], scores, atol=1e-6)
    _, scores = second(hidden, hidden, return_attention_scores=True)
    np.testing.assert_allclose(maps[:, 1], scores, atol=1e-6)


def test_a_model_stays_as_it_was(inputs, tmp_path):
    model = transformer()
    before = keras.ops.convert_to_numpy(model(inputs))
    attention_maps(model, inputs)
    np.testing.assert_array_equal(model(inputs), before)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded(inputs), before, atol=1e-6)


def test_a_model_that_fails_stays_as_it_was(inputs):
    model = transformer()
    with pytest.raises(ValueError):
        attention_maps(model, inputs[:, :, :-1])
    assert not any("call" in vars(layer) for layer in model.layers)


def test_grouped_queries_and_causal_masks(inputs):
    hidden = layer_input = keras.Input((LENGTH, DIM))
    attend = keras.layers.GroupQueryAttention(
        3, num_query_heads=4, num_key_value_heads=2
    )
    model = keras.Model(layer_input, attend(hidden, hidden, use_causal_mask=True))
    maps = keras.ops.convert_to_numpy(attention_maps(model, inputs))
    assert maps.shape == (3, 1, 4, LENGTH, LENGTH)
    assert not np.triu(maps, k=1).any()


def test_attention_to_another_sequence_is_left_out(inputs):
    one, other = keras.Input((LENGTH, DIM)), keras.Input((LENGTH, DIM))
    hidden = keras.layers.MultiHeadAttention(2, key_dim=3)(one, other)
    hidden = keras.layers.MultiHeadAttention(2, key_dim=3)(hidden, hidden)
    model = keras.Model([one, other], hidden)
    assert attention_maps(model, [inputs, inputs + 1]).shape[1] == 1


def test_layers_that_cast_their_inputs_are_seen(inputs):
    sequence = keras.Input((LENGTH, DIM))
    attend = keras.layers.MultiHeadAttention(2, key_dim=3, dtype="mixed_bfloat16")
    model = keras.Model(sequence, attend(sequence, sequence))
    assert attention_maps(model, inputs).shape[:3] == (3, 1, 2)


def test_a_model_that_is_not_built_yet(inputs):
    class Attends(keras.Model):
        def build(self, input_shape):
            self.attend = keras.layers.MultiHeadAttention(2, key_dim=3)
            self.attend.build(input_shape, input_shape)

        def call(self, sequence):
            return self.attend(sequence, sequence)

    assert attention_maps(Attends(), inputs).shape[:3] == (3, 1, 2)


def test_dropout_of_training_is_off(inputs):
    sequence = keras.Input((LENGTH, DIM))
    attend = keras.layers.MultiHeadAttention(2, key_dim=3, dropout=0.5)
    model = keras.Model(sequence, attend(sequence, sequence))
    maps = keras.ops.convert_to_numpy(attention_maps(model, inputs))
    np.testing.assert_allclose(maps.sum(-1), 1, atol=1e-6)


def test_models_without_attention_are_refused(inputs):
    model = keras.Sequential([keras.Input((LENGTH, DIM)), keras.layers.Dense(2)])
    with pytest.raises(ValueError, match="must have self-attention"):
        attention_maps(model, inputs)


def test_different_numbers_of_heads_are_refused(inputs):
    with pytest.raises(ValueError, match=r"\[2, 3\] heads"):
        attention_maps(transformer((2, 3)), inputs)


def test_from_a_backbone_of_kerashub_to_a_transfer():
    keras_hub = pytest.importorskip("keras_hub", reason="KerasHub is not installed")
    backbone = keras_hub.models.BertBackbone(
        vocabulary_size=23,
        num_layers=2,
        num_heads=3,
        hidden_dim=12,
        intermediate_dim=11,
        max_sequence_length=LENGTH,
    )
    token_ids = np.array([[1, 2, 3, 4, 5], [1, 2, 5, 0, 0]])
    inputs = {
        "token_ids": token_ids,
        "segment_ids": np.zeros_like(token_ids),
        "padding_mask": token_ids != 0,
    }
    maps = attention_maps(backbone, inputs)
    assert tuple(maps.shape) == (2, 2, 3, LENGTH, LENGTH)
    words = [[None, 0, 0, 1, None], [None, 0, None, None, None]]
    graphs = graphs_from_attention(maps, words, num_words=3)
    features = np.ones((2, 3, 7), "float32")
    assert tuple(GraphTransfer()(features, graphs).shape) == (2, 3, 14)
