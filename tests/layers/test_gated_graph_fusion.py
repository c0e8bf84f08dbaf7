"""Features joined with messages through a gate."""

import gradients
import keras
import numpy as np
import pytest
import reference
import registry
from keras import ops
from weights import dense_of

from glomo_keras.layers import GatedGraphFusion

MASK = np.arange(7)[None] < np.array([[7], [4]])


def fusion_for(random, dtype="float32", **arguments):
    fusion = GatedGraphFusion(**arguments, dtype=dtype)
    fusion.build((None, None, 11), (None, None, 13))
    registry.randomize(fusion, random)
    return fusion


def inputs_for(random, dtype="float32"):
    features = random.normal(size=(2, 7, 11)).astype(dtype)
    return features, random.normal(size=(2, 7, 13)).astype(dtype)


def test_by_pencil():
    # W1 [h; m] = 2 h + 3 m + 1, gate sigmoid(log 3 * m) = 3/4 where m = 1.
    fusion = GatedGraphFusion()
    fusion.build((1, 2, 1), (1, 2, 1))
    linear, gate = np.array([[2.0], [3.0]]), np.array([[0.0], [np.log(3.0)]])
    fusion.set_weights([linear, np.ones(1), gate, np.zeros(1)])
    features = np.array([[[1.0], [5.0]]], "float32")
    messages = np.array([[[1.0], [0.0]]], "float32")
    fused = ops.convert_to_numpy(fusion(features, messages))
    np.testing.assert_allclose(fused[0], [[1, 4.5], [5, 5.5]], rtol=1e-6)


def test_residual_by_pencil():
    # As above: the gated 4.5 and 5.5 are added to the features 1 and 5.
    fusion = GatedGraphFusion(residual=True)
    fusion.build((1, 2, 1), (1, 2, 1))
    linear, gate = np.array([[2.0], [3.0]]), np.array([[0.0], [np.log(3.0)]])
    fusion.set_weights([linear, np.ones(1), gate, np.zeros(1)])
    features = np.array([[[1.0], [5.0]]], "float32")
    messages = np.array([[[1.0], [0.0]]], "float32")
    fused = ops.convert_to_numpy(fusion(features, messages))
    np.testing.assert_allclose(fused[0], [[5.5], [10.5]], rtol=1e-6)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("residual", [True, False])
def test_it_starts_as_if_there_were_no_messages(random, policy, residual):
    fusion = GatedGraphFusion(residual=residual, dtype=policy)
    features, messages = (ops.cast(x, fusion.compute_dtype) for x in inputs_for(random))
    fused = ops.convert_to_numpy(ops.cast(fusion(features, messages), "float32"))
    features = ops.convert_to_numpy(ops.cast(features, "float32"))
    np.testing.assert_array_equal(fused[..., :11], features)
    assert not fused[..., 11:].any()


@pytest.mark.parametrize("residual", [True, False])
def test_the_rows_of_messages_get_gradients_at_the_start(random, residual):
    fusion = GatedGraphFusion(residual=residual)
    fusion.build((None, None, 11), (None, None, 13))

    def total(fused):
        return ops.sum(fused)

    found = gradients.by_weights(fusion, total, *inputs_for(random))
    (gradient,) = (v for path, v in found.items() if path.endswith("linear/kernel"))
    assert (gradient != 0).all()


@pytest.mark.parametrize("units", [5, 22])
def test_the_residual_form_has_the_size_of_the_features(units):
    fusion = GatedGraphFusion(units, residual=True)
    with pytest.raises(ValueError, match=f"units={units}, dim=11. Leave `units` out"):
        fusion.build((None, None, 11), (None, None, 13))
    fusion = GatedGraphFusion(11, residual=True)
    assert fusion.compute_output_shape((2, None, 11), (2, None, 13)) == (2, None, 11)


@pytest.mark.parametrize("units", [None, 3, 17])
@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("mask", [None, MASK], ids=["plain", "masked"])
def test_equals_reference(precision, random, units, use_bias, mask):
    fusion = fusion_for(random, precision.dtype, units=units, use_bias=use_bias)
    features, messages = inputs_for(random, precision.dtype)
    fused = fusion(features, messages, features_mask=mask)
    assert tuple(fused.shape) == (2, 7, 11 + (units or 11))
    expected = reference.gated_fusion(
        features.astype(float),
        messages.astype(float),
        dense_of(fusion.linear),
        dense_of(fusion.gate),
        mask,
    )
    precision.assert_close(fused, expected)
    assert len(fusion.weights) == (4 if use_bias else 2)


def test_features_pass_unchanged(random):
    fusion = fusion_for(random, dropout=0.5, seed=3)
    features, messages = inputs_for(random)
    for training in (False, True):
        fused = ops.convert_to_numpy(fusion(features, messages, training=training))
        np.testing.assert_array_equal(fused[..., :11], features)


def test_dropout_is_drawn_in_training_alone(random):
    fusion = fusion_for(random, dropout=0.5, seed=3)
    features, messages = inputs_for(random)
    still = [ops.convert_to_numpy(fusion(features, messages)) for _ in range(2)]
    drawn = ops.convert_to_numpy(fusion(features, messages, training=True))
    np.testing.assert_array_equal(*still)
    assert (drawn[..., 11:] != still[0][..., 11:]).any()


def test_units_do_not_exchange_anything(random):
    fusion = fusion_for(random)
    features, messages = inputs_for(random)
    before = ops.convert_to_numpy(fusion(features, messages))
    changed = messages.copy()
    changed[:, 3] += 1.0
    moved = (ops.convert_to_numpy(fusion(features, changed)) != before).any((0, 2))
    assert np.flatnonzero(moved).tolist() == [3]


def test_masks_travel_through_functional_models():
    unit_ids = np.array([[2, 3, 5, 7, 11], [2, 3, 5, 0, 0]], "int32")
    inputs = keras.Input((None,), dtype="int32")
    messages = keras.Input((None, 13))
    embedded = keras.layers.Embedding(13, 11, mask_zero=True)(inputs)
    fused = GatedGraphFusion(linear_initializer="ones")(embedded, messages)
    assert fused._keras_mask is not None
    model = keras.Model([inputs, messages], fused)
    outputs = model.predict([unit_ids, np.ones((2, 5, 13))], verbose=0)
    assert (outputs[1, 3:] == 0).all() and (outputs[0] != 0).all()
