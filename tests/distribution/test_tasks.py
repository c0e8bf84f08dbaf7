"""The tasks on two devices and by two workers: what they are on one device."""

import json
import re

import numpy as np
import pytest
import worker_processes as processes

pytestmark = pytest.mark.distributed

PROGRAM = processes.ROOT / "tests" / "distribution" / "on_devices.py"
# Without dropout, whose mask is another on several devices.
OPTIONS = (
    "--size smoke --epochs 2 --num-train 32 --num-dev 16 --num-test 16 --seeds 1 "
    "--dropout 0 --graph-dropout 0 --batch-size 8"
).split()
TASKS = {
    "imdb": ["--arms", "none", "learned", "--learning-rates", "0.002", "0.004"],
    "squad": ["--arms", "learned"],
    "dependency_labels": ["--arms", "none", "gold"],
    "cifar10": ["--arms", "none", "uniform"],
}


def results(folder, log):
    """Losses of all epochs as they were printed, and records without what varies."""
    losses = re.findall(r"loss ([\d.]+), dev .*? ([\d.]+)%", log.read_text())
    runs = (folder / "runs.jsonl").read_text().splitlines()
    runs = [json.loads(line) for line in runs]
    kept = ("arm", "seed", "learning_rate", "epochs", "best_epoch", "best_dev", "test")
    return np.array(losses, float), [{name: run[name] for name in kept} for run in runs]


def start(task, folder, log, strategy, number=1, **environment):
    arguments = [number, "float64", "compare", task, *OPTIONS, *TASKS[task]]
    arguments += ["--output", folder]
    return processes.start(
        log, PROGRAM, *arguments, "--strategy", strategy, **environment
    )


def start_two(folder):
    """Start two workers; `(process, log)` of each."""
    workers = []
    for index, config in enumerate(processes.cluster(2)):
        log = folder / f"worker_{index}.log"
        process = start("imdb", folder, log, "multiworker", TF_CONFIG=config)
        workers.append((process, log))
    return workers


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """Return results of a task on one device, and its folder."""
    kept = {}

    def run(task):
        if task not in kept:
            folder = tmp_path_factory.mktemp(task)
            log = folder / "run.log"
            processes.finish(start(task, folder, log, "none"), log)
            kept[task] = results(folder, log), folder
        return kept[task]

    return run


@pytest.mark.parametrize("task", TASKS)
def test_two_devices_train_what_one_trains(task, alone, tmp_path):
    (losses, runs), _ = alone(task)
    log = tmp_path / "run.log"
    processes.finish(start(task, tmp_path, log, "mirrored", 2), log)
    found, found_runs = results(tmp_path, log)
    assert found.shape == losses.shape and len(losses) >= 2
    np.testing.assert_allclose(found[:, 0], losses[:, 0], atol=1.1e-4)
    assert found_runs == [
        {
            **run,
            "best_dev": pytest.approx(run["best_dev"]),
            "test": pytest.approx(run["test"]),
        }
        for run in runs
    ]


def test_two_workers_train_what_one_trains(alone, tmp_path):
    """Arrays are prepared before; one worker writes, and all go on after a kill."""
    (losses, runs), folder = alone("imdb")
    for process, log in start_two(tmp_path):
        assert process.wait(timeout=120) == 1
        assert "Prepare them first" in log.read_text()
    (tmp_path / "arrays").symlink_to(folder / "arrays")
    for process, log in start_two(tmp_path):
        processes.finish(process, log)
        found, found_runs = results(tmp_path, log)
        np.testing.assert_allclose(found[:, 0], losses[:, 0], atol=1.1e-4)
    assert found_runs == [
        {
            **run,
            "best_dev": pytest.approx(run["best_dev"]),
            "test": pytest.approx(run["test"]),
        }
        for run in runs
    ]


def test_batches_that_devices_cannot_share_are_refused(tmp_path):
    log = tmp_path / "run.log"
    arguments = ["imdb", *OPTIONS, "--batch-size", "7", "--output", tmp_path]
    arguments = [2, "float64", "compare", *arguments, "--strategy", "mirrored"]
    process = processes.start(log, PROGRAM, *arguments)
    assert process.wait(timeout=120) == 1
    assert "Received: 7 for 2 devices" in log.read_text()
    assert "Traceback" not in log.read_text()
