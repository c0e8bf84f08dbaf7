"""Runs that are killed in the midst of an epoch, on two devices and of two workers."""

import csv
import json
import time

import h5py
import numpy as np
import pytest
import worker_processes as processes

pytestmark = pytest.mark.distributed

PROGRAM = processes.ROOT / "tests" / "distribution" / "on_devices.py"
STEPS = 60
# Positions and units of the softmax are drawn: generators have to go on as well.
OPTIONS = (
    "--corpus planted --limit 2000 --window 64 --shift 64 --embedding-dim 12 "
    "--num-graph-layers 1 --num-heads 3 --key-dim 4 --num-classes 0 --num-positions 20 "
    "--num-sampled 8 --context-length 1 --batch-size 4 --epochs 2 --valid-windows 6 "
    f"--pictures-every 0 --save-every 7 --steps-per-epoch {STEPS}"
).split()


def start(folder, prepared, strategy, *more):
    """Start a run, on two devices or by two workers; `(process, log)` of each."""
    configs, number = [{}], 2
    if strategy == "multiworker":
        configs, number = [{"TF_CONFIG": c} for c in processes.cluster(2)], 1
    arguments = [number, "float32", "pretrain_text", *OPTIONS, *more]
    arguments += ["--output", folder, "--prepared", prepared, "--strategy", strategy]
    folder.mkdir(exist_ok=True)
    started = []
    for index, config in enumerate(configs):
        log = folder / f"process_{index}.txt"
        started.append((processes.start(log, PROGRAM, *arguments, **config), log))
    return started


def saved_state(folder):
    """Finished epochs, and steps of the next, that the checkpoint holds."""
    path = folder / "checkpoints" / "CURRENT"
    state = json.loads(path.read_text()) if path.exists() else {}
    return state.get("epochs", 0), state.get("steps", 0)


def wait_for(folder, started, state):
    """Wait until a run has saved a state in the midst of an epoch."""
    deadline = time.monotonic() + 200
    while saved_state(folder) < state or not saved_state(folder)[1]:
        assert time.monotonic() < deadline
        assert all(process.poll() is None for process, _ in started)
        time.sleep(0.01)


def state_of(folder):
    """All that the checkpoint of a run holds, by name: weights and generators."""
    (path,) = (folder / "checkpoints").glob("*.weights.h5")
    arrays = {}
    with h5py.File(path) as file:

        def keep(name, value):
            if isinstance(value, h5py.Dataset):
                arrays[name] = np.array(value)

        file.visititems(keep)
    (path,) = (folder / "checkpoints").glob("*.npz")
    with np.load(path) as states:
        arrays.update(states)
    return arrays


def losses_of(folder):
    """The means of both epochs, of training and of validation."""
    with (folder / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["0", "1"]
    return [[float(row[name]) for name in ("loss", "val_nats")] for row in rows]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("planted")
    started = start(folder / "run", folder / "ids", "mirrored", "--prepare-only")
    for process, log in started:
        processes.finish(process, log)
    return folder / "ids"


@pytest.mark.parametrize("strategy", ["mirrored", "multiworker"])
def test_a_run_killed_in_the_midst_of_epochs_is_the_run_that_was_not(
    strategy, prepared, tmp_path
):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for process, log in start(whole, prepared, strategy):
        processes.finish(process, log)
    for state in ((0, 14), (1, 21)):
        started = start(killed, prepared, strategy, "--resume")
        wait_for(killed, started, state)
        for process, _ in started:
            process.kill()
            process.wait()
        assert 0 < saved_state(killed)[1] < STEPS
    for process, log in start(killed, prepared, strategy, "--resume"):
        processes.finish(process, log)
    assert saved_state(killed) == (2, 0)
    expected, found = state_of(whole), state_of(killed)
    assert expected.keys() == found.keys()
    assert sum(name.startswith("state_") for name in found) >= 2
    for name, array in found.items():
        np.testing.assert_allclose(array, expected[name], atol=1e-6, err_msg=name)
    np.testing.assert_allclose(losses_of(killed), losses_of(whole), atol=1e-5)
