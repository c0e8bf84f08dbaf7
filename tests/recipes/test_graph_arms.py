"""What stands in for the graphs, and the graphs that are kept."""

import imdb
import numpy as np
import pytest
from experiment.text import graph_arms
from experiment.text import text_batches
from tiny_tasks import options_of

from glomo_keras.models import GraphPredictor
from glomo_keras.models.result_cache import ResultCache


@pytest.mark.parametrize("arm", graph_arms.ARMS)
def test_what_stands_in_for_the_graphs(texts, predictor_folder, arm):
    predictor = graph_arms.load_predictor(predictor_folder)
    graphs = graph_arms.GraphArm(arm, predictor, seed=3)
    batches = text_batches.TaskBatches(texts, "train", graphs, batch_size=2)
    (inputs,) = batches[0]
    mask = inputs["one"] != 0
    assert mask.sum(axis=1).tolist() == [5, 0]
    if arm == "none":
        assert set(inputs) == {"one", "two"}
        return
    forward, backward = inputs["one_forward"], inputs["one_backward"]
    assert forward.dtype == np.float16
    assert not forward[1].any()  # the empty text
    if arm in ("matched", "uniform"):
        expected = np.eye(5) if arm == "matched" else np.full((5, 5), 0.2)
        for graph in (forward, backward):
            assert graph.shape == (2, 1, 1, 5, 5)
            np.testing.assert_allclose(graph[0, 0, 0], expected, atol=1e-3)
        return
    ids = texts.graph_ids[texts.fields["one"].padded([0])]
    exact = GraphPredictor.from_preset(predictor_folder)(
        {"unit_ids": ids, "padding_mask": ids != 0}
    )["forward"]
    same = np.allclose(forward[0], exact[0], atol=1e-3)
    assert same == (arm == "learned")
    assert not np.triu(forward[0]).any()  # the direction stays
    # The second unit has one sender, whose score is the mean of one: not above it.
    np.testing.assert_allclose(forward[0, :, :, 2:].sum(-1), 1.0, atol=5e-3)
    (again,) = batches[0]
    np.testing.assert_array_equal(again["one_forward"], forward)


def test_rows_keep_their_strongest_senders(texts, predictor_folder):
    ids = texts.graph_ids[texts.fields["one"].padded([0])]
    whole, cut = (
        graph_arms.GraphArm("learned", graph_arms.load_predictor(predictor_folder, k))
        for k in (None, 1)
    )
    whole, cut = (arm.graphs("one", [0], ids)["backward"] for arm in (whole, cut))
    has_sender = whole.sum(-1) > 0
    assert (whole[has_sender] > 0).sum(-1).max() > 1
    np.testing.assert_array_equal(cut[has_sender].max(-1), 1.0)
    np.testing.assert_array_equal((cut > 0).sum(-1), has_sender)
    strongest = whole.argmax(-1)[has_sender]
    np.testing.assert_array_equal(cut.argmax(-1)[has_sender], strongest)


def test_graphs_are_kept_within_the_memory_given(texts, predictor_folder):
    predictor = graph_arms.load_predictor(predictor_folder)
    size = 2 * (2 * 3) * 5 * 5 * 2  # directions, layers x heads, pairs, bytes
    graphs = graph_arms.GraphArm("learned", predictor, kept=ResultCache(2 * size))
    ids = texts.graph_ids[texts.fields["one"].padded([0, 1, 2])]
    first = graphs.graphs("one", [0, 1, 2], ids)
    assert len(graphs.kept) == 2 and graphs.kept.room == 0
    second = graphs.graphs("one", [2, 0, 0], ids[[2, 0, 0]])
    expected = first["forward"][[2, 0, 0]]
    np.testing.assert_allclose(second["forward"], expected, atol=1e-6)
    np.testing.assert_array_equal(second["forward"][1:], expected[1:])


def test_what_earlier_runs_left_makes_room():
    computed = []

    def double(numbers):
        computed.extend(numbers.tolist())
        return 2 * numbers

    kept = ResultCache(3 * 8)
    for run, new in (([1, 2, 3], [1, 2, 3]), ([3, 4, 5, 5], [4, 5]), ([3, 1, 5], [1])):
        kept.start_run()
        for _ in range(2):  # epochs
            found = kept.results(np.array(run), double)
            np.testing.assert_array_equal(found, 2 * np.array(run))
        assert computed == new and len(kept) == 3 and kept.room == 0
        computed.clear()


def test_runs_share_the_graphs(predictor_folder, tmp_path):
    where = ["--predictor", str(predictor_folder), "--output", str(tmp_path)]
    options = options_of(imdb, *where)
    first, second = (imdb.TASK.make_arm("learned", seed, options) for seed in (0, 1))
    assert first.kept is second.kept


def test_permuted_units_are_the_same_units():
    ids = np.array([11, 7, 7, 5, 3, 2, 0, 0])
    permuted = graph_arms.permute_units(ids, np.random.default_rng(1))
    assert permuted.tolist() != ids.tolist()
    assert sorted(permuted[:6]) == sorted(ids[:6])
    assert permuted[6:].tolist() == [0, 0]
