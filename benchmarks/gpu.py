"""Works of `speed.py` on a GPU: JAX, PyTorch eager and PyTorch compiled.

    KERAS_BACKEND=jax python benchmarks/gpu.py --output runs/gpu.jsonl
    KERAS_BACKEND=torch python benchmarks/gpu.py --output runs/gpu.jsonl
    KERAS_BACKEND=torch TORCH_COMPILE=1 python benchmarks/gpu.py --output runs/gpu.jsonl
    python benchmarks/gpu.py --table runs/gpu.jsonl

A process a framework, since a process takes its share of a GPU for good. They may run
at the same time, and measure in turn; leave the machine alone otherwise. Times are of a
step, its results ready, after warm-up. Products of float32 are of float32, not of TF32,
on both.
"""

import argparse
import importlib
import json
import os
import statistics
import tempfile
import time
from pathlib import Path

os.environ.setdefault("JAX_DEFAULT_MATMUL_PRECISION", "highest")

from harness.work import Contender
from speed import find_works
from works import attention

from glomo_keras.locking import locked

WORKS = (
    "messages_*_2048",
    "mixing_*",
    "pretraining_128*",
    "pretraining_256",
    "pretraining_recipe",
)


def contenders_of(work, framework):
    """Return what does some work on a framework; memory is not tuned on a GPU."""
    contenders = dict(work.contenders)
    if "threshold" in work.sizes:
        contenders["dense, JAX"] = Contender(attention.make_dense, "jax")
    return {
        name: contender
        for name, contender in contenders.items()
        if contender.backend == framework and not contender.tuned
    }


def measure(step, wait, seconds):
    """Return the median time of a step, in milliseconds."""
    wait(step())  # which compiles
    with locked(tempfile.gettempdir()):
        for _ in range(3):
            wait(step())
        times, started = [], time.perf_counter()
        while len(times) < 10 or time.perf_counter() - started < seconds:
            before = time.perf_counter()
            wait(step())
            times.append(time.perf_counter() - before)
    return 1000 * statistics.median(times)


def prepare(framework):
    """Return the name of the device, and a function that waits for results."""
    if framework == "jax":
        import jax

        return jax.devices()[0].device_kind, jax.block_until_ready
    import torch

    if not torch.cuda.is_available():
        return "CPU", lambda results: results
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False  # of convolutions and GRUs
    torch.set_default_device("cuda")
    return torch.cuda.get_device_name(), lambda _: torch.cuda.synchronize()


def make_table(records):
    """Return lines of Markdown: a work a row, a contender a column.

    Raises:
        ValueError: if times are of several devices.
    """
    devices = {record["device"] for record in records}
    if len(devices) > 1:
        raise ValueError(f"The times are of several devices: {sorted(devices)}.")
    names = list(dict.fromkeys(record["contender"] for record in records))
    lines = [f"| ms | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for work in dict.fromkeys(record["work"] for record in records):
        times = {r["contender"]: r["ms"] for r in records if r["work"] == work}
        cells = (f"{times[name]:.2f}" if name in times else "" for name in names)
        lines.append(f"| {work} | {' | '.join(cells)} |")
    return lines


def main():
    """Measure the works of a framework, or print the table of what was measured."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--work", nargs="+", default=WORKS, help=f"(default: {' '.join(WORKS)})")
    add("--seconds", type=float, default=0.5, help="least time of a measurement")
    add("--output", type=Path, help="file of JSON lines, which it adds to")
    add("--table", type=Path, metavar="FILE", help="print the table of a file")
    options = parser.parse_args()
    if options.table:
        lines = options.table.read_text("utf-8").splitlines()
        print("\n".join(make_table([json.loads(line) for line in lines])))
        return
    framework = os.environ.get("KERAS_BACKEND", "")
    if framework not in ("jax", "torch"):
        parser.error("KERAS_BACKEND must be jax or torch.")
    device, wait = prepare(framework)
    is_compiled = bool(os.environ.get("TORCH_COMPILE"))
    for _, name, work in find_works(options.work):
        if is_compiled and name.startswith("pretraining"):
            continue  # whose step is more than one function
        for contender_name, contender in contenders_of(work, framework).items():
            step = contender.make(**work.sizes, **contender.options)
            record = {
                "work": name,
                "contender": contender_name + ", compiled" * is_compiled,
                "ms": measure(step, wait, options.seconds),
                "device": device,
                "version": importlib.import_module(framework).__version__,
            }
            print(json.dumps(record), flush=True)
            if options.output:
                with options.output.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(record) + "\n")


if __name__ == "__main__":
    main()
