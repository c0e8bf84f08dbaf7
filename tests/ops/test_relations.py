"""What tells graphs that are relations from others."""

import keras
import numpy as np
import pytest
import reference
from keras import ops

from glomo_keras.ops import pixel_distances
from glomo_keras.ops import relation_counts
from glomo_keras.ops import row_specificity
from glomo_keras.ops import unit_distances
from glomo_keras.ops import visible_pairs

LENGTH = 64


def _normalized(weights, direction="forward"):
    weights = np.where(reference.visible_pairs(len(weights), direction), weights, 0.0)
    sums = weights.sum(-1, keepdims=True)
    return (weights / np.where(sums > 0, sums, 1)).astype("float32")


def _specificity(graph, direction="forward"):
    """Mean over the rows that see two senders or more, and are not empty."""
    sums = relation_counts(
        graph[None, None, None], visible_pairs(len(graph), direction)
    )
    return float(sums["specificity"][0, 0, 0] / sums["choosing_rows"][0, 0, 0])


def test_specificity_by_pencil():
    # Units 0 to 3, forward: row 1 has no choice. Lifts, a weight by that of even rows:
    # row 1: [1], row 2: [2, 0], row 3: [0.75, 0.75, 1.5].
    graph = np.array(
        [[0, 0, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0], [0.25, 0.25, 0.5, 0]], "float32"
    )
    # Row 1 is its own reference. Row 2: salience of 0 is (1 + 0.75) / 2 = 0.875, of 1
    # 0.75: reference [0.875, 0.75] / 1.625. Row 3: (1 + 2) / 2, 0, and its own 1.5 for
    # the sender that no other receiver sees: [1.5, 0, 1.5] / 3.
    expected = [0, 0, 0.75 / 1.625, 0.25]
    values = ops.convert_to_numpy(row_specificity(graph, visible_pairs(4)))
    np.testing.assert_allclose(values, expected, atol=1e-6)


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_specificity_of_known_graphs(random, direction):
    # Backward graphs are forward ones, read from the end.
    def found(weights):
        graph = _normalized(weights)
        if direction == "backward":
            graph = graph[::-1, ::-1].copy()
        return _specificity(graph, direction)

    units = np.arange(LENGTH)
    apart = units[:, None] - units[None, :]
    even = np.ones((LENGTH, LENGTH))
    star = np.zeros((LENGTH, LENGTH))
    star[:, 5] = 1  # rows before it are empty
    links = np.zeros((LENGTH, LENGTH))
    links[units[1:], [random.integers(unit) for unit in units[1:]]] = 1
    salience = np.exp(random.normal(size=LENGTH)) * even
    assert found(even) == pytest.approx(0, abs=1e-6)
    assert found(star) == pytest.approx(0, abs=1e-6)
    assert found(salience) < 0.03
    assert found(salience**2) < 0.06
    assert found(apart == 1) == pytest.approx(1, abs=0.01)
    assert found((apart >= 1) & (apart <= 4)) > 0.6
    assert found(links) > 0.9
    # Half the weight on what is salient, half on the previous unit.
    half = _normalized(salience) + _normalized(apart == 1)
    assert found(half) == pytest.approx(0.5, abs=0.04)


def _random_graphs(random, direction, mask):
    visible = reference.visible_pairs(7, direction, mask, mask)
    scores = random.normal(-0.3, 1.0, size=(len(mask), 2, 3, 7, 7))
    graphs = reference.affinity_graph(scores, visible[:, None, None])
    return 0.5 * graphs, visible  # rows of mixed graphs do not sum to one


@pytest.mark.parametrize("direction", ["forward", "backward"])
@pytest.mark.parametrize("apart", [None, (1, 7)])
def test_sums_equal_a_slow_loop(precision, random, direction, apart):
    mask = np.array([[1] * 7, [1] * 5 + [0] * 2, [1] + [0] * 6, [0] * 7], bool)
    graphs, visible = _random_graphs(random, direction, mask)
    graphs[..., 0, 1, 4, :] = 0  # an empty row more
    distances = None if apart is None else ops.minimum(unit_distances(7) * 3, 17)
    expected = reference.relation_counts(
        graphs,
        visible,
        None if distances is None else ops.convert_to_numpy(distances),
    )
    # What is not visible has no part.
    graphs = np.where(visible[:, None, None], graphs, 9.0)
    sums = relation_counts(precision.cast(graphs), visible, distances)
    assert set(sums) == set(expected)
    for name, values in expected.items():
        precision.assert_close(sums[name], values)
    precision.assert_close(
        relation_counts(precision.cast(graphs), visible[0])["specificity"][:1],
        reference.relation_counts(graphs[:1], visible[0])["specificity"],
    )


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_16_bit_graphs_are_summed_in_float32(random, dtype):
    graphs, visible = _random_graphs(random, "forward", np.ones((2, 7), bool))
    graphs = ops.cast(graphs, dtype)
    sums = relation_counts(graphs, visible)
    expected = reference.relation_counts(
        np.asarray(ops.convert_to_numpy(ops.cast(graphs, "float32"))), visible
    )
    for name, values in expected.items():
        assert keras.backend.standardize_dtype(sums[name].dtype) == "float32"
        np.testing.assert_allclose(sums[name], values, rtol=1e-5)


def test_effective_senders_and_distances_by_pencil():
    row = np.array([0.5, 0, 0.25, 0.25, 0], "float32")
    graph = np.zeros((5, 5), "float32")
    graph[4] = row
    sums = relation_counts(graph[None, None, None], visible_pairs(5))
    values = {name: float(value[0, 0, 0]) for name, value in sums.items()}
    assert values["effective_senders"] == pytest.approx(1 / (0.25 + 2 * 0.0625))
    assert (values["reading_rows"], values["visible_senders"]) == (1, 4)
    assert values["within_1"] == 0.25 and values["within_4"] == 1.0


def test_distances():
    # 2 rows of 3 pixels: 0 1 2 / 3 4 5.
    assert ops.convert_to_numpy(pixel_distances(2, 3)).tolist() == [
        [0, 1, 2, 1, 1, 2],
        [1, 0, 1, 1, 1, 1],
        [2, 1, 0, 2, 1, 1],
        [1, 1, 2, 0, 1, 2],
        [1, 1, 1, 1, 0, 1],
        [2, 1, 1, 2, 1, 0],
    ]
    assert ops.convert_to_numpy(unit_distances(3)).tolist() == [
        [0, 1, 2],
        [1, 0, 1],
        [2, 1, 0],
    ]
