"""One step of features along a graph."""

import keras
import numpy as np
import pytest
import reference
import registry
from keras import ops
from weights import cell_of
from weights import dense_of

from glomo_keras.layers import GraphPropagation

MASK = np.arange(7)[None] < np.array([[7], [4]])
GRAPH = [[0.0, 0, 0], [1, 0, 0], [0.1, 0.9, 0]]

KINDS = [
    {"update": "gru"},
    {"update": "gru", "message": "product_concat"},
    {"update": "gru", "use_bias": False},
    {"update": "residual"},
    {"update": "residual", "use_bias": False},
]
each_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: "-".join(kind))


def layer_for(random, dtype="float32", **arguments):
    layer = GraphPropagation(**arguments, dtype=dtype)
    layer.build((None, None, 15), (None, 3, None, None))
    registry.randomize(layer, random)
    return layer


def inputs_for(random, dtype="float32", direction="forward"):
    features = random.normal(size=(2, 7, 15)).astype(dtype)
    graph = registry.graph_array(random, direction, 2, (3,), 7)
    return features, graph.astype(dtype)


def expected_of(layer, features, graph, mask=None):
    features, graph = features.astype(float), graph.astype(float)
    if mask is not None:
        features = np.where(mask[..., None], features, 0.0)
    if layer.update == "gru":
        cell = cell_of(layer.cell)
        return reference.gru_propagation(features, graph, cell, layer.message, mask)
    kernel, bias = dense_of(layer.projection)
    if mask is not None:  # W f + b of a padded unit is sent to nobody
        graph = np.where(mask[:, None, None, :], graph, 0.0)
    return reference.residual_propagation(features, graph, kernel, bias, mask)


def test_residual_by_pencil():
    # W is the identity: messages [[0, 0], [1, 0], [0.1, 0.9]] are added.
    layer = GraphPropagation(update="residual")
    features = np.array([[[1.0, 0], [0, 1], [1, 1]]], "float32")
    graph = np.array(GRAPH, "float32")[None, None]
    layer.build(features.shape, graph.shape)
    layer.set_weights([np.eye(2), np.zeros(2)])
    updated = ops.convert_to_numpy(layer(features, graph))
    np.testing.assert_allclose(updated[0], [[1, 0], [1, 1], [1.1, 1.9]], rtol=1e-6)


def test_gru_by_pencil():
    # Update gate 1/2 (no weights), candidate tanh(message): f' = (f + tanh c) / 2.
    layer = GraphPropagation(update="gru")
    features = np.array([[[1.0, 0], [0, 1], [1, 1]]], "float32")
    graph = np.array(GRAPH, "float32")[None, None]
    layer.build(features.shape, graph.shape)
    kernel = np.zeros((2, 6))
    kernel[:, 4:] = np.eye(2)
    layer.set_weights([kernel, np.zeros((2, 6)), np.zeros((2, 6))])
    updated = ops.convert_to_numpy(layer(features, graph))
    messages = np.array([[0, 0], [1, 0], [0.1, 0.9]])
    np.testing.assert_allclose(
        updated[0], (features[0] + np.tanh(messages)) / 2, rtol=1e-6
    )


@each_kind
@pytest.mark.parametrize("mask", [None, MASK], ids=["plain", "masked"])
def test_equals_reference(precision, random, kind, mask):
    layer = layer_for(random, precision.dtype, **kind)
    features, graph = inputs_for(random, precision.dtype)
    updated = layer(features, graph, features_mask=mask)
    precision.assert_close(updated, expected_of(layer, features, graph, mask))


@each_kind
def test_biases_are_there_when_asked_for(random, kind):
    layer = layer_for(random, **kind)
    biases = [w for w in layer.weights if w.path.endswith("bias")]
    assert len(biases) == (0 if kind.get("use_bias") is False else 1)


@each_kind
@pytest.mark.parametrize("direction", ["forward", "backward"])
@pytest.mark.parametrize("training", [False, True])
def test_no_leak(random, kind, direction, training):
    layer = layer_for(random, **kind)
    features, graph = inputs_for(random, direction=direction)
    # Some head of every row but the first reads its neighbour.
    order = list(range(7) if direction == "forward" else range(6, -1, -1))
    for place in range(1, 7):
        graph[:, 0, order[place], order[place - 1]] = 0.5
    before = ops.convert_to_numpy(layer(features, graph))
    for place, unit in enumerate(order):
        changed = features.copy()
        changed[:, unit] += 1.0
        after = ops.convert_to_numpy(layer(changed, graph, training=training))
        moved = (after != before).any((0, 2))
        assert not moved[order[:place]].any()
        assert moved[order[place : place + 2]].all()


@each_kind
def test_an_empty_row_gets_no_message(random, kind):
    layer = layer_for(random, **kind)
    features, graph = inputs_for(random)
    zeros = np.zeros_like(graph)
    expected = expected_of(layer, features, zeros)
    updated = ops.convert_to_numpy(layer(features, graph))
    np.testing.assert_allclose(updated[:, 0], expected[:, 0], rtol=1e-5, atol=1e-5)
    assert np.abs(updated[:, 6] - expected[:, 6]).max() > 0.01


@each_kind
def test_padded_senders_send_nothing(random, kind):
    # Even along a graph that says so.
    layer = layer_for(random, **kind)
    features, graph = inputs_for(random)
    full = np.full_like(graph, 0.2)
    cut = np.where(MASK[:, None, None, :], full, 0)
    one = layer(features, full, features_mask=MASK)
    other = layer(features, cut.astype("float32"), features_mask=MASK)
    np.testing.assert_allclose(
        ops.convert_to_numpy(one), ops.convert_to_numpy(other), rtol=1e-5, atol=1e-6
    )


def test_masks_travel_through_functional_models(random):
    unit_ids = np.array([[2, 3, 5, 7, 11], [2, 3, 0, 0, 0]], "int32")
    inputs = keras.Input((None,), dtype="int32")
    graph = keras.Input((3, None, None))
    embedded = keras.layers.Embedding(13, 15, mask_zero=True)(inputs)
    updated = GraphPropagation()(embedded, graph)
    assert updated._keras_mask is not None
    model = keras.Model([inputs, graph], updated)
    values = registry.graph_array(random, "backward", 2, (3,), 5)
    outputs = model.predict([unit_ids, values], verbose=0)
    assert (outputs[1, 2:] == 0).all()
    assert (outputs[unit_ids > 0] != 0).all()


def test_residual_refuses_what_it_would_ignore():
    with pytest.raises(ValueError, match='`message` must be "plain" when'):
        GraphPropagation(update="residual", message="product_concat")
