"""Seeds and learning rates of an arm that are trained in one program."""

import dataclasses

import compare
import keras
import numpy as np
import pytest
from experiment.comparison import records
from experiment.comparison import runner
from experiment.comparison.learning_rates import rates_to_try
from experiment.comparison.together import Progress
from experiment.comparison.together import Together
from experiment.folders import read_lines
from experiment.process import UsageError
from experiment.text.computed_arms import ComputedTextArm
from experiment.text.imdb import ImdbTask
from tiny_tasks import TINY
from tiny_tasks import settings_of

needs_jax = pytest.mark.skipif(
    keras.backend.backend() != "jax", reason="models are trained together by JAX"
)


@needs_jax
@pytest.mark.parametrize(
    "task, arms, graph_memory, has_elmo",
    [
        ("imdb", ["none", "learned"], 0, False),
        ("nli", ["shuffled"], 1, False),
        ("squad", ["uniform"], 1, True),
    ],
)
def test_models_have_the_results_of_single_runs(
    task, arms, graph_memory, has_elmo, predictor_folder, elmo_folder, tmp_path, capsys
):
    """Examples, order, initial weights and dropout are those of each run."""
    arguments = [task, *TINY, "--predictor", str(predictor_folder), "--seeds", "2"]
    arguments += ["--dropout", "0.3", "--graph-dropout", "0.3", "--arms", *arms]
    arguments += ["--learning-rates", "0.02", "0.003"]
    arguments += ["--graph-memory", str(graph_memory)]
    arguments += ["--features", f"elmo:{elmo_folder}"] if has_elmo else []
    compare.main([*arguments, "--output", str(tmp_path / "single")])
    compare.main([*arguments, "--output", str(tmp_path / "together"), "--together"])
    single, together = (
        {records.key_of(run): run for run in records.read_runs(tmp_path / name)}
        for name in ("single", "together")
    )
    assert single.keys() == together.keys() and len(single) == 2 * len(arms)
    for key, run in single.items():
        other = together[key]
        for name in ("learning_rate", "epochs", "best_epoch", "settings", "data"):
            assert run[name] == other[name]
        assert other["best_dev"] == pytest.approx(run["best_dev"])
        assert other["test"] == pytest.approx(run["test"])
        with (
            np.load(tmp_path / "single" / run["scores"]) as expected,
            np.load(tmp_path / "together" / other["scores"]) as received,
        ):
            for name in expected:
                np.testing.assert_array_equal(expected[name], received[name])
    trials = [
        {
            (trial["arm"], trial["learning_rate"]): trial["best_dev"]
            for trial in read_lines(tmp_path / name / "learning_rates.jsonl")
        }
        for name in ("single", "together")
    ]
    assert trials[0] == pytest.approx(trials[1]) and len(trials[0]) == 2 * len(arms)
    capsys.readouterr()
    compare.main([*arguments, "--output", str(tmp_path / "together"), "--together"])
    assert f"{arms[0]}, seeds" not in capsys.readouterr().out  # nothing is run


