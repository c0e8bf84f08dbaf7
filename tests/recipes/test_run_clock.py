"""What programs say of the time that their runs take."""

import keras
import numpy as np
import pytest
from experiment import run_clock
from experiment.run_clock import RunClock


@pytest.fixture
def clock(monkeypatch):
    """A clock that is set by hand."""
    times = [0.0]
    monkeypatch.setattr(run_clock.time, "monotonic", lambda: times[0])
    return times


def take_steps(steps, clock, seconds):
    for of_step in seconds:
        clock[0] += of_step
        steps.advance()


def test_a_run_is_estimated_once_from_steps_after_the_first(clock, capsys):
    runs = RunClock(4, num_trials=1)
    steps = runs.steps(100)
    # Four steps of 20 s, of which the first compiles; then 96 of 2 s.
    take_steps(steps, clock, [14, 2, 2, 2] + 12 * [2])
    assert capsys.readouterr().out == (
        "  at most about 4 min for this run, 18 min for all 5\n"
    )
    take_steps(runs.steps(100), clock, 16 * [0.5])  # another: all were said
    assert capsys.readouterr().out == "  at most about 50 s for this run\n"


def test_an_epoch_of_few_steps_is_enough(clock, capsys):
    steps = RunClock(None).steps(10)
    take_steps(steps, clock, [1])
    steps.on_epoch_end(0)
    assert capsys.readouterr().out == ""  # of one step, which compiles
    take_steps(steps, clock, [1, 3])
    steps.on_epoch_end(1)
    assert capsys.readouterr().out == "  at most about 26 s for this run\n"
    done = RunClock(1).steps(3)
    take_steps(done, clock, [1, 1, 1])
    done.on_epoch_end(0)
    assert capsys.readouterr().out == ""  # nothing is left


def test_runs_are_counted_and_what_is_left_is_said(clock, capsys):
    runs = RunClock(3)
    for _ in range(3):
        runs.begin("none, seed 0")
        clock[0] += 100
        runs.end()
    lines = capsys.readouterr().out.splitlines()
    assert lines[::2] == ["none, seed 0: run 1 of 3", "none, seed 0: run 2 of 3"] + [
        "none, seed 0: run 3 of 3"
    ]
    assert lines[1::2] == ["  about 3 min left", "  about 2 min left"]
    unknown = RunClock(None)
    unknown.begin("trial 0")
    unknown.end()
    assert capsys.readouterr().out == "trial 0: run 1\n"


def test_steps_of_a_training_are_counted(capsys):
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("sgd", "mse", run_eagerly=keras.backend.backend() == "tensorflow")
    steps = RunClock(1).steps(40)
    ones = np.ones((20, 1))
    model.fit(ones, ones, batch_size=1, epochs=2, callbacks=[steps], verbose=0)
    assert capsys.readouterr().out.count("at most about") == 1
