"""1.5-entmax against a slow one, and its gradient against differences."""

import gradients
import keras
import numpy as np
import pytest
import reference
from keras import ops

from glomo_keras.ops import entmax_affinity
from glomo_keras.ops import visible_pairs


def graph_of(scores, visible=True):
    return ops.convert_to_numpy(entmax_affinity(scores, visible))


def test_by_pencil():
    # Halves of 0.4 and 0 have roots b + 0.2 and b - 0.2, whose squares sum to one:
    # b = sqrt(0.5 - 0.04) = 0.678, squares 0.771 and 0.229.
    graph = graph_of(np.array([[0.8, 0.0, 3.0]]), np.array([[True, True, False]]))
    np.testing.assert_allclose(graph, [[0.771, 0.229, 0]], atol=1e-3)


@pytest.mark.parametrize("length", [1, 2, 5, 64, 128, 2_048, 3_000])
@pytest.mark.parametrize("scale", [1e-3, 0.1, 0.3, 1.0, 3.0, 100.0])
def test_equals_reference(precision, random, length, scale):
    scores = (scale * random.normal(size=(5, length))).astype(precision.dtype)
    visible = random.random(size=scores.shape) < 0.7
    visible[0] = False
    expected = [
        reference.entmax(row, seen)
        for row, seen in zip(scores.astype(float), visible, strict=True)
    ]
    precision.assert_close(graph_of(scores, visible), np.stack(expected))


@pytest.mark.parametrize("power", [1, 2, 5, 30])
def test_rows_crowded_at_the_bottom_or_the_top_converge(precision, random, power):
    for shares in (random.random((3, 4_000)), 1 - random.random((3, 4_000))):
        scores = (-2 * shares ** (1 / power)).astype(precision.dtype)
        expected = [reference.entmax(row) for row in scores.astype(float)]
        precision.assert_close(graph_of(scores), np.stack(expected))


@pytest.mark.parametrize("length", [128, 2_048, 65_536])
def test_there_are_steps_enough_for_rows_of_any_kind(float64, random, length):
    kinds = [
        draw(size=(2, length)) * scale
        for scale in np.logspace(-3, 1.5, 19)
        for draw in (random.normal, random.uniform, random.exponential)
    ]
    kinds += [-kind for kind in kinds]
    for distance in np.linspace(0, 2, 41):  # one sender above all others
        kinds.append(np.full((1, length), -distance))
        kinds[-1][0, 0] = 0
    kinds = np.concatenate(kinds)
    # Rows that repeat: one sender of a group does not stand for the others.
    kinds = np.concatenate([kinds, np.tile(kinds[:, : length // 4], 4)])
    sums = graph_of(kinds.astype(float64.dtype)).sum(-1)
    np.testing.assert_allclose(sums, 1.0, rtol=0, atol=1e-12)


def test_special_rows(precision):
    scores = np.array(
        [[0.5, 0.5, 0.5, 0.5], [9, 9, 1, 1], [1, 2, 2, 8], [-7, 3, 5, 2], [1, 2, 3, 4]],
        precision.dtype,
    )
    visible = np.ones(scores.shape, bool)
    visible[3, 1:] = False
    visible[4] = False
    expected = [[0.25] * 4, [0.5, 0.5, 0, 0], [0, 0, 0, 1], [1, 0, 0, 0], [0] * 4]
    graph = graph_of(scores, visible)
    precision.assert_close(graph, np.array(expected))
    np.testing.assert_array_equal(graph[2:], np.array(expected[2:], precision.dtype))


@pytest.mark.parametrize("scale", [1e-30, 1e6, 1e30, 3e38])
def test_scores_of_any_scale_and_their_gradients_are_finite(random, scale):
    scores = random.uniform(-1, 1, size=(7, 7)).astype("float32") * np.float32(scale)
    visible = visible_pairs(7)
    sums = graph_of(scores, visible).sum(-1)
    np.testing.assert_allclose(sums, [0] + [1] * 6, atol=1e-6)

    def total(scores):
        return ops.sum(ops.square(entmax_affinity(scores, visible)))

    (gradient,) = gradients.by_arrays(total, scores)
    assert np.isfinite(gradient).all()


def test_gradient_is_the_slope(float64, random):
    scores = random.normal(size=(2, 7, 7))
    visible = visible_pairs(7)
    upstream = random.normal(size=scores.shape)

    def total(scores):
        return ops.sum(entmax_affinity(scores, visible) * upstream)

    (gradient,) = gradients.by_arrays(total, scores)
    expected = np.zeros_like(scores)
    for place in np.ndindex(scores.shape):
        step = np.zeros_like(scores)
        step[place] = 1e-5
        rise = graph_of(scores + step, visible) - graph_of(scores - step, visible)
        expected[place] = np.sum(rise * upstream) / 2e-5
    np.testing.assert_allclose(gradient, expected, atol=1e-7)
    assert np.abs(expected).max() > 0.1
    assert not gradient[:, ~ops.convert_to_numpy(visible)].any()


def test_larger_scores_make_sharper_rows(random):
    scores = random.normal(size=(64, 200)).astype("float32")
    senders = [
        np.mean(1 / np.square(graph_of(scale * scores)).sum(-1))
        for scale in (0.01, 0.5, 1.0, 2.0, 100.0)
    ]
    assert senders == sorted(senders, reverse=True)
    assert senders[0] > 150 and 2 < senders[2] < 10 and senders[-1] < 1.1


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_16_bits(random, dtype):
    scores = random.normal(size=(5, 5)).astype("float32")
    found = entmax_affinity(ops.cast(scores, dtype), visible_pairs(5))
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
    np.testing.assert_allclose(found, graph_of(scores, visible_pairs(5)), atol=0.02)


def test_it_stands_in_functional_models(random):
    scores = random.normal(size=(2, 5, 5)).astype("float32")
    inputs = keras.Input((5, 5))
    model = keras.Model(inputs, entmax_affinity(inputs, np.tri(5, k=-1, dtype=bool)))
    np.testing.assert_allclose(model(scores), graph_of(scores, visible_pairs(5)))
