"""Graphs of both directions in one array, and messages along their mixtures."""

import gradients
import keras
import numpy as np
import pytest
import reference
from keras import ops

from glomo_keras.ops import pack_graphs
from glomo_keras.ops import propagate_mixture
from glomo_keras.ops import propagate_packed


def graphs_for(random, precision, layers=3):
    return {
        direction: precision.cast(
            reference.affinity_graph(
                random.normal(size=(2, layers, 5, 7, 7)),
                reference.visible_pairs(7, direction),
            )
        )
        for direction in ("forward", "backward")
    }


def weights_for(random, precision, num_terms, per_batch=2, per_unit=7):
    return [
        precision.cast(
            reference.mixture_weights(
                random.normal(size=(per_batch, per_unit, 3, num_terms, 5))
            )
        )
        for _ in range(2)
    ]


def test_directions_and_products_by_pencil(precision):
    # Forward: unit 2 reads both before it, through G^2 after G^1 only unit 0.
    first = [[0.0, 0, 0], [1, 0, 0], [0.1, 0.9, 0]]
    second = [[0.0, 0, 0], [1, 0, 0], [0.8, 0.2, 0]]
    forward = precision.cast([first, second])[None, :, None]
    # Backward: unit 0 reads unit 2 through unit 1.
    after = [[0.0, 0.75, 0.25], [0, 0, 1], [0, 0, 0]]
    backward = precision.cast([after, after])[None, :, None]
    packed = pack_graphs({"forward": forward, "backward": backward})
    assert tuple(packed.shape) == (1, 3, 3, 1, 3)  # receivers, terms, heads, senders
    expected = [
        [[0, 0.75, 0.25], [1, 0, 1], [0.1, 0.9, 0]],
        [[0, 0.75, 0.25], [1, 0, 1], [0.8, 0.2, 0]],
        [[0, 0, 0.75], [0, 0, 0], [0.2, 0, 0]],
    ]
    by_term = ops.transpose(packed[0, :, :, 0], (1, 0, 2))
    precision.assert_close(by_term, np.array(expected))
    # G^1 for what is before, the product for what is after; features 1, 10, 100.
    features = precision.cast([[[1.0], [10.0], [100.0]]])
    weights = precision.cast([[1.0, 0, 0], [0, 0, 1]]).reshape(1, 1, 2, 3, 1)
    messages = propagate_packed(features, packed, weights)
    precision.assert_close(messages, np.array([[[0, 75], [1, 0], [9.1, 0]]]))


@pytest.mark.parametrize("composed", [True, False])
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize(("per_batch", "per_unit"), [(2, 7), (1, 1), (2, 1), (1, 7)])
def test_messages_are_those_of_either_direction(
    precision, random, composed, layers, per_batch, per_unit
):
    graphs = graphs_for(random, precision, layers)
    num_terms = 2 * layers - 1 if composed else layers
    weights = weights_for(random, precision, num_terms, per_batch, per_unit)
    features = precision.cast(random.normal(size=(2, 7, 11)))
    packed = pack_graphs(graphs, composed)
    messages = propagate_packed(features, packed, np.concatenate(weights, axis=2))
    expected = [
        ops.convert_to_numpy(
            propagate_mixture(features, graphs[direction], share, composed)
        )
        for direction, share in zip(("forward", "backward"), weights, strict=True)
    ]
    precision.assert_close(messages, np.concatenate(expected, axis=-1))


def test_gradients_are_those_of_either_direction(float64, random):
    graphs = graphs_for(random, float64)
    packed = pack_graphs(graphs)
    features = float64.cast(random.normal(size=(2, 7, 11)))
    forward, backward = weights_for(random, float64, num_terms=5)
    target = random.normal(size=(2, 7, 66))

    def of_packed(features, forward, backward):
        weights = ops.concatenate([forward, backward], axis=2)
        return ops.sum(propagate_packed(features, packed, weights) * target)

    def of_each(features, forward, backward):
        messages = [
            propagate_mixture(features, graphs["forward"], forward),
            propagate_mixture(features, graphs["backward"], backward),
        ]
        return ops.sum(ops.concatenate(messages, axis=-1) * target)

    for computed, expected in zip(
        gradients.by_arrays(of_packed, features, forward, backward),
        gradients.by_arrays(of_each, features, forward, backward),
        strict=True,
    ):
        np.testing.assert_allclose(computed, expected, rtol=1e-9, atol=1e-9)
        assert np.abs(expected).max() > 0


def test_weights_that_all_share_go_into_a_functional_model():
    features, packed = keras.Input((7, 11)), keras.Input((7, 5, 3, 7))
    weights = ops.ones((1, 1, 2, 5, 3)) / 15
    model = keras.Model([features, packed], propagate_packed(features, packed, weights))
    for size in (3, 0):
        batch = np.ones((size, 7, 11)), np.ones((size, 7, 5, 3, 7))
        assert tuple(model(list(batch)).shape) == (size, 7, 22)


def test_graphs_of_one_direction_are_refused(random, float64):
    graphs = graphs_for(random, float64)
    del graphs["backward"]
    with pytest.raises(ValueError, match=r"both directions.*Received: \['forward'\]"):
        pack_graphs(graphs)


def test_graphs_of_another_rank_are_named(random, float64):
    graphs = {name: graph[:, 0] for name, graph in graphs_for(random, float64).items()}
    with pytest.raises(ValueError, match="`graphs` must have .*rank 4"):
        pack_graphs(graphs, composed=False)
