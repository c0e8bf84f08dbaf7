"""The program of the guide to searches runs, where Optuna is installed."""

import pathlib
import re

import pytest

GUIDE = pathlib.Path(__file__).parents[1] / "docs" / "tuning.md"


def test_a_search_by_optuna(tmp_path, monkeypatch):
    optuna = pytest.importorskip("optuna", reason="Optuna is not installed")
    monkeypatch.chdir(tmp_path)
    (program,) = re.findall(r"```python\n(.*?)```", GUIDE.read_text("utf-8"), re.S)
    names = {}
    exec(compile(program, "tuning.md", "exec"), names)
    trials = names["study"].trials
    assert len(trials) == 3 and (tmp_path / "glomo.db").exists()
    states = optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED
    assert all(trial.state in states for trial in trials)
