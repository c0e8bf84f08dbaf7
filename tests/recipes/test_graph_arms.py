"""What stands in for the graphs, and the graphs that are kept."""

import gc
import weakref

import keras
import numpy as np
import pytest
from experiment.comparison.arms import control_graph
from experiment.comparison.arms import local_graphs
from experiment.comparison.arms import permute_units
from experiment.text.graph_arms import TextArm
from experiment.text.graph_arms import shared_graph_cache
from experiment.text.graph_arms import shared_packed_cache
from experiment.text.imdb import ImdbTask
from experiment.text.text_batches import TextBatches
from tiny_tasks import TINY
from tiny_tasks import settings_of

from glomo_keras.models import GraphCache
from glomo_keras.models import GraphPredictor
from glomo_keras.models import PackedGraphCache
from glomo_keras.ops import pack_graphs


@pytest.mark.parametrize("arm", (*ImdbTask.arms, *ImdbTask.extra_arms))
def test_what_stands_in_for_the_graphs(texts, predictor_folder, arm):
    text_arm = TextArm(arm, GraphCache.from_preset(predictor_folder), seed=3)
    batches = TextBatches(texts, "train", text_arm, np.arange(2), batch_size=2)
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
    if arm == "local":
        for graph, offset in ((forward, -1), (backward, 1)):
            np.testing.assert_array_equal(graph[0, 0, 0], np.eye(5, k=offset))
        return
    if arm == "learned+local":
        assert forward.shape == (2, 2, 4, 5, 5) == (2, *text_arm.graph_shape, 5, 5)
        np.testing.assert_array_equal(backward[0, 1, 3], np.eye(5, k=1))
        forward = forward[:, :, :3]
    ids = texts.graph_ids[texts.fields["one"].padded([0])]
    exact = GraphPredictor.from_preset(predictor_folder)(
        {"unit_ids": ids, "padding_mask": ids != 0}
    )["forward"]
    same = np.allclose(forward[0], exact[0], atol=1e-3)
    assert same == (arm != "shuffled")
    assert not np.triu(forward[0]).any()  # the direction stays
    # The second unit has one sender, whose score is the mean of one: not above it.
    np.testing.assert_allclose(forward[0, :, :, 2:].sum(-1), 1.0, atol=5e-3)
    (again,) = batches[0]
    np.testing.assert_array_equal(again["one_forward"][:, :, :3], forward)


@pytest.mark.parametrize("arm", ["learned", "shuffled", "learned+local"])
@pytest.mark.parametrize("composed", [True, False])
def test_packed_graphs_are_those_of_each_direction(
    texts, predictor_folder, arm, composed
):
    packed, by_direction = (
        TextBatches(texts, "train", TextArm(arm, cache, 3), np.arange(2), batch_size=2)
        for cache in (
            PackedGraphCache.from_preset(predictor_folder, composed),
            GraphCache.from_preset(predictor_folder),
        )
    )
    (inputs,), (expected,) = packed[0], by_direction[0]
    assert inputs["one_graphs"].dtype == np.float16
    length = inputs["one"].shape[1]
    shape = (2, length, *packed.arm.graph_shape, length)
    assert inputs["one_graphs"].shape == shape
    graphs = {
        direction: expected[f"one_{direction}"].astype("float32")
        for direction in ("forward", "backward")
    }
    expected = keras.ops.convert_to_numpy(pack_graphs(graphs, composed))
    np.testing.assert_allclose(inputs["one_graphs"], expected, atol=1e-3)


@pytest.mark.parametrize("arm", ["learned", "shuffled", "learned+local"])
@pytest.mark.parametrize("no_composed", [True, False])
def test_packed_graphs_train_the_same_model(
    predictor_folder, tmp_path, random, arm, no_composed
):
    flags = ["--output", tmp_path, "--num-mixtures", 2, "--message-dim", 5]
    settings = settings_of(ImdbTask(), *flags, *["--no-composed"] * no_composed)
    ids = random.integers(1, 5, (3, 7)).astype("int32")
    outputs, weights = [], None
    for cache in (
        GraphCache.from_preset(predictor_folder),
        PackedGraphCache.from_preset(predictor_folder, not no_composed),
    ):
        text_arm = TextArm(arm, cache, seed=3)
        keras.utils.set_random_seed(5)
        words = keras.Input((7,), dtype="int32", name="text")
        inputs = {"text": words}
        features = {"text": keras.layers.Embedding(11, 3)(words)}
        fused = text_arm.connect(features, inputs, settings)["text"]
        model = keras.Model(inputs, fused)
        drawn = model.get_weights()
        if weights is None:
            weights = [random.normal(size=w.shape) for w in drawn], drawn
        for array, expected in zip(drawn, weights[1], strict=True):
            np.testing.assert_array_equal(array, expected)
        model.set_weights(weights[0])
        graphs = text_arm.batch_inputs("text", np.arange(3), ids)
        outputs.append(model.predict_on_batch({"text": ids, **graphs}))
    np.testing.assert_allclose(outputs[1], outputs[0], rtol=1e-2, atol=1e-2)


def test_graphs_of_few_senders_are_not_packed(predictor_folder):
    arguments = {"composed": True, "num_bytes": 1_000}
    cache = shared_packed_cache(predictor_folder, top_k=None, **arguments)
    assert isinstance(cache, PackedGraphCache) and cache.graph_shape == (3, 3)
    cache = shared_packed_cache(predictor_folder, top_k=2, **arguments)
    assert isinstance(cache, GraphCache) and cache.predictor.top_k == 2


