"""The process of one contender: does the work whenever it is told to.

Commands come as lines of standard input, answers go as lines of JSON to standard
output; what libraries print goes to standard error.
"""

import ctypes
import importlib
import json
import os
import sys
import time
from pathlib import Path

import numpy as np

from harness.machine import YARDSTICKS


def main():
    """Make the step of the contender of the arguments when told to, then do it."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    module, work, contender, threads = sys.argv[1:]
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(threads)])
    import_backend(os.environ["KERAS_BACKEND"], int(threads))
    work = importlib.import_module(module).WORKS[work]
    contender = (work.contenders | YARDSTICKS)[contender]
    print("{}", file=answers)  # ready
    sys.stdin.readline()
    step = contender.make(**work.sizes, **contender.options)
    ctypes.CDLL(None).malloc_trim(0)  # or what making it took would be taken again
    Path("/proc/self/clear_refs").write_text("5")  # the peak is counted anew
    before = read_memory("VmRSS")
    results = step()
    num_bytes = (read_memory("VmHWM") - before) * 1024
    print(json.dumps({"bytes": num_bytes}), file=answers)
    for command in sys.stdin:
        name, _, argument = command.strip().partition(" ")
        answer = COMMANDS[name](step, results, argument)
        print(json.dumps(answer), file=answers)


def import_backend(backend, threads):
    """Import a backend and tell it the number of threads."""
    module = importlib.import_module(backend)
    if backend == "torch":
        module.set_num_threads(threads)
    elif backend == "tensorflow":
        module.config.threading.set_intra_op_parallelism_threads(threads)
        module.config.threading.set_inter_op_parallelism_threads(threads)


def save_results(step, results, path):
    """Save the results of the first step."""
    arrays = {name: np.asarray(result) for name, result in results.items()}
    np.savez(path, **arrays)
    return {}


def sample(step, results, seconds):
    """Take the time of a step; of several, until some seconds are over."""
    started, steps = time.perf_counter(), 0
    while not steps or time.perf_counter() - started < float(seconds):
        step()
        steps += 1
    return {"seconds": (time.perf_counter() - started) / steps}


def read_memory(name):
    """Return a line of the process's status, in KiB."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition(f"{name}:")[2].split()[0])


COMMANDS = {"results": save_results, "sample": sample}

if __name__ == "__main__":
    main()
