"""A search for settings: its space, its trials, a kill in its midst, its report."""

import json
import os
import signal
import subprocess
import sys
import time

import h5py
import pytest
import tune
from experiment.process import UsageError
from experiment.tuning import report
from experiment.tuning import tuner
from experiment.tuning.settings import CHOICES
from experiment.tuning.trials import judge_settings
from experiment.tuning.tuner import Trial
from experiment.tuning.tuner import check_space

pytest.importorskip("keras_tuner", reason="KerasTuner is not installed")
pytestmark = pytest.mark.filterwarnings("ignore:.* is deprecated:DeprecationWarning")
SPACE = ["embedding_dim=8,16", "num_heads=2", "num_graph_layers=1"]
SPACE += ["num_convolutions=1", "context_length=1"]
OPTIONS = ["--steps", "2", "--window", "64", "--num-classes", "0", "--space", *SPACE]
OPTIONS += ["--batch-size", "2", "--valid-windows", "4"]


def arguments(prepared, output, *more):
    return ["--prepared", str(prepared), "--output", str(output), *OPTIONS, *more]


def number_of_weights(path):
    """Return how many numbers a file of weights holds."""
    sizes = []
    with h5py.File(path) as file:
        file.visititems(lambda _, item: sizes.append(getattr(item, "size", 0)))
    return sum(sizes)


@pytest.fixture
def quick_trials(monkeypatch):
    """Trials that train nothing; the best rate is 0.002."""

    def run_trial(settings, corpus, classes, values, steps, folder, clock):
        if values["threshold"] == "nonsense":
            raise ValueError("`threshold` must be another.\nNot this.")
        return {"nats": abs(values["learning_rate"] - 0.002) + 1 / steps}

    monkeypatch.setattr(tuner, "run_trial", run_trial)


def test_every_trial_is_completed_and_has_weights(prepared, tmp_path, capsys, eagerly):
    tune.main(arguments(prepared, tmp_path, "--trials", "2"))
    rows = (tmp_path / "trials.md").read_text().splitlines()
    assert len(rows) == 2 + 2 and "\n".join(rows) in capsys.readouterr().out
    assert all(row.endswith("| completed |") for row in rows[2:])
    scores = [float(row.split("|")[2]) for row in rows[2:]]
    assert scores == sorted(scores) and 0 < scores[0] < 20
    assert (tmp_path / "trials.png").read_bytes().startswith(b"\x89PNG")
    presets = sorted(tmp_path.glob("trials/*/preset/*.weights.h5"))
    assert len(presets) == 2
    assert all(number_of_weights(path) > 1_000 for path in presets)


@pytest.mark.parametrize("name", ["random", "bayesian"])
def test_more_trials_go_on_with_those_that_are_there(
    name, prepared, tmp_path, capsys, quick_trials
):
    tune.main(arguments(prepared, tmp_path, "--trials", "5", "--tuner", name))
    tune.main(arguments(prepared, tmp_path, "--trials", "7", "--tuner", name))
    assert capsys.readouterr().out.count(" steps: ") == 7
    assert len((tmp_path / "trials.md").read_text().splitlines()) == 2 + 7
    with pytest.raises(SystemExit, match="holds a search with other settings .*seed"):
        tune.main(arguments(prepared, tmp_path, "--tuner", name, "--seed", "1"))


def test_a_bayesian_search_models_after_six_trials(prepared, tmp_path, quick_trials):
    drawn = {}
    for name in ("random", "bayesian"):
        more = ["--trials", "8", "--tuner", name]
        tune.main(arguments(prepared, tmp_path / name, *more))
        files = sorted((tmp_path / name / "search").glob("trial_*/trial.json"))
        trials = [json.loads(file.read_text())["hyperparameters"] for file in files]
        drawn[name] = [trial["values"] for trial in trials]
    assert drawn["random"][:6] == drawn["bayesian"][:6]
    assert drawn["random"][6:] != drawn["bayesian"][6:]


def test_hyperband_gives_better_trials_more_steps(
    prepared, tmp_path, capsys, quick_trials
):
    more = ["--steps", "900", "--tuner", "hyperband"]
    tune.main(arguments(prepared, tmp_path, *more))
    printed = capsys.readouterr().out
    counts = [printed.count(f", {steps} steps: ") for steps in (100, 300, 900)]
    assert counts[0] > counts[1] >= counts[2] > 0
    best = (tmp_path / "trials.md").read_text().splitlines()[2]
    assert "| 900 |" in best


