"""Graphs trained on annotated trees: the loss, the targets, the program."""

import json
import types

import compare
import keras
import numpy as np
import pytest
import tree_graphs
from experiment.dependencies import tree_predictor

from glomo_keras.models import GraphPredictor
from glomo_keras.models.ablations import AbstainingGraphPredictor
from glomo_keras.ops import entmax_affinity

# The words of "the red lamp sees Ada", and padding.
HEADS = np.array([[3, 3, 4, 0, 4, 0]])
MASK = np.array([[True] * 5 + [False]])


def loss_of(targets, scores):
    loss = tree_predictor.EntmaxLoss()(targets, scores)
    return float(keras.ops.convert_to_numpy(loss))


def random_scores(targets, scale=1.0):
    draw = np.random.default_rng(0)
    return (scale * draw.normal(size=targets.shape)).astype("float32")


def test_targets_are_trees_where_pairs_are_visible():
    targets = tree_predictor.tree_targets(HEADS, MASK)
    assert targets.shape == (1, 2, 2, 6, 7) and targets.dtype == "float32"
    forward, backward = targets[0]
    assert forward[0].tolist() == [  # nobody last
        [-1, -1, -1, -1, -1, -1, 1],
        [0, -1, -1, -1, -1, -1, 1],
        [0, 0, -1, -1, -1, -1, 1],
        [0, 0, 0, -1, -1, -1, 1],
        [0, 0, 0, 1, -1, -1, 0],  # Ada: sees
        [-1, -1, -1, -1, -1, -1, -1],
    ]
    assert forward[1, 2].tolist() == [0.5, 0.5, -1, -1, -1, -1, 0]  # lamp: the, red
    assert backward[0, 0].tolist() == [-1, 0, 1, 0, 0, -1, 0]  # the: lamp
    assert backward[1, 3].tolist() == [-1, -1, -1, -1, 1, -1, 0]  # of sees: Ada


def test_a_head_beyond_the_cut_is_unknown():
    """Of `the red lamp`, cut before its last word: nobody would be wrong."""
    targets = tree_predictor.tree_targets(HEADS[:, :2], MASK[:, :2])
    forward, backward = targets[0]
    assert (backward[0] == -1).all()
    assert forward[0].tolist() == [[-1, -1, 1], [0, -1, 1]]
    assert backward[1].tolist() == [[-1, 0, 1], [-1, -1, 1]]


@pytest.mark.parametrize("scale", [0.1, 1, 30])
def test_the_gradient_of_the_loss_is_the_difference_to_the_tree(scale):
    targets = tree_predictor.tree_targets(HEADS, MASK)
    scores = random_scores(targets, scale)
    visible = targets >= 0
    graph = keras.ops.convert_to_numpy(entmax_affinity(scores, visible))
    num_rows = (targets[..., -1] >= 0).sum()
    expected = np.where(visible, graph - np.maximum(targets, 0), 0) / num_rows
    if scale == 30:  # what -log p would not move
        assert ((graph == 0) & (targets > 0)).any()
    step = 1e-2
    for place in np.ndindex(targets.shape):
        moved = np.zeros_like(scores)
        moved[place] = step
        slope = loss_of(targets, scores + moved) - loss_of(targets, scores - moved)
        assert slope / (2 * step) == pytest.approx(expected[place], abs=2e-3)


def test_the_loss_is_zero_at_the_tree_alone_and_padding_is_nothing():
    targets = tree_predictor.tree_targets(HEADS, MASK)
    assert loss_of(targets, 100 * np.maximum(targets, 0)) == pytest.approx(0, abs=1e-4)
    scores = random_scores(targets)
    loss = loss_of(targets, scores)
    assert loss > 0.1
    hidden = np.where(targets < 0, 1e4, scores)
    assert loss_of(targets, hidden.astype("float32")) == pytest.approx(loss, rel=1e-6)
    assert loss_of(np.full_like(targets, -1), scores) == 0


def test_shares_of_rows_that_are_right_and_empty():
    targets = tree_predictor.tree_targets(HEADS, MASK)
    names = ("heads", "dependents", "no head", "no dependents")

    class Batches:
        num_batches = 1

        def __getitem__(self, index):
            return None, targets

    def shares(scores):
        model = types.SimpleNamespace(predict_on_batch=lambda inputs: scores)
        return tree_predictor.found_shares(model, Batches())

    right = 9 * np.maximum(targets, 0)
    assert shares(right) == dict.fromkeys(names, 1.0)
    nobody = np.zeros_like(targets)
    nobody[..., -1] = 9
    assert shares(nobody) == dict(zip(names, (0, 0, 1, 1), strict=True))
    # Nobody is the strongest, and yet no row is empty that sees anyone.
    assert shares(nobody / 9) == dict.fromkeys(names, 0.0)


def test_the_program_finds_trees_and_writes_a_preset(tmp_path, capsys):
    arguments = ["--size", "smoke", "--predictor", "glomo_text_small_en"]
    tree_graphs.main([*arguments, "--output", str(tmp_path / "trees")])
    assert "epoch 2/2: loss" in capsys.readouterr().out
    predictor = AbstainingGraphPredictor.from_preset(tmp_path / "trees")
    start = GraphPredictor.from_preset("glomo_text_small_en")
    assert (predictor.num_graph_layers, predictor.num_heads) == (1, 2)
    assert predictor.count_params() < start.count_params()
    metadata = json.loads((tmp_path / "trees" / "metadata.json").read_text())
    dev = metadata["training"]["dev"]
    assert dev["heads"] > 0.5 and 0 < dev["no head"] < 1
    assert metadata["training"]["trees"] == [{"toy": 240}]

    arguments = ["dependency_labels", "--size", "smoke", "--seeds", "1"]
    arguments += ["--predictor", str(tmp_path / "trees"), "--arms", "learned"]
    compare.main([*arguments, "--output", str(tmp_path / "labels")])
    run = json.loads((tmp_path / "labels" / "runs.jsonl").read_text())
    assert run["settings"]["predictor"].startswith("trees ")


def test_it_starts_from_the_networks_of_a_preset(predictor_folder):
    predictor = tree_predictor.start_from(predictor_folder, dropout=0.1)
    start = GraphPredictor.from_preset(predictor_folder)
    for name in ("embedding", "forward_network", "backward_network"):
        ours = [w for w in predictor.get_layer(name).weights if "seed" not in w.path]
        for weight, other in zip(ours, start.get_layer(name).weights, strict=True):
            np.testing.assert_array_equal(weight, other)
    units = np.array([[2, 3, 4, 0]])
    scores = tree_predictor.TreeScores(predictor)(
        {"unit_ids": units, "padding_mask": units != 0}
    )
    graphs = predictor(units)
    for number, direction in enumerate(("forward", "backward")):
        visible = np.tril(np.ones((4, 4), bool), -1)
        visible = (visible, visible.T)[number] & (units != 0) & (units != 0).T
        visible = np.concatenate([visible, np.ones((4, 1), bool)], axis=-1)
        rows = keras.ops.convert_to_numpy(entmax_affinity(scores[:, number], visible))
        np.testing.assert_allclose(rows.sum(axis=-1), 1, atol=1e-5)
        graph = keras.ops.convert_to_numpy(graphs[direction][:, 0])
        np.testing.assert_allclose(rows[..., :-1], graph, atol=1e-5)
        assert (graph.sum(axis=-1) < 0.99).all()
