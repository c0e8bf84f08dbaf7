"""Graphs of both directions in one array, in place of a dict of graphs."""

import keras
import numpy as np
import pytest
import registry
from keras import ops

from glomo_keras.layers import GraphTransfer
from glomo_keras.layers import PackedGraphTransfer
from glomo_keras.ops import pack_graphs

MASK = np.arange(7)[None] < np.array([[7], [4]])


def graphs_for(random, precision):
    return {
        direction: precision.cast(registry.graph_array(random, direction, 2, (3, 5), 7))
        for direction in ("forward", "backward")
    }


@pytest.mark.parametrize("composed", [True, False])
@pytest.mark.parametrize("conditional", [True, False])
@pytest.mark.parametrize("residual", [True, False])
@pytest.mark.parametrize("message_dim", [None, 5])
def test_it_gives_what_graph_transfer_gives(
    precision, random, composed, conditional, residual, message_dim
):
    features = precision.cast(random.normal(size=(2, 7, 11)))
    graphs = graphs_for(random, precision)
    arguments = {"num_mixtures": 2, "conditional": conditional}
    arguments["message_dim"] = message_dim
    arguments |= {"residual": True} if residual else {"units": 3}
    transfer = GraphTransfer(composed=composed, dtype=precision.dtype, **arguments)
    transfer(features, graphs)
    registry.randomize(transfer, random)
    expected = transfer(features, graphs, features_mask=MASK)
    layer = PackedGraphTransfer(dtype=precision.dtype, **arguments)
    packed = pack_graphs(graphs, composed)
    layer(features, packed)
    layer.set_weights(transfer.get_weights())
    outputs = layer(features, packed, features_mask=MASK)
    precision.assert_close(outputs, ops.convert_to_numpy(expected))


def test_weights_are_drawn_as_those_of_graph_transfer(random, float64):
    features = random.normal(size=(2, 7, 11))
    graphs = graphs_for(random, float64)
    drawn = []
    for layer_class, inputs in (
        (GraphTransfer, graphs),
        (PackedGraphTransfer, pack_graphs(graphs)),
    ):
        keras.utils.set_random_seed(3)
        layer = layer_class(num_mixtures=2, message_dim=5, dtype="float64")
        layer(features, inputs)
        drawn.append(layer.get_weights())
    for computed, expected in zip(*drawn, strict=True):
        np.testing.assert_array_equal(computed, expected)


def test_graphs_of_another_predictor_are_refused():
    layer = PackedGraphTransfer()
    layer(ops.ones((2, 7, 11)), ops.ones((2, 7, 5, 3, 7)))
    with pytest.raises(ValueError, match="`weights` must have shape .*4, 3.*5, 3"):
        layer(ops.ones((2, 7, 11)), ops.ones((2, 7, 4, 3, 7)))


def test_graphs_of_float16_are_a_float16_input(random, float64):
    graphs = ops.convert_to_numpy(pack_graphs(graphs_for(random, float64)))
    inputs = keras.Input((None, 11)), keras.Input((None, 5, 5, None), dtype="float16")
    outputs = PackedGraphTransfer(num_mixtures=2)(*inputs)
    assert outputs.shape == (None, None, 22) and outputs.dtype == "float32"
    features = random.normal(size=(2, 7, 11)).astype("float32")
    fused = keras.Model(inputs, outputs)([features, graphs.astype("float16")])
    assert np.isfinite(ops.convert_to_numpy(fused)).all()