@pytest.mark.slow
def test_a_killed_search_goes_on(prepared, tmp_path):
    command = [sys.executable, tune.__file__, *arguments(prepared, tmp_path)]
    command += ["--trials", "2"]
    log = tmp_path / "log.txt"
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    deadline = time.monotonic() + 200
    while "nats" not in log.read_text():
        assert process.poll() is None and time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "trial 0" not in done.stdout and "trial 1" in done.stdout
    rows = (tmp_path / "trials.md").read_text().splitlines()[2:]
    assert len(rows) == 2 and all(row.endswith("| completed |") for row in rows)


def test_a_trial_that_fails_is_shown_with_its_error(prepared, tmp_path, quick_trials):
    space = ["--space", *SPACE, "threshold=entmax,nonsense"]
    tune.main(arguments(prepared, tmp_path, *space, "--trials", "6"))
    rows = (tmp_path / "trials.md").read_text().splitlines()[2:]
    failed = [row for row in rows if "| nonsense |" in row]
    assert 0 < len(failed) < 6 and failed == rows[-len(failed) :]
    assert all(
        "| failed: ValueError: `threshold` must be another." in r for r in failed
    )


def test_the_judge_may_decide(prepared, tmp_path, capsys, eagerly):
    judge = "--size smoke --steps 4 --epochs 2"
    more = ["--objective", "judge", "--judge", judge, "--trials", "1"]
    tune.main(arguments(prepared, tmp_path, *more))
    rows = (tmp_path / "trials.md").read_text().splitlines()
    assert rows[0].startswith("| trial | judge | nats |")
    (record,) = tmp_path.glob("trials/*/judge/runs.jsonl")
    best_dev = json.loads(record.read_text())["best_dev"]
    assert float(rows[2].split("|")[2]) == pytest.approx(best_dev, abs=1e-4)
    assert 0 < best_dev <= 1


def test_options_of_the_judge_are_checked(prepared, tmp_path, capsys):
    more = ["--objective", "judge", "--judge", "--nonsense 3"]
    with pytest.raises(SystemExit, match="--judge must be options of dependency"):
        tune.main(arguments(prepared, tmp_path, *more))
    settings = tune.parse_settings(
        arguments(prepared, tmp_path, "--judge", "--steps 9")
    )
    _, of_judge = judge_settings(settings, tmp_path, "glomo_text_small_en", 4)
    assert (of_judge.steps, of_judge.num_mixtures) == (9, 4)


def test_a_space_is_given_in_place_of_another():
    space = check_space(CHOICES, ["num_heads=2,16", "dropout=0,0.5"])
    assert space["num_heads"] == (2, 16) and space["dropout"] == (0.0, 0.5)
    assert space["embedding_dim"] == CHOICES["embedding_dim"]
    for text, message in (
        ("heads=2", "one of embedding_dim"),
        ("num_heads=", "NAME=VALUE"),
        ("num_heads=two", "values like 4"),
    ):
        with pytest.raises(UsageError, match=message):
            check_space(CHOICES, [text])


def test_what_is_equal_is_left_out_and_failures_come_last(tmp_path):
    trials = [
        Trial(
            "1",
            {"a": 2, "b": 1, "c": "x"},
            0.5,
            {"nats": 0.5, "s": 1.0},
            "COMPLETED",
            "",
        ),
        Trial(
            "0",
            {"a": 4, "b": 1, "c": "y"},
            0.7,
            {"nats": 0.7, "s": 2.0},
            "COMPLETED",
            "",
        ),
        Trial("2", {"a": 8, "b": 1, "c": "y"}, None, {}, "FAILED", "ValueError: no"),
    ]
    assert report.table(trials, "nats") == [
        "| trial | nats | s | a | c | status |",
        "|---|---|---|---|---|---|",
        "| 1 | 0.5000 | 1 | 2 | x | completed |",
        "| 0 | 0.7000 | 2 | 4 | y | completed |",
        "| 2 |  |  | 8 | y | failed: ValueError: no |",
    ]
    report.draw(trials, "nats", False, tmp_path / "trials.png")
    assert (tmp_path / "trials.png").stat().st_size > 10_000
