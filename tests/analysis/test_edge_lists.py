"""Graphs as coordinates of edges, and back; as BertViz takes them."""

import keras
import numpy as np
import pytest

from glomo_keras.analysis import Edges
from glomo_keras.analysis import from_coo
from glomo_keras.analysis import to_bertviz
from glomo_keras.analysis import to_coo
from glomo_keras.ops import graphs_from_attention

GRAPH = np.array([[0, 0, 0], [1, 0, 0], [0.25, 0.75, 0]], "float32")


def test_edges_by_pencil():
    edges = to_coo(keras.ops.convert_to_tensor(GRAPH))
    assert [array.tolist() for array in edges] == [
        [1, 2, 2],
        [0, 0, 1],
        [1.0, 0.25, 0.75],
    ]
    assert edges.receivers.dtype == edges.senders.dtype == np.int32
    assert edges.weights.dtype == np.float32
    assert to_coo(GRAPH, threshold=0.5).senders.tolist() == [0, 1]


def test_there_and_back(random):
    graph = np.where(random.random((7, 7)) < 0.3, random.random((7, 7)), 0)
    np.testing.assert_array_equal(from_coo(to_coo(graph), 7), graph)
    np.testing.assert_array_equal(from_coo(to_coo(np.zeros((3, 3))), 3), 0)


def test_edges_that_are_there_twice_are_added():
    graph = from_coo(Edges([1, 1, 0], [0, 0, 1], [0.25, 0.5, 1]), 2)
    np.testing.assert_array_equal(graph, [[0, 1], [0.75, 0]])


@pytest.mark.parametrize(
    ("edges", "message"),
    [
        (([0], [1], [1.0, 2.0]), "three arrays"),
        (([0], [3], [1.0]), "units from 0 to 2"),
        (([-1], [1], [1.0]), "units from 0 to 2"),
        (([0.5], [1.0], [1.0]), "must have integers"),
        (([0], [1], [np.nan]), "finite weights"),
        (([0], [1], [-1.0]), "finite weights"),
    ],
)
def test_edges_of_no_graph_are_refused(edges, message):
    with pytest.raises(ValueError, match=message):
        from_coo(edges, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((np.ones((2, 3)),), "length, length"), ((GRAPH, -1.0), "not be negative")],
)
def test_no_graphs_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        to_coo(*arguments)


def test_bertviz_and_back(random):
    attention = random.random((2, 3, 4, 4))
    graphs = graphs_from_attention(attention[None])
    forward = keras.ops.convert_to_numpy(graphs["forward"])[0]
    layers, tokens = to_bertviz(forward, ["a", "b", "c", "d"])
    assert tokens == ["a", "b", "c", "d"] and len(layers) == 2
    assert all(layer.shape == (1, 3, 4, 4) for layer in layers)
    again = graphs_from_attention(layers)["forward"][0]
    np.testing.assert_allclose(again, forward, atol=1e-6)


def test_padding_is_no_token():
    graphs = np.zeros((1, 1, 3, 3))
    graphs[..., 1, 0] = 1
    layers, tokens = to_bertviz(graphs, [b"the", b"cat", b""])
    assert tokens == ["the", "cat"] and layers[0].shape == (1, 1, 2, 2)
