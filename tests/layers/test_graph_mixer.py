"""Softmax mixtures of graphs and of their products."""

import keras
import numpy as np
import pytest
import reference
import registry
from keras import ops
from weights import as_float64

from glomo_keras.layers import GraphMixer

MASK = np.arange(7)[None] < np.array([[7], [4]])
FIRST = [[0.0, 0, 0], [1, 0, 0], [0.1, 0.9, 0]]
SECOND = [[0.0, 0, 0], [1, 0, 0], [0.8, 0.2, 0]]

KINDS = [
    {"num_mixtures": mixtures, "composed": composed, "conditional": conditional}
    for mixtures in (1, 3)
    for composed in (True, False)
    for conditional in (True, False)
]
each_kind = pytest.mark.parametrize(
    "kind", KINDS, ids=lambda kind: "-".join(str(value) for value in kind.values())
)


def mixer_for(random, dtype="float32", **arguments):
    mixer = GraphMixer(**arguments, dtype=dtype)
    mixer.build((None, None, 11), (None, 3, 5, None, None))
    registry.randomize(mixer, random)
    return mixer


def inputs_for(random, dtype="float32"):
    features = random.normal(size=(2, 7, 11)).astype(dtype)
    graphs = registry.graph_array(random, "backward", 2, (3, 5), 7)
    return features, graphs.astype(dtype)


def expected_weights(mixer, features):
    terms = 5 if mixer.composed else 3
    logits = mixer.logit_scale * as_float64(mixer.bias)[None, None]
    if mixer.conditional:
        logits = features.astype(float) @ as_float64(mixer.kernel) + logits
    shape = (*logits.shape[:2], mixer.num_mixtures, terms, 5)
    return reference.mixture_weights(logits.reshape(shape))


def test_equal_weights_at_first_by_pencil():
    # Three terms: G^1, G^2 and Lambda^2, which has 0.2 at [2, 0] alone.
    graphs = np.array([FIRST, SECOND], "float32")[None, :, None]
    features = np.ones((1, 3, 2), "float32")
    mixed = ops.convert_to_numpy(GraphMixer()(features, graphs))
    expected = [[0, 0, 0], [2 / 3, 0, 0], [1.1 / 3, 1.1 / 3, 0]]
    np.testing.assert_allclose(mixed[0, 0], expected, rtol=1e-6)


def test_order_of_the_terms_by_pencil():
    # Softmax of 3 (0, 0, log(2) / 3): 1/4, 1/4, 1/2 of G^1, G^2, Lambda^2.
    graphs = np.array([FIRST, SECOND], "float32")[None, :, None]
    features = np.ones((1, 3, 2), "float32")
    mixer = GraphMixer(conditional=False, logit_scale=3.0)
    mixer.build(features.shape, graphs.shape)
    mixer.set_weights([np.log([1.0, 1, 2]) / 3])
    mixed = ops.convert_to_numpy(mixer(features, graphs))
    expected = [[0, 0, 0], [0.5, 0, 0], [0.325, 0.275, 0]]
    np.testing.assert_allclose(mixed[0, 0], expected, rtol=1e-6)


@each_kind
def test_equals_reference(precision, random, kind):
    mixer = mixer_for(random, precision.dtype, **kind)
    features, graphs = inputs_for(random, precision.dtype)
    weights = expected_weights(mixer, features)
    expected = reference.mix_graphs(graphs.astype(float), weights, kind["composed"])
    precision.assert_close(mixer(features, graphs), expected)


@each_kind
def test_weights_sum_to_one(precision, random, kind):
    mixer = mixer_for(random, precision.dtype, **kind)
    features, _ = inputs_for(random, precision.dtype)
    weights = mixer.mixture_weights(features)
    precision.assert_close(weights, expected_weights(mixer, features))
    terms = 5 if kind["composed"] else 3
    leading = (2, 7) if kind["conditional"] else (1, 1)
    assert tuple(weights.shape) == (*leading, kind["num_mixtures"], terms, 5)
    sums = ops.convert_to_numpy(weights).sum((-2, -1))
    np.testing.assert_allclose(sums, 1.0, rtol=1e-6)


def test_conditional_weights_are_those_of_the_receiver(random):
    mixer = mixer_for(random)
    features, graphs = inputs_for(random)
    before = ops.convert_to_numpy(mixer(features, graphs))
    changed = features.copy()
    changed[:, 2] += 1.0
    moved = (ops.convert_to_numpy(mixer(changed, graphs)) != before).any((0, 1, 3))
    assert np.flatnonzero(moved).tolist() == [2]


def test_free_weights_do_not_depend_on_features(random):
    mixer = mixer_for(random, conditional=False)
    features, graphs = inputs_for(random)
    one = ops.convert_to_numpy(mixer(features, graphs))
    other = ops.convert_to_numpy(mixer(-features, graphs))
    np.testing.assert_array_equal(one, other)
    assert len(mixer.weights) == 1


@each_kind
def test_mixed_graphs_stay_strict_and_within_one(random, kind):
    mixer = mixer_for(random, logit_scale=1.0, **kind)
    features, graphs = inputs_for(random)
    mixed = ops.convert_to_numpy(mixer(features, graphs))
    hidden = ~reference.visible_pairs(7, "backward")
    assert (mixed[..., hidden] == 0).all() and (mixed >= 0).all()
    assert (mixed.sum(-1) < 1 + 1e-6).all()
    assert (mixed[..., 0, :].sum(-1) > 0.5).all()


def test_rows_of_padded_receivers_are_zeros(random):
    mixer = mixer_for(random)
    features, graphs = inputs_for(random)
    mixed = mixer(features, graphs, features_mask=MASK)
    plain = ops.convert_to_numpy(mixer(features, graphs))
    mixed = ops.convert_to_numpy(mixed)
    assert (mixed[1, :, 4:] == 0).all() and (plain[1, :, 4] != 0).any()
    np.testing.assert_array_equal(mixed[1, :, :4], plain[1, :, :4])


def test_masks_travel_through_functional_models(random):
    unit_ids = np.array([[2, 3, 5, 7, 11], [2, 3, 5, 0, 0]], "int32")
    inputs = keras.Input((None,), dtype="int32")
    graphs = keras.Input((3, 5, None, None))
    embedded = keras.layers.Embedding(13, 11, mask_zero=True)(inputs)
    mixed = GraphMixer()(embedded, graphs)
    assert getattr(mixed, "_keras_mask", None) is None
    model = keras.Model([inputs, graphs], mixed)
    values = registry.graph_array(random, "forward", 2, (3, 5), 5)
    outputs = model.predict([unit_ids, values], verbose=0)
    assert (outputs[1, :, 3:] == 0).all()
    assert (outputs[0, :, 1:].sum(-1) > 0).all()


def test_one_layer_has_nothing_to_compose(random):
    mixer = GraphMixer()
    features = random.normal(size=(2, 7, 11)).astype("float32")
    graphs = registry.graph_array(random, "forward", 2, (1, 5), 7)
    mixed = ops.convert_to_numpy(mixer(features, graphs))
    np.testing.assert_allclose(mixed[:, 0], graphs[:, 0].mean(1), rtol=1e-5, atol=1e-6)
