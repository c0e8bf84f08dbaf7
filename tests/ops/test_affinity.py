"""Equation 1: scores to graphs."""

import gradients
import keras
import numpy as np
import pytest
import reference
from keras import ops

from glomo_keras.ops import mean_visible_score
from glomo_keras.ops import normalize_rows
from glomo_keras.ops import squared_relu
from glomo_keras.ops import squared_relu_affinity
from glomo_keras.ops import subtract_mean_score
from glomo_keras.ops import visible_pairs

SCORES = [[0.0, 0, 0], [2, -1, 0], [1, 3, -2]]
MASK = np.array([[1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0, 0]], bool)


def numpy_graph(scores, visible):
    return ops.convert_to_numpy(squared_relu_affinity(scores, visible))


def masked_visible(direction="forward"):
    return reference.visible_pairs(7, direction, MASK, MASK)[:, None]


def test_three_units_by_pencil(precision):
    # Row 1 sees one positive score. Row 2: 1 and 9 of 10.
    graph = squared_relu_affinity(precision.cast(SCORES), visible_pairs(3))
    precision.assert_close(graph, [[0, 0, 0], [1, 0, 0], [0.1, 0.9, 0]])


def test_three_units_backward_by_pencil(precision):
    # Mirrored in both axes, the same scores give the mirrored graph.
    mirrored = precision.cast(SCORES)[::-1, ::-1].copy()
    graph = squared_relu_affinity(mirrored, visible_pairs(3, "backward"))
    precision.assert_close(graph, [[0, 0.9, 0.1], [0, 0, 1], [0, 0, 0]])


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_equals_reference(precision, random, direction):
    scores = precision.cast(random.normal(size=(2, 3, 7, 7)))
    visible = masked_visible(direction)
    graph = squared_relu_affinity(scores, visible)
    precision.assert_close(graph, reference.affinity_graph(scores, visible))


def test_rows_sum_to_one_or_are_exact_zeros(random):
    scores = random.normal(-0.5, 1.0, size=(2, 3, 7, 7)).astype("float32")
    visible = masked_visible()
    graph = numpy_graph(scores, visible)
    positive = (np.where(visible, scores, -1.0) > 0).any(-1)
    assert positive.any() and not positive[:, :, 1:].all()
    np.testing.assert_allclose(graph.sum(-1)[positive], 1.0, rtol=1e-6)
    assert (graph[~positive] == 0).all()
    assert (graph >= 0).all()
    assert (graph[~np.broadcast_to(visible, graph.shape)] == 0).all()


def test_scores_and_thresholds_scale_together(float64, random):
    scores = random.normal(size=(2, 3, 7, 7))
    graph = squared_relu_affinity(scores, masked_visible())
    scaled = squared_relu_affinity(scores * 37.0, masked_visible())
    float64.assert_close(scaled, ops.convert_to_numpy(graph))


def test_gradients_are_exact(float64, random):
    scores, weights = random.normal(size=(2, 5, 5))
    visible = reference.visible_pairs(5, "forward")
    (gradient,) = gradients.by_arrays(
        lambda s: ops.sum(squared_relu_affinity(s, visible) * weights), scores
    )
    slopes = gradients.by_differences(
        lambda s: (reference.affinity_graph(s, visible) * weights).sum(), scores
    )
    np.testing.assert_allclose(gradient, slopes, atol=1e-8)
    assert np.abs(gradient).max() > 0.1


def test_empty_rows_have_zero_gradients(random):
    scores = random.normal(size=(5, 5)).astype("float32")
    scores[3] = -np.abs(scores[3])  # nothing above zero
    scores[4] = [1.0, 2.0, 3.0, -1.0, 0.0]
    (gradient,) = gradients.by_arrays(
        lambda s: ops.sum(
            ops.multiply(squared_relu_affinity(s, visible_pairs(5)), scores)
        ),
        scores,
    )
    assert np.isfinite(gradient).all()
    assert (gradient[0] == 0).all() and (gradient[3] == 0).all()
    assert (gradient[4] != 0).any()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_invisible_scores_are_harmless(random, bad):
    scores = random.normal(size=(2, 3, 7, 7)).astype("float32")
    visible = masked_visible()
    poisoned = np.where(visible, scores, np.float32(bad))
    np.testing.assert_array_equal(
        numpy_graph(poisoned, visible), numpy_graph(scores, visible)
    )
    (gradient,) = gradients.by_arrays(
        lambda s: ops.sum(ops.square(squared_relu_affinity(s, visible))), poisoned
    )
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("scale", [1e-30, 1e-22, 1e-12, 1e12, 1e22, 1e30])
def test_extreme_scores_give_the_same_graph(random, scale):
    # Scaling does not change eq. 1, though the squares may leave the range of float32.
    scores = np.abs(random.normal(size=(7, 7))).astype("float32")
    scaled = scores * np.float32(scale)
    graph = numpy_graph(scaled, visible_pairs(7))
    np.testing.assert_allclose(
        graph, numpy_graph(scores, visible_pairs(7)), rtol=1e-5, atol=1e-6
    )
    (gradient,) = gradients.by_arrays(
        lambda s: ops.sum(ops.square(squared_relu_affinity(s, visible_pairs(7)))),
        scaled,
    )
    assert np.isfinite(gradient).all() and (gradient != 0).any()


