"""Graph statistics by pencil, and against a slow loop."""

import keras
import numpy as np
import pytest
import reference

from glomo_keras.analysis import graph_statistics
from glomo_keras.models.graph_metrics import GRAPH_RATIOS

NAMES = [
    "density",
    "empty_rows",
    "one_sender_rows",
    "specificity",
    "effective_senders",
    "effective_share",
    "within_1",
    "within_4",
    "within_16",
    "dead_heads",
    "link_distance",
]
# What the backend sums in float32; the others are exact, or summed in float64.
SINGLE = NAMES[3:9]


def _random_graphs(random, direction="forward", shape=(2, 3, 5, 7, 7)):
    scores = random.normal(size=shape) - 0.6
    triangle = np.tril if direction == "forward" else np.triu
    active = triangle(np.maximum(scores, 0), -1 if direction == "forward" else 1)
    sums = active.sum(-1, keepdims=True)
    return active / np.where(sums > 0, sums, 1)


def test_three_units_by_pencil():
    # Row 0 sees nothing; row 1 reads its only sender; row 2 reads 0.25 and 0.75.
    graph = [[0, 0, 0], [1, 0, 0], [0.25, 0.75, 0]]
    found = graph_statistics(np.array([[[graph, np.zeros((3, 3))]]]))
    assert list(found["by_head"]) == list(found["overall"]) == NAMES
    senders = (1 + 1 / (0.25**2 + 0.75**2)) / 2
    expected = {
        "density": ([[1.0, 0.0]], 0.5),
        "empty_rows": ([[0.0, 1.0]], 0.5),
        "one_sender_rows": ([[0.5, 0.0]], 0.25),
        "dead_heads": ([[0.0, 1.0]], 1.0),
        # (1 * 1 + 0.25 * 2 + 0.75 * 1) / 2
        "link_distance": ([[1.125, np.nan]], 1.125),
        # Row 2, by the lifts 1 of row 1 and, where no other row sees, its own 1.5.
        "specificity": ([[0.15, np.nan]], 0.15),
        "effective_senders": ([[senders, np.nan]], senders),
        "effective_share": ([[senders / 1.5, np.nan]], senders / 1.5),
        "within_1": ([[0.875, np.nan]], 0.875),
        "within_4": ([[1.0, np.nan]], 1.0),
        "within_16": ([[1.0, np.nan]], 1.0),
    }
    for name, (by_head, overall) in expected.items():
        np.testing.assert_allclose(found["by_head"][name], by_head, rtol=1e-6)
        assert found["overall"][name] == pytest.approx(overall, rel=1e-6)
        assert isinstance(found["overall"][name], float)


@pytest.mark.parametrize("direction", ["forward", "backward"])
@pytest.mark.parametrize("masked", [False, True])
def test_against_a_slow_loop(random, direction, masked):
    graphs = _random_graphs(random, direction)
    graphs[:, 1, 3] = 0  # a dead head
    lengths = [4, 7] if masked else [7, 7]
    mask = np.arange(7) < np.array(lengths)[:, None]
    if masked:
        graphs = np.where(mask[:, None, None, :, None], graphs, 0)
        graphs = np.where(mask[:, None, None, None, :], graphs, 0)
    found = graph_statistics(graphs, mask if masked else None, direction)
    for layer in range(3):
        for head in range(5):
            expected = _slow(graphs[:, layer, head], lengths, direction)
            for name in NAMES:
                np.testing.assert_allclose(
                    found["by_head"][name][layer, head],
                    expected[name],
                    rtol=1e-5 if name in SINGLE else 1e-9,
                    atol=1e-7 if name in SINGLE else 0,
                    err_msg=name,
                )
    # Overall: one head with the rows of all heads.
    rows = [graphs[b, i, k] for b in range(2) for i in range(3) for k in range(5)]
    expected = _slow(rows, np.repeat(lengths, 15), direction)
    for name in set(NAMES) - {"dead_heads"}:
        assert found["overall"][name] == pytest.approx(expected[name]), name
    assert found["overall"]["dead_heads"] == 1.0


def _slow(graphs, lengths, direction):
    active = visible = empty = single = receivers = 0
    weight = distance = 0.0
    relations = {}
    for graph, length in zip(graphs, lengths, strict=True):
        for i in range(length):
            senders = range(i) if direction == "forward" else range(i + 1, length)
            if not senders:
                continue
            row = np.array([graph[i, j] for j in senders])
            receivers += 1
            visible += len(row)
            active += np.sum(row > 0)
            empty += not np.any(row > 0)
            single += np.sum(row > 0) == 1
            weight += row.sum()
            distance += sum(w * abs(i - j) for w, j in zip(row, senders, strict=True))
        seen = reference.visible_pairs(length, direction)
        sums = reference.relation_counts(
            graph[None, None, None, :length, :length], seen
        )
        for name, value in sums.items():
            relations[name] = relations.get(name, 0.0) + value.item()
    ratios = {
        name: relations[part] / relations[whole] if relations else np.nan
        for name, (part, whole) in GRAPH_RATIOS.items()
        if name in SINGLE
    }
    return {
        **ratios,
        "density": active / visible,
        "empty_rows": empty / receivers,
        "one_sender_rows": single / receivers,
        "dead_heads": float(active == 0),
        "link_distance": distance / weight if weight else np.nan,
    }