@needs_jax
def test_an_arm_that_is_killed_goes_on_after_its_last_epoch(
    predictor_folder, tmp_path, monkeypatch
):
    arguments = ["imdb", *TINY, "--predictor", str(predictor_folder), "--seeds", "2"]
    arguments += ["--arms", "none", "--together", "--epochs", "3", "--patience", "3"]
    arguments += ["--dropout", "0.3", "--learning-rates", "0.02", "0.003"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    weights, test = [], Together.test

    def note_weights(together, rate):
        state = together.state, together.best
        weights.append(keras.tree.map_structure(np.asarray, state))
        return test(together, rate)

    monkeypatch.setattr(Together, "test", note_weights)
    compare.main([*arguments, "--output", str(whole)])

    update, epochs = Progress.update, []

    def be_killed(progress, epoch, dev, losses):
        epochs.append(epoch)
        if epochs == [1, 2, 3]:
            raise KeyboardInterrupt
        return update(progress, epoch, dev, losses)

    monkeypatch.setattr(Progress, "update", be_killed)
    with pytest.raises(KeyboardInterrupt):
        compare.main([*arguments, "--output", str(killed)])
    with pytest.raises(SystemExit, match="other settings.*epochs"):
        compare.main([*arguments, "--output", str(killed), "--epochs", "4"])
    compare.main([*arguments, "--output", str(killed)])
    assert epochs == [1, 2, 3, 3]
    expected, received = weights
    keras.tree.map_structure(np.testing.assert_array_equal, received, expected)
    expected, received = records.read_runs(whole), records.read_runs(killed)
    for run in (*expected, *received):
        del run["seconds"]
    assert received == expected and len(expected) == 2
    assert not list((killed / "runs").iterdir())


@needs_jax
def test_an_arm_that_is_killed_when_its_runs_are_recorded_is_out_of_the_way(
    predictor_folder, tmp_path, monkeypatch
):
    arguments = ["imdb", *TINY, "--predictor", str(predictor_folder), "--arms", "none"]
    arguments += ["--together", "--output", str(tmp_path), "--seeds", "1"]

    def be_killed(folder):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(runner, "remove_folder", be_killed)
        with pytest.raises(KeyboardInterrupt):
            compare.main(arguments)
    assert list((tmp_path / "runs").iterdir())
    compare.main([*arguments, "--first-seed", "1"])
    assert [run["seed"] for run in records.read_runs(tmp_path)] == [0, 1]
    assert not list((tmp_path / "runs").iterdir())


@needs_jax
@pytest.mark.parametrize(
    "more", [(), ("--epochs", "1", "--num-train", "8", "--batch-size", "8")]
)
def test_a_rate_at_which_the_model_is_not_finite_is_not_chosen(
    more, predictor_folder, tmp_path
):
    """In a later step by its loss, after the last step by its predictions."""
    arguments = ["imdb", *TINY, "--predictor", str(predictor_folder), "--seeds", "1"]
    arguments += ["--arms", "none", "--together", "--output", str(tmp_path)]
    compare.main([*arguments, *more, "--learning-rates", "0.003", "1e30"])
    (run,) = records.read_runs(tmp_path)
    assert run["learning_rate"] == 0.003
    trials = read_lines(tmp_path / "learning_rates.jsonl")
    assert [trial["best_dev"] is None for trial in trials] == [False, True]


@needs_jax
@pytest.mark.parametrize("name", ["uniform", "matched", "local", "learned"])
def test_graphs_that_a_model_computes_are_those_it_is_fed_with(
    name, predictor_folder, tmp_path
):
    task = ImdbTask()
    settings = settings_of(
        task, *TINY, "--output", tmp_path, "--predictor", predictor_folder
    )
    fed = task.make_arm(name, 0, settings)
    settings = dataclasses.replace(settings, graph_memory=0)
    computed = task.make_together_arm(name, 0, settings, num_examples=9)
    assert isinstance(computed, ComputedTextArm)
    units = np.array([[2, 3, 4, 5, 2], [3, 2, 0, 0, 0], [0, 0, 0, 0, 0]])
    inputs = {}
    graphs = computed._connect_graphs("text", 5, inputs)
    outputs = keras.Model(inputs, graphs)(
        computed.batch_inputs("text", np.arange(3), units)
    )
    expected = fed.graphs(units)
    for received, graph in zip(
        keras.tree.flatten(outputs), keras.tree.flatten(expected), strict=True
    ):
        np.testing.assert_allclose(received, graph, atol=1e-3)  # of float16


@pytest.mark.parametrize("name, number", [("learned", 9), ("local", 2)])
def test_graphs_are_held_where_all_have_room(name, number, predictor_folder, tmp_path):
    task = ImdbTask()
    more = ["--output", tmp_path, "--predictor", predictor_folder, "--length", "5"]
    settings = settings_of(task, *TINY, *more)
    # Of two layers, three terms of three heads, both directions in one array; or two.
    num_bytes = 2 * number * 5 * 5 * 7
    for more_bytes, is_held in ((0, True), (-1, False)):
        memory = (num_bytes + more_bytes) / 2**30
        settings = dataclasses.replace(settings, graph_memory=memory)
        arm = task.make_together_arm(name, 0, settings, num_examples=7)
        assert isinstance(arm, ComputedTextArm) != is_held


def test_what_cannot_be_trained_together_is_refused(
    predictor_folder, elmo_folder, tmp_path, monkeypatch
):
    predictor = ["--predictor", str(predictor_folder), "--output", str(tmp_path)]
    if keras.backend.backend() != "jax":
        with pytest.raises(SystemExit, match="is for JAX"):
            compare.main(["imdb", *TINY, *predictor, "--together"])
        monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
        monkeypatch.setattr(runner, "versions", dict)  # JAX may not be installed
    with pytest.raises(SystemExit, match="Models of dependency_labels"):
        arguments = ["dependency_labels", "--size", "smoke", "--together"]
        compare.main([*arguments, "--output", str(tmp_path)])
    with pytest.raises(SystemExit, match="--top-k does not go with --together"):
        arguments = ["imdb", *TINY, *predictor, "--top-k", "3", "--arms", "learned"]
        compare.main([*arguments, "--together"])
    task = ImdbTask()
    settings = settings_of(task, *TINY, *predictor, "--graph-memory", "0")
    with pytest.raises(UsageError, match="learned.local .*--graph-memory 0"):
        task.make_together_arm("learned+local", 0, settings, num_examples=9)
    with pytest.raises(SystemExit, match="model of all their examples, 0.0 GiB"):
        arguments = ["imdb", *TINY, *predictor, "--features", f"elmo:{elmo_folder}"]
        compare.main([*arguments, "--together", "--graph-memory", "0"])


def test_the_rate_of_later_seeds_is_that_of_the_first(predictor_folder, tmp_path):
    task = ImdbTask()
    rates = ["--learning-rates", "0.1", "0.01"]
    arguments = [*TINY, "--output", tmp_path, "--predictor", predictor_folder]
    settings = settings_of(task, *arguments, *rates)
    assert rates_to_try(settings, "none", [0, 1]) == [0.01, 0.1]
    with pytest.raises(UsageError, match="rate of none is chosen by seed 0"):
        rates_to_try(settings, "none", [1, 2])
    run = {"arm": "none", "graph_on": "", "seed": 0, "learning_rate": 0.1}
    run |= {"task": "imdb", "test": {}, "settings": {}, "scores": ""}
    records.append_runs(tmp_path, run)
    assert rates_to_try(settings, "none", [1, 2]) == [0.1]


def test_progress_stops_each_model_by_its_own_patience():
    """Two seeds at two rates; the last becomes infinite in its second epoch."""
    progress = Progress.start((2, 2), patience=2)
    ones = np.ones((2, 2))
    dev = [
        [[0.5, 0.5], [0.5, 0.5]],
        [[0.4, 0.6], [0.5, 0.9]],
        [[0.4, 0.6], [0.7, 0.9]],
        [[0.9, 0.6], [0.6, 0.9]],
    ]
    for epoch, scores in enumerate(dev, start=1):
        losses = np.where(epoch < 2, ones, [[1, 1], [1, np.nan]])
        progress.update(epoch, np.array(scores), losses)
    assert progress.epochs.tolist() == [[3, 4], [4, 1]]
    assert progress.best_epoch.tolist() == [[1, 2], [3, 1]]
    assert progress.summary(0, 0) == {"epochs": 3, "best_epoch": 1, "best_dev": 0.5}
    assert progress.summary(1, 1) == {"best_dev": None}
    assert progress.stopped.tolist() == [[True, True], [False, True]]
