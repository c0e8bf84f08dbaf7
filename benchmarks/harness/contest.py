"""Contenders in turn, each in a process of its own."""

import contextlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from harness.machine import YARDSTICKS

ROOT = Path(__file__).resolve().parents[1]
# glibc maps and unmaps every block over 32 MiB otherwise, page by page.
TUNED = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "17179869184",
    "MALLOC_TOP_PAD_": "268435456",
}


class Process:
    """The process of a contender.

    Args:
        module: string, module of the work.
        work: string, name of the work.
        name: string, name of the contender.
        contender: `Contender`.
        threads: int, threads that it may use.
        log: file for what it prints.
    """

    def __init__(self, module, work, name, contender, threads, log):
        self.name = name
        paths = [str(ROOT), str(ROOT.parent), os.environ.get("PYTHONPATH", "")]
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
            "KERAS_BACKEND": contender.backend,
            "OMP_NUM_THREADS": str(threads),
            "OMP_WAIT_POLICY": "PASSIVE",  # threads that spin slow their neighbours
            "TF_CPP_MIN_LOG_LEVEL": "3",
        }
        environment |= TUNED if contender.tuned else {}
        self._log = log
        self._process = subprocess.Popen(
            [sys.executable, "-m", "harness.worker", module, work, name, str(threads)],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )

    def wait(self):
        """Wait until it has imported what it needs."""
        self._read()

    def ask(self, command):
        """Return what it answers to a command."""
        try:
            self._process.stdin.write(f"{command}\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # it has ended: `_read` says so
        return self._read()

    def close(self):
        """End it."""
        self._process.kill()
        self._process.wait()
        self._log.close()

    def _read(self):
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            self._log.seek(0)
            raise RuntimeError(
                f"{self.name} ended without an answer, with the exit code "
                f"{self._process.returncode} (-9: too little memory for all that are "
                f"there at a time). It printed:\n{self._log.read()}"
            )
        return json.loads(line)


def run_work(module, name, work, rounds, seconds, threads, yardsticks=YARDSTICKS):
    """Let the contenders of some work do it in turn.

    Args:
        module: string, module that has the work.
        name: string, its name there.
        work: `Work`.
        rounds: int, samples of every contender.
        seconds: float, least seconds of a sample.
        threads: int, threads of a contender.
        yardsticks: dict of contenders that tell the rates of the machine.

    Returns:
        Dict by name, of those whose backend is there and of the yardsticks, of dicts of
        `seconds`, a list of a sample a round, and `bytes`, what the first step takes
        beyond what the process holds before it, its compilation included.

    Raises:
        ValueError: if results are not those of the first contender.
        RuntimeError: if a contender fails.
    """
    contenders = {
        key: contender
        for key, contender in (work.contenders | yardsticks).items()
        if importlib.util.find_spec(contender.backend)
    }
    samples = {key: {"seconds": [], "bytes": None} for key in contenders}
    with tempfile.TemporaryDirectory() as folder:

        def take_samples(contenders, rounds):
            arguments = module, name, work, threads, Path(folder)
            with _processes(contenders, *arguments, samples) as processes:
                for _ in range(rounds):
                    for key, process in processes.items():
                        answer = process.ask(f"sample {seconds}")
                        samples[key]["seconds"].append(answer["seconds"])

        if work.apart:
            for key, contender in list(contenders.items()) * rounds:
                take_samples({key: contender}, 1)
        else:
            take_samples(contenders, rounds)
    return samples


@contextlib.contextmanager
def _processes(contenders, module, name, work, threads, folder, samples):
    """Give the processes of contenders, whose first step is done and compared."""
    processes = {}
    try:
        for key, contender in contenders.items():  # which import at the same time
            log = (folder / f"{len(processes)}.log").open("w+")
            processes[key] = Process(module, name, key, contender, threads, log)
        for key, process in processes.items():
            process.wait()
            num_bytes = process.ask("make")["bytes"]
            if not contenders[key].tuned:  # which takes more than is needed, in advance
                samples[key]["bytes"] = num_bytes
            reference, path = folder / "first.npz", folder / "results.npz"
            if not reference.exists():
                process.ask(f"results {reference}")
            elif contenders[key].same_results:
                process.ask(f"results {path}")
                _compare(reference, path, work.tolerance, key)
        yield processes
    finally:
        for process in processes.values():
            process.close()


def _compare(reference, path, tolerance, name):
    """Raise unless results are those of the first contender."""
    with np.load(reference) as expected, np.load(path) as received:
        if expected.files != received.files:
            raise ValueError(
                f"{name} must give the results of the first contender, "
                f"{expected.files}. Received: {received.files}."
            )
        for key in expected:
            if expected[key].shape != received[key].shape:
                raise ValueError(
                    f"{name} must give {key} of the shape {expected[key].shape}. "
                    f"Received: {received[key].shape}."
                )
            scale = np.abs(expected[key]).max()
            error = np.abs(expected[key] - received[key]).max()
            if not error <= tolerance * scale:
                raise ValueError(
                    f"{name} must give the results of the first contender. Received: "
                    f"{key} that differs by {error:.2g}, where the largest is "
                    f"{scale:.2g}; at most {tolerance:.0e} of it is allowed."
                )
