"""The learning rate of every arm: tried on dev, recorded, and shown."""

import json

import compare
import pytest
from experiment.comparison import learning_rates
from experiment.comparison import records
from experiment.comparison.settings import Settings
from experiment.folders import read_lines
from experiment.process import UsageError
from experiment.text.imdb import ImdbTask
from tiny_tasks import TINY
from tiny_tasks import settings_of


def test_every_arm_takes_the_rate_that_is_best_by_dev(
    predictor_folder, tmp_path, monkeypatch, capsys
):
    """The dev scores are given, so that the arms want other rates."""
    wanted = {"none": 0.001, "uniform": 0.01}
    tried = []

    class Trained:
        seconds = 1.0

        def __init__(self, distance):
            self.summary = {"epochs": 2, "best_epoch": 2, "best_dev": 0.9 - distance}

    def train(task, data, settings, arm_name, seed, folder, clock):
        folder.mkdir(parents=True)
        tried.append((arm_name, settings.learning_rate, seed))
        if settings.learning_rate > 1:
            raise FloatingPointError("the loss is not finite")
        return Trained(abs(settings.learning_rate - wanted[arm_name]))

    monkeypatch.setattr(learning_rates, "train", train)
    arguments = ["imdb", "--output", str(tmp_path), "--seeds", "1", *TINY]
    arguments += ["--predictor", str(predictor_folder), "--arms", "none", "uniform"]
    rates = ["--learning-rates", "100", "0.01", "0.001"]
    compare.main([*arguments, *rates])
    assert tried == [(a, r, 0) for a in wanted for r in (0.001, 0.01, 100.0)]
    trials = read_lines(tmp_path / "learning_rates.jsonl")
    assert [trial["best_dev"] is None for trial in trials] == [False, False, True] * 2
    runs = records.read_runs(tmp_path)
    assert {run["arm"]: run["learning_rate"] for run in runs} == wanted
    for run in runs:
        assert run["settings"]["learning_rates"] == [100.0, 0.01, 0.001]
        assert "learning_rate" not in run["settings"]
    rows = [line.split(" | ") for line in capsys.readouterr().out.splitlines()]
    (place,) = {row.index("rate") for row in rows if "rate" in row}
    shown = {row[0]: row[place] for row in rows if row[0] in ("| none", "| uniform")}
    assert shown == {"| none": "0.001", "| uniform": "0.01"}

    compare.main([*arguments, *rates, "--seeds", "2"])  # what was tried is not repeated
    assert len(tried) == 6 and len(records.read_runs(tmp_path)) == 4
    with pytest.raises(SystemExit, match="holds runs with other settings .learning_r"):
        compare.main(arguments)
    with pytest.raises(SystemExit, match="learning_rates: .*, not .0.01"):
        compare.main([*arguments, "--learning-rates", "0.01"])


def test_the_best_training_is_that_of_a_run(predictor_folder, tmp_path, capsys):
    arguments = ["imdb", "--seeds", "1", *TINY, "--arms", "none"]
    arguments += ["--predictor", str(predictor_folder)]
    rates = ["--learning-rates", "1e-6", "0.01"]
    compare.main([*arguments, *rates, "--output", str(tmp_path / "rates")])
    assert capsys.readouterr().out.count("epoch 1/") == 2  # once at each rate
    assert list((tmp_path / "rates/runs").iterdir()) == []
    (run,) = records.read_runs(tmp_path / "rates")
    rate = ["--learning-rate", f"{run['learning_rate']}"]
    compare.main([*arguments, *rate, "--output", str(tmp_path / "one")])
    (alone,) = records.read_runs(tmp_path / "one")
    for key in ("epochs", "best_epoch", "best_dev", "test"):
        assert run[key] == alone[key]


def test_rates_at_which_nothing_is_finite_are_told(predictor_folder, tmp_path):
    arguments = ["imdb", "--output", str(tmp_path), "--seeds", "1", *TINY]
    arguments += ["--predictor", str(predictor_folder), "--arms", "none"]
    with pytest.raises(SystemExit, match="at none of the learning rates 1e.28, 1e.30"):
        compare.main([*arguments, "--learning-rates", "1e28", "1e30"])
    assert records.read_runs(tmp_path) == []


@pytest.fixture
def task():
    task = ImdbTask()
    task.identify_data = lambda data: []
    return task


def trial_line(settings, arm, rate):
    trial = {
        "arm": arm, "graph_on": "embeddings", "learning_rate": rate, "data": [],
        "settings": learning_rates._trial_settings(settings, arm),
    }  # fmt: skip
    return json.dumps(trial) + "\n"


def test_trainings_are_counted_without_those_that_are_done(task, tmp_path):
    rates = [0.1, 0.2, 0.4]
    settings = settings_of(task, "--output", tmp_path, "--learning-rates", *rates)

    def count(*arms, seeds):
        missing = [(arm, seed) for seed in seeds for arm in arms]
        more = learning_rates.num_trials(task, None, settings, missing)
        return len(missing) + more

    assert count("none", seeds=range(5)) == 7  # 3 trials, of which one is the first run
    assert count("none", "uniform", seeds=range(5)) == 14
    assert count("none", seeds=range(1, 5)) == 7
    tried = [trial_line(settings, "none", rate) for rate in rates]
    (tmp_path / "learning_rates.jsonl").write_text("".join(tried[:2]))
    assert count("none", seeds=range(5)) == 5
    (tmp_path / "learning_rates.jsonl").write_text("".join(tried))
    assert count("none", seeds=range(1, 5)) == 4
    assert count("none", seeds=range(5)) == 4  # of the first one the test is left
    assert count("none", "uniform", seeds=range(5)) == 4 + 7
    for more in (["--learning-rates", 0.1], []):
        settings = settings_of(task, "--output", tmp_path, *more)
        assert count("none", "uniform", seeds=range(5)) == 10


def test_trials_of_other_settings_do_not_count(task, tmp_path):
    arguments = ["--output", tmp_path, "--learning-rates", 0.1, 0.2]
    settings = settings_of(task, *arguments)
    line = trial_line(settings, "none", 0.1)
    (tmp_path / "learning_rates.jsonl").write_text(line)
    more = settings_of(task, *arguments, 0.4)
    assert learning_rates._find_trial(task, None, more, "none", 0.1) == json.loads(line)
    other = settings_of(task, *arguments, "--units", 7)
    assert learning_rates._find_trial(task, None, other, "none", 0.1) is None


def test_one_rate_is_recorded_as_it_was(tmp_path):
    settings = settings_of(ImdbTask(), "--output", tmp_path)
    recorded = settings.recorded("none")
    assert recorded["learning_rate"] == 1e-3 and "learning_rates" not in recorded
    assert learning_rates.tuned(None, None, settings, "none") is settings
    one = settings_of(ImdbTask(), "--output", tmp_path, "--learning-rates", 0.5)
    assert learning_rates.tuned(None, None, one, "none").learning_rate == 0.5
    assert isinstance(one, Settings)
    with pytest.raises(UsageError, match="must be positive. Received: -1.0"):
        settings_of(ImdbTask(), "--output", tmp_path, "--learning-rate", -1)


def test_of_equal_rates_the_lowest_is_taken(tmp_path):
    settings = settings_of(
        ImdbTask(), "--output", tmp_path, "--learning-rates", 0.2, 0.1
    )
    trials = [{"learning_rate": rate, "best_dev": 0.5} for rate in (0.2, 0.1)]
    assert learning_rates.best_rate(settings, "none", trials) == 0.1