def test_squared_relu_by_pencil(precision):
    scores = precision.cast([[-1, 2, 4], [-1, 0, -3], [5, -5, 0]])
    activations = squared_relu(scores)
    precision.assert_close(activations, [[0, 0.25, 1], [0, 0, 0], [1, 0, 0]])


def test_equal_scores_share_equally():
    graph = numpy_graph(np.full((5, 5), 0.1, "float32"), visible_pairs(5))
    for row in range(1, 5):
        np.testing.assert_allclose(graph[row, :row], 1 / row, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_sixteen_bits_are_squared_and_summed_in_float32(dtype):
    # 300^2 overflows float16; 257 ones do not add up in bfloat16.
    scores = ops.cast(ops.full((257, 257), 300.0), dtype)
    graph = squared_relu_affinity(scores, visible_pairs(257))
    assert keras.backend.standardize_dtype(graph.dtype) == "float32"
    np.testing.assert_allclose(
        ops.convert_to_numpy(graph)[256, :256], 1 / 256, rtol=1e-6
    )


def test_normalize_rows_by_pencil(precision):
    activations = precision.cast([[1, 2, 3, 4], [1, 1, 1, 1], [0, 5, 0, 0]])
    visible = np.array([[1, 0, 1, 0], [0, 0, 0, 0], [1, 0, 1, 1]], bool)
    graph = normalize_rows(activations, visible)
    precision.assert_close(graph, [[0.25, 0, 0.75, 0], [0] * 4, [0] * 4])


def test_mean_visible_score_by_pencil(precision):
    mean = mean_visible_score(precision.cast(SCORES), visible_pairs(3))
    precision.assert_close(mean, [[0], [2], [2]])  # none; 2; (1 + 3) / 2


def test_mean_visible_score_equals_reference(precision, random):
    scores = precision.cast(random.normal(size=(2, 3, 7, 7)))
    mean = mean_visible_score(scores, masked_visible())
    assert tuple(mean.shape) == (2, 3, 7, 1)
    expected = reference.mean_visible_score(scores, masked_visible())
    precision.assert_close(mean, expected)


def test_mean_visible_score_ignores_what_is_invisible(random):
    scores = random.normal(size=(2, 3, 7, 7)).astype("float32")
    visible = masked_visible()
    poisoned = np.where(visible, scores, np.float32(np.nan))
    np.testing.assert_array_equal(
        ops.convert_to_numpy(mean_visible_score(poisoned, visible)),
        ops.convert_to_numpy(mean_visible_score(scores, visible)),
    )


def test_scores_at_their_mean_by_pencil():
    scores = np.array([[1.0, 2, 3, 9]], "float32")
    visible = np.array([[True, True, True, False]])
    found = ops.convert_to_numpy(subtract_mean_score(scores, visible))
    np.testing.assert_array_equal(found[0, :3], [-1, -1, 1])
    found = subtract_mean_score(scores, visible, for_any_rule=True)
    np.testing.assert_array_equal(ops.convert_to_numpy(found)[0, :3], [-1, 0, 1])


def test_equal_scores_have_gradients_for_any_rule():
    visible = np.array([[True, True, True, False]])

    def row(scores, rule):
        scores = subtract_mean_score(scores, visible, for_any_rule=True)
        return normalize_rows(rule(scores), visible)[0]

    scores = np.array([[0.1, 0.1, 0.1, 0.5]], "float32")
    assert not ops.convert_to_numpy(row(scores, ops.relu)).any()
    # Softmax: dp_0 / ds = p_0 (1 - p_0), -p_0 p_1, -p_0 p_2
    (gradient,) = gradients.by_arrays(lambda s: row(s, ops.exp)[0], scores)
    np.testing.assert_allclose(gradient, [[2 / 9, -1 / 9, -1 / 9, 0]], rtol=1e-5)


def test_mean_of_many_large_float16_scores():
    # The sum of 100 scores of 60000 is beyond float16.
    scores = ops.full((101, 101), 60000.0, dtype="float16")
    mean = ops.convert_to_numpy(mean_visible_score(scores, visible_pairs(101)))
    np.testing.assert_allclose(mean[1:], 60000.0, rtol=1e-3)
