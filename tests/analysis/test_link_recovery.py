"""Link recovery: what counts as found, and on which half."""

import keras
import numpy as np
import pytest

from glomo_keras.analysis import link_recovery
from glomo_keras.data.planted import planted_sequences

# Sequences 0 and 2 choose, 1 and 3 score.
LINKS = np.array([[0, 4, 1, 0], [2, 3, 0, 1], [1, 4, 2, 0], [3, 4, 3, 2]])


def _graphs():
    """(sequences 5, layers 2, heads 3, units 7, units 7), all empty."""
    return np.zeros((5, 2, 3, 7, 7), "float32")


def _plant(graphs, links, layer, head, weight=0.6):
    for sequence, receiver, sender, _ in links:
        graphs[sequence, layer, head, receiver, sender] = weight


def test_true_links_are_found_in_the_right_head():
    graphs = _graphs()
    _plant(graphs, LINKS, layer=1, head=2)
    found = link_recovery(graphs, LINKS)
    assert (found.layer, found.head) == (1, 2)
    assert found.accuracy == found.selection_accuracy == 1.0
    assert found.by_kind == {0: 1.0, 2: 1.0}
    assert (found.num_links, found.num_selection_links) == (2, 2)
    assert found.num_links_by_kind == {0: 1, 2: 1}
    expected = np.zeros((2, 3))
    expected[1, 2] = 1.0
    np.testing.assert_array_equal(found.head_accuracies, expected)


def test_head_is_chosen_on_one_half_and_scored_on_the_other():
    graphs = _graphs()
    _plant(graphs, LINKS[:2], layer=0, head=1)  # right where heads are chosen
    _plant(graphs, LINKS[2:], layer=1, head=0)  # right where they are scored
    found = link_recovery(graphs, LINKS)
    assert (found.layer, found.head, found.accuracy) == (0, 1, 0.0)
    assert found.selection_accuracy == 1.0
    assert found.head_accuracies[1, 0] == 1.0
    swapped = link_recovery(graphs, LINKS, selection="odd")
    assert (swapped.layer, swapped.head, swapped.accuracy) == (1, 0, 0.0)
    assert swapped.by_kind == {0: 0.0, 1: 0.0}


def test_accuracy_by_kind():
    graphs = _graphs()
    _plant(graphs, LINKS[:3], layer=1, head=1)
    found = link_recovery(graphs, LINKS)
    assert found.by_kind == {0: 1.0, 2: 0.0}
    assert found.accuracy == 0.5


def test_empty_rows_ties_and_weaker_senders_are_misses():
    graphs = _graphs()
    _plant(graphs, LINKS, layer=0, head=0)
    assert link_recovery(graphs, LINKS).accuracy == 1.0
    tied = graphs.copy()
    tied[1, 0, 0, 4, 0] = tied[1, 0, 0, 4, 2]
    assert link_recovery(tied, LINKS).accuracy == 0.5
    weaker = graphs.copy()
    weaker[1, 0, 0, 4, 0] = 0.7
    assert link_recovery(weaker, LINKS).accuracy == 0.5
    empty = graphs.copy()
    empty[1, 0, 0, 4] = 0
    assert link_recovery(empty, LINKS).accuracy == 0.5
    # A row of equal weights, zeros included, names no sender.
    assert link_recovery(np.ones_like(graphs), LINKS).accuracy == 0.0
    assert link_recovery(np.zeros_like(graphs), LINKS).accuracy == 0.0


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("sender", [2, 0])
def test_rows_that_are_not_finite_are_misses(value, sender):
    graphs = _graphs()
    _plant(graphs, LINKS, layer=0, head=0)
    graphs[1, 0, 0, 4, sender] = value
    assert link_recovery(graphs, LINKS).accuracy == 0.5


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_tensors_of_the_backend(dtype):
    graphs = _graphs()
    _plant(graphs, LINKS, layer=1, head=2)
    tensor = keras.ops.convert_to_tensor(graphs, dtype=dtype)
    links = keras.ops.convert_to_tensor(LINKS, dtype="int32")
    found = link_recovery(tensor, links)
    assert (found.accuracy, found.layer, found.head) == (1.0, 1, 2)


def test_planted_links_and_guesses_on_them():
    sequences = planted_sequences(40, seed=11)
    graphs = np.zeros((40, 1, 2, 64, 64), "float32")
    _plant(graphs, sequences.links, layer=0, head=1)
    found = link_recovery(graphs, sequences.links)
    assert found.accuracy == 1.0
    assert sorted(found.by_kind) == [0, 1, 2]
    assert found.num_links + found.num_selection_links == len(sequences.links)
    assert sum(found.num_links_by_kind.values()) == found.num_links
    random = np.random.default_rng(3).random(graphs.shape)
    assert link_recovery(random, sequences.links).accuracy < 0.15


@pytest.mark.parametrize(
    "graphs, links, arguments, message",
    [
        (np.zeros((2, 7, 7)), LINKS, {}, r"`graphs` must have shape .*\(2, 7, 7\)"),
        (np.zeros((5, 2, 3, 7, 5)), LINKS, {}, "`graphs` must have shape"),
        (_graphs(), LINKS[:, :3], {}, r"`links` must be integers of shape"),
        (_graphs(), LINKS * 1.0, {}, "dtype float64"),
        (_graphs(), np.array([[5, 1, 0, 0]]), {}, r"must lie in the 5 graphs"),
        (_graphs(), np.array([[0, 7, 0, 0]]), {}, r"\[0, 7, 0, 0\]"),
        (_graphs(), np.array([[0, 1, -1, 0]]), {}, r"\[0, 1, -1, 0\]"),
        (_graphs(), LINKS[:2], {}, "2 links in even and 0 in odd"),
        (_graphs(), np.zeros((0, 4), int), {}, "0 links in even and 0 in odd"),
        (_graphs(), LINKS, {"selection": "first"}, "selection='first'"),
    ],
)
def test_wrong_arguments(graphs, links, arguments, message):
    with pytest.raises(ValueError, match=message):
        link_recovery(graphs, links, **arguments)
