"""Mixed graphs, and the cheap order of the same work."""

import gradients
import numpy as np
import pytest
import reference
from keras import ops

from glomo_keras.ops import mix_graphs
from glomo_keras.ops import mixture
from glomo_keras.ops import propagate_mixture


def example(random, precision, composed, layers=3, per_batch=2, per_unit=7):
    scores = random.normal(size=(2, layers, 5, 7, 7))
    visible = reference.visible_pairs(7, "backward")
    terms = 2 * layers - 1 if composed else layers
    logits = random.normal(size=(per_batch, per_unit, 3, terms, 5))
    return (
        precision.cast(random.normal(size=(2, 7, 11))),
        precision.cast(reference.affinity_graph(scores, visible)),
        precision.cast(reference.mixture_weights(logits)),
    )


def test_terms_by_pencil(precision):
    # One head; G^1, G^2, Lambda^2 with weights 0.5, 0.25, 0.25.
    first = [[0.0, 0, 0], [1, 0, 0], [0.1, 0.9, 0]]
    second = [[0.0, 0, 0], [1, 0, 0], [0.8, 0.2, 0]]
    graphs = precision.cast([first, second])[None, :, None]
    weights = precision.cast([0.5, 0.25, 0.25]).reshape(1, 1, 1, 3, 1)
    mixed = mix_graphs(graphs, weights, composed=True)
    # Row 2: 0.5 [0.1, 0.9] + 0.25 [0.8, 0.2] + 0.25 [0.2, 0]
    expected = [[0, 0, 0], [0.75, 0, 0], [0.3, 0.5, 0]]
    precision.assert_close(mixed, [[expected]])


@pytest.mark.parametrize("composed", [True, False])
@pytest.mark.parametrize(("per_batch", "per_unit"), [(2, 7), (1, 1), (2, 1), (1, 7)])
def test_mixed_graphs_equal_reference(precision, random, composed, per_batch, per_unit):
    _, graphs, weights = example(
        random, precision, composed, per_batch=per_batch, per_unit=per_unit
    )
    mixed = mix_graphs(graphs, weights, composed)
    assert tuple(mixed.shape) == (2, 3, 7, 7)
    precision.assert_close(mixed, reference.mix_graphs(graphs, weights, composed))


@pytest.mark.parametrize("composed", [True, False])
@pytest.mark.parametrize(("per_batch", "per_unit"), [(2, 7), (1, 1)])
@pytest.mark.parametrize("layers", [1, 2, 3])
def test_cheap_order_equals_mixed_graph_times_features(
    precision, random, composed, per_batch, per_unit, layers
):
    features, graphs, weights = example(
        random, precision, composed, layers, per_batch, per_unit
    )
    messages = propagate_mixture(features, graphs, weights, composed)
    assert tuple(messages.shape) == (2, 7, 33)
    mixed = reference.mix_graphs(graphs, weights, composed)
    precision.assert_close(messages, reference.propagate_mixed(features, mixed))


@pytest.mark.parametrize(
    ("num_mixtures", "dim", "order"),
    [(2, 11, "products"), (1, 2, None), (13, 11, "mix_messages")],
)
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("composed", [True, False])
def test_all_orders_equal_mixed_graph_times_features(
    precision, random, monkeypatch, layers, composed, num_mixtures, dim, order
):
    # Five heads, 11 numbers: 55 or 165 multiplications an edge for messages first, and
    # 32 or 52 for two mixtures of graphs, 208 or 338 for 13. Of three layers, products
    # of graphs take 2 * 5 * 7, those on features 6 * 5 * 11, or 6 * 5 * 2.
    features, graphs, _ = example(random, precision, composed, layers)
    features = features[..., :dim]
    terms = 2 * layers - 1 if composed else layers
    weights = random.normal(size=(2, 7, num_mixtures, terms, 5))
    weights = precision.cast(reference.mixture_weights(weights))
    calls = []

    def watch(name):
        function = getattr(mixture, name)

        def watched(*arguments):
            calls.append(name)
            return function(*arguments)

        monkeypatch.setattr(mixture, name, watched)

    watch("mix_messages")
    watch("products")
    messages = propagate_mixture(features, graphs, weights, composed)
    multiplies = mixture.MULTIPLIES_GRAPHS and layers > 1 and composed
    if order == "products" and not multiplies:
        order = None
    assert calls == ([order] if order else [])
    mixed = reference.mix_graphs(graphs, weights, composed)
    precision.assert_close(messages, reference.propagate_mixed(features, mixed))


def test_weights_sum_to_one_but_rows_may_lose_mass(random):
    scores = random.normal(size=(2, 2, 3, 7, 7))
    visible = reference.visible_pairs(7, "forward")
    graphs = reference.affinity_graph(scores, visible)
    weights = reference.mixture_weights(random.normal(size=(2, 7, 1, 3, 3)))
    np.testing.assert_allclose(weights.sum((-2, -1)), 1.0)
    sums = ops.convert_to_numpy(mix_graphs(graphs, weights)).sum(-1)
    assert (sums <= 1 + 1e-6).all() and (sums[:, :, 0] == 0).all()
    assert (sums[:, :, 1] < 0.999).any()  # products pass through an empty first row


@pytest.mark.parametrize(("num_mixtures", "dim"), [(3, 11), (1, 2)])
def test_gradients_of_both_orders_agree(float64, random, num_mixtures, dim):
    features, graphs, weights = example(random, float64, True)
    features, weights = features[..., :dim], weights[:, :, :num_mixtures]
    target = random.normal(size=(2, 7, num_mixtures, dim))

    def cheap(features, graphs, weights):
        messages = propagate_mixture(features, graphs, weights)
        return ops.sum(ops.reshape(messages, target.shape) * target)

    def plain(features, graphs, weights):
        mixed = mix_graphs(graphs, weights)
        return ops.sum(ops.einsum("bmij,bjd->bimd", mixed, features) * target)

    for found, expected in zip(
        gradients.by_arrays(cheap, features, graphs, weights),
        gradients.by_arrays(plain, features, graphs, weights),
        strict=True,
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)
        assert np.abs(found).max() > 0