def test_uniform_rows_have_as_many_effective_senders_as_they_see():
    graph = np.tril(np.ones((5, 5)), -1) / np.maximum(np.arange(5), 1)[:, None]
    found = graph_statistics(graph[None, None, None])["overall"]
    assert found["density"] == 1.0
    assert found["effective_senders"] == pytest.approx((1 + 2 + 3 + 4) / 4)
    # Rows that sum to less than one, as those of mixtures do, are as spread out.
    half = graph_statistics(0.5 * graph[None, None, None])["overall"]
    assert half["effective_senders"] == pytest.approx(found["effective_senders"])
    assert half["link_distance"] == pytest.approx(found["link_distance"])


def test_distances_of_images():
    # The last pixel of 2 rows of 3 reads the one above it: 3 units, 1 pixel away.
    graph = np.zeros((6, 6))
    graph[5, 2] = 1
    found = graph_statistics(graph[None, None, None], image_shape=(2, 3))["overall"]
    assert found["link_distance"] == 1.0 and found["within_1"] == 1.0
    found = graph_statistics(graph[None, None, None])["overall"]
    assert found["link_distance"] == 3.0 and found["within_1"] == 0.0


def test_padding_does_not_count(random):
    graphs = _random_graphs(random)
    padded = np.zeros((2, 3, 5, 11, 11))
    padded[..., :7, :7] = graphs
    # Weights at padding are not looked at.
    padded[..., 8, 3] = 1.0
    mask = np.broadcast_to(np.arange(11) < 7, (2, 11))
    found, expected = graph_statistics(padded, mask), graph_statistics(graphs)
    for name in NAMES:
        np.testing.assert_allclose(found["by_head"][name], expected["by_head"][name])


def test_empty_sequences_give_nan_and_no_warning():
    found = graph_statistics(np.zeros((2, 3, 5, 1, 1)))
    assert np.all(np.isnan(found["by_head"]["density"]))
    assert found["by_head"]["density"].shape == (3, 5)
    assert np.isnan(found["overall"]["link_distance"])
    assert found["overall"]["dead_heads"] == 15


def test_a_batch_without_samples_gives_nan():
    for mask in (None, np.ones((0, 4), bool)):
        found = graph_statistics(np.zeros((0, 1, 2, 4, 4)), mask)
        assert found["by_head"].keys() == set(NAMES)
        for name, values in found["by_head"].items():
            assert values.shape == (1, 2)
            assert name == "dead_heads" or np.all(np.isnan(values))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_tensors_of_the_backend(random, dtype):
    graphs = _random_graphs(random)
    tensor = keras.ops.convert_to_tensor(graphs, dtype=dtype)
    found, expected = graph_statistics(tensor), graph_statistics(graphs)
    for name in NAMES:
        assert found["overall"][name] == pytest.approx(
            expected["overall"][name], rel=1e-2
        )


@pytest.mark.parametrize(
    "graphs, arguments, message",
    [
        (np.zeros((3, 5, 7, 7)), {}, r"shape \(3, 5, 7, 7\)"),
        (np.zeros((2, 3, 5, 7, 11)), {}, r"`graphs` must have shape"),
        (
            np.zeros((2, 3, 5, 7, 7)),
            {"padding_mask": np.ones((2, 5), bool)},
            r"`padding_mask` must have shape \(batch, length\) = \(2, 7\)",
        ),
        (np.zeros((2, 3, 5, 7, 7)), {"direction": "both"}, "direction='both'"),
        (
            np.zeros((2, 3, 5, 7, 7)),
            {"image_shape": (2, 3)},
            r"image_shape=\(2, 3\) for graphs of 7 units",
        ),
    ],
)
def test_wrong_arguments(graphs, arguments, message):
    with pytest.raises(ValueError, match=message):
        graph_statistics(graphs, **arguments)


def test_graphs_of_the_other_direction_are_refused():
    backward = np.triu(np.full((2, 1, 3, 5, 5), 0.2), 1)
    graph_statistics(backward, direction="backward")
    with pytest.raises(ValueError, match="must be of the direction 'forward'"):
        graph_statistics(backward)
    mask = np.arange(5) < np.array([[5], [3]])
    with pytest.raises(ValueError, match="must be of the direction 'forward'"):
        graph_statistics(backward, mask)
