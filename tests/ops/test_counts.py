"""Counts behind the statistics of graphs."""

import numpy as np
import pytest
import reference
from keras import ops

from glomo_keras.ops import graph_counts
from glomo_keras.ops import visible_pairs

FIRST = [[0.0, 0, 0], [1, 0, 0], [0.1, 0.9, 0]]
EMPTY = np.zeros((3, 3))


def counts_of(graphs, visible):
    counts = graph_counts(graphs, visible)
    return {name: ops.convert_to_numpy(value) for name, value in counts.items()}


def test_by_pencil():
    graphs = np.stack([FIRST, EMPTY])[None, :, None].astype("float32")
    counts = counts_of(graphs, visible_pairs(3))
    assert {value.shape for value in counts.values()} == {(1, 2, 1)}
    assert counts["visible"].ravel().tolist() == [3, 3]
    assert counts["active"].ravel().tolist() == [3, 0]
    assert counts["receivers"].ravel().tolist() == [2, 2]  # unit 0 sees nobody
    assert counts["empty_rows"].ravel().tolist() == [0, 2]
    assert counts["one_sender_rows"].ravel().tolist() == [1, 0]


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_padding_does_not_count(random, direction):
    mask = np.array([[1] * 7, [1] * 5 + [0] * 2, [1] + [0] * 6, [0] * 7], bool)
    visible = reference.visible_pairs(7, direction, mask, mask)
    scores = random.normal(-0.3, 1.0, size=(4, 2, 3, 7, 7))
    graphs = reference.affinity_graph(scores, visible[:, None, None])
    counts = counts_of(graphs.astype("float32"), visible)
    for b, layer, k in np.ndindex(4, 2, 3):
        rows = [i for i in range(7) if visible[b, i].any()]
        active = [int((graphs[b, layer, k, i] > 0).sum()) for i in rows]
        assert counts["visible"][b, layer, k] == visible[b].sum()
        assert counts["active"][b, layer, k] == sum(active)
        assert counts["receivers"][b, layer, k] == len(rows)
        assert counts["empty_rows"][b, layer, k] == active.count(0)
        assert counts["one_sender_rows"][b, layer, k] == active.count(1)
