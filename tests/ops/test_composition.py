"""Products of graphs, and messages along one graph."""

import gradients
import numpy as np
import pytest
import reference
from keras import ops

from glomo_keras.ops import compose_graphs
from glomo_keras.ops import propagate

FIRST = [[0.0, 0, 0], [1, 0, 0], [0.1, 0.9, 0]]
SECOND = [[0.0, 0, 0], [1, 0, 0], [0.8, 0.2, 0]]


def stack(*graphs):
    return np.stack([np.array(graph) for graph in graphs])[None, :, None]


def random_graphs(random, batch=2, layers=3, heads=5, length=7):
    scores = random.normal(size=(batch, layers, heads, length, length))
    visible = reference.visible_pairs(length, "forward")
    return reference.affinity_graph(scores, visible)


def test_composed_with_itself_by_pencil(precision):
    composed = compose_graphs(precision.cast(stack(FIRST, FIRST)))
    assert tuple(composed.shape) == (1, 2, 1, 3, 3)
    precision.assert_close(composed[0, 0, 0], FIRST)
    # 0.9 of unit 1, which read unit 0.
    precision.assert_close(composed[0, 1, 0], [[0, 0, 0], [0, 0, 0], [0.9, 0, 0]])


def test_second_layer_stands_on_the_left(precision):
    composed = compose_graphs(precision.cast(stack(FIRST, SECOND)))[0, 1, 0]
    precision.assert_close(composed, [[0, 0, 0], [0, 0, 0], [0.2, 0, 0]])
    # The other order of the same product would say 0.9.
    swapped = compose_graphs(precision.cast(stack(SECOND, FIRST)))[0, 1, 0]
    precision.assert_close(swapped, [[0, 0, 0], [0, 0, 0], [0.9, 0, 0]])


def test_compose_equals_reference(precision, random):
    graphs = precision.cast(random_graphs(random))
    precision.assert_close(compose_graphs(graphs), reference.compose_graphs(graphs))


def test_one_layer_is_its_own_composition(precision, random):
    graphs = precision.cast(random_graphs(random, layers=1))
    precision.assert_close(compose_graphs(graphs), graphs)


def test_composition_keeps_to_the_past_and_never_gains_mass(random):
    composed = ops.convert_to_numpy(compose_graphs(random_graphs(random)))
    hidden = ~reference.visible_pairs(7, "forward")
    assert (composed[..., hidden] == 0).all()
    assert (composed.sum(-1) <= 1 + 1e-6).all()


def test_messages_by_pencil(precision):
    features = precision.cast([[[1, 0], [0, 1], [1, 1]]])
    graph = precision.cast(stack(FIRST)[:, 0])
    messages = propagate(features, graph)
    precision.assert_close(messages, [[[0, 0], [1, 0], [0.1, 0.9]]])


def test_each_head_moves_its_own_slice(precision):
    features = precision.cast([[[1, 2, 3, 4], [5, 6, 7, 8]]])
    first = [[0.0, 1], [0, 0]]  # unit 0 reads unit 1
    second = [[0.0, 0], [0.5, 0]]  # unit 1 reads half of unit 0
    graph = precision.cast([[first, second]])
    precision.assert_close(propagate(features, graph), [[[5, 6, 0, 0], [0, 0, 1.5, 2]]])


@pytest.mark.parametrize(("heads", "dim"), [(1, 7), (3, 15), (5, 5)])
def test_propagate_equals_reference(precision, random, heads, dim):
    features = precision.cast(random.normal(size=(2, 11, dim)))
    graph = precision.cast(random_graphs(random, 2, 1, heads, 11)[:, 0])
    expected = reference.propagate(features, graph)
    precision.assert_close(propagate(features, graph), expected)


def test_propagate_gradients_are_exact(float64, random):
    features = random.normal(size=(1, 3, 6))
    graph = random_graphs(random, 1, 1, 2, 3)[:, 0]
    weights = random.normal(size=(1, 3, 6))
    found = gradients.by_arrays(
        lambda f, g: ops.sum(propagate(f, g) * weights), features, graph
    )
    slopes = (
        gradients.by_differences(
            lambda f: (reference.propagate(f, graph) * weights).sum(), features
        ),
        gradients.by_differences(
            lambda g: (reference.propagate(features, g) * weights).sum(), graph
        ),
    )
    np.testing.assert_allclose(found[0], slopes[0], atol=1e-8)
    np.testing.assert_allclose(found[1], slopes[1], atol=1e-8)