@pytest.mark.parametrize("hops", [1, 2])
def test_messages_go_so_many_hops(random, tmp_path, hops):
    settings = settings_of(ImdbTask(), "--output", tmp_path, "--num-hops", hops)
    words = keras.Input((7,), dtype="int32", name="text")
    inputs = {"text": words}
    features = {"text": keras.layers.Embedding(11, 3)(words)}
    fused = TextArm("local").connect(features, inputs, settings)["text"]
    model = keras.Model(inputs, fused)
    model.set_weights([random.normal(size=w.shape) for w in model.get_weights()])
    ids = np.array([[1, 2, 3, 4, 5, 6, 7], [1, 2, 3, 10, 5, 6, 7]])
    graphs = TextArm("local").batch_inputs("text", np.arange(2), ids)
    first, second = model.predict_on_batch({"text": ids, **graphs})
    assert first.shape == (7, 3 * (1 + hops))
    differs = abs(first - second).max(axis=-1) > 1e-3
    np.testing.assert_array_equal(differs, abs(np.arange(7) - 3) <= hops)


def test_neighbours_are_real_units():
    mask = np.array([[True, True, True, False], [False] * 4])
    graphs = local_graphs(mask)
    assert graphs["forward"].shape == (2, 1, 1, 4, 4)
    before = [[0, 0, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]]
    np.testing.assert_array_equal(graphs["forward"][0, 0, 0], before)
    after = [[0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    np.testing.assert_array_equal(graphs["backward"][0, 0, 0], after)
    assert not graphs["forward"][1].any()


def test_rows_keep_their_strongest_senders(texts, predictor_folder):
    ids = texts.graph_ids[texts.fields["one"].padded([0])]
    whole, cut = (
        GraphCache.from_preset(predictor_folder, top_k)(ids)["backward"]
        for top_k in (None, 1)
    )
    has_sender = whole.sum(-1) > 0
    assert (whole[has_sender] > 0).sum(-1).max() > 1
    np.testing.assert_array_equal(cut[has_sender].max(-1), 1.0)
    np.testing.assert_array_equal((cut > 0).sum(-1), has_sender)
    strongest = whole.argmax(-1)[has_sender]
    np.testing.assert_array_equal(cut.argmax(-1)[has_sender], strongest)


def test_runs_share_the_graphs(predictor_folder, tmp_path):
    task = ImdbTask()
    where = ["--predictor", predictor_folder, "--output", tmp_path]
    settings = settings_of(task, *where)
    first, second = (task.make_arm("learned", seed, settings) for seed in (0, 1))
    assert first.graph_cache is second.graph_cache


def test_graphs_of_one_preset_are_held(predictor_folder):
    first = weakref.ref(shared_graph_cache(predictor_folder, None, 1_000).results)
    shared_graph_cache(predictor_folder, 1, 1_000)
    gc.collect()
    assert first() is None


def test_permuted_units_are_the_same_units():
    ids = np.array([11, 7, 7, 5, 3, 2, 0, 0])
    permuted = permute_units(ids, np.random.default_rng(1))
    assert permuted.tolist() != ids.tolist()
    assert sorted(permuted[:6]) == sorted(ids[:6])
    assert permuted[6:].tolist() == [0, 0]


def test_unknown_arms_and_missing_caches_are_named():
    with pytest.raises(ValueError, match="must be one of .*Received: name='random'"):
        TextArm("random")
    with pytest.raises(ValueError, match="'learned' needs a `graph_cache`"):
        TextArm("learned")
    with pytest.raises(ValueError, match="must be a control.*Received: name='none'"):
        control_graph("none", np.ones((1, 2), bool))


def test_residual_messages_leave_the_model_as_it_starts(predictor_folder, tmp_path):
    task, predictions, weights = ImdbTask(), [], {}
    flags = ["--output", tmp_path, "--predictor", predictor_folder, *TINY]
    settings = settings_of(task, *flags, "--residual", "--num-hops", 2)
    texts = task.prepare(settings)
    for name in ("none", "local", "learned"):
        arm = task.make_arm(name, 0, settings)
        keras.utils.clear_session()  # names of layers begin anew
        model = task.build(texts, arm, settings)
        for layer in model.layers:
            if "transfer" not in layer.name:
                layer.set_weights(weights.setdefault(layer.name, layer.get_weights()))
        batches = TextBatches(texts, "test", arm, np.arange(8), batch_size=8)
        predictions.append(model.predict(batches, verbose=0))
    assert np.ptp(predictions[0], axis=0).min() > 1e-3
    for others in predictions[1:]:
        np.testing.assert_allclose(others, predictions[0], atol=1e-6)
    recorded = settings.recorded("local")
    assert recorded.pop("residual") is True
    assert settings_of(task, *flags, "--num-hops", 2).recorded("local") == recorded


def test_permutations_are_of_the_text_and_of_the_run(predictor_folder):
    cache = GraphCache.from_preset(predictor_folder)
    ids = np.tile(np.arange(2, 13), (2, 1))

    def permuted(seed, rows, field="text"):
        arm = TextArm("shuffled", cache, seed)
        return arm._units_of_graphs(field, np.array(rows), ids).tolist()

    first = permuted(0, [5, 9])
    assert first == permuted(0, [9, 5])[::-1]
    others = [first, permuted(1, [5, 9]), permuted(0, [5, 9], "other")]
    assert len({str(row) for rows in others for row in rows}) == 6
