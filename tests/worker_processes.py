"""Processes of a test, with time limits and a log each."""

import atexit
import contextlib
import json
import os
import pathlib
import socket
import subprocess
import sys

import glomo_keras

ROOT = pathlib.Path(glomo_keras.__file__).resolve().parents[1]
TRAIN = pathlib.Path(__file__).parent / "distribution" / "train_once.py"


def start(log, program, *arguments, backend="tensorflow", **environment):
    """Start a Python program whose output goes to a file."""
    with open(log, "w") as output:
        process = subprocess.Popen(
            [sys.executable, str(program), *map(str, arguments)],
            env={
                **os.environ,
                "KERAS_BACKEND": backend,
                "PYTHONPATH": str(ROOT),
                "TF_CPP_MIN_LOG_LEVEL": "3",
                **environment,
            },
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    atexit.register(process.kill)  # where a test fails before it waits for it
    return process


def finish(process, log, timeout=300):
    """Wait for the end of a process, which has to be a good one."""
    try:
        code = process.wait(timeout)
    finally:
        process.kill()
    assert code == 0, pathlib.Path(log).read_text()[-3000:]


def cluster(number):
    """Return the TF_CONFIG of every worker of a cluster of this machine."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        workers = [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    return [
        json.dumps(
            {
                "cluster": {"worker": workers},
                "task": {"type": "worker", "index": index},
            }
        )
        for index in range(number)
    ]
