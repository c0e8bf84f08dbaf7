"""Time and memory of pretraining on images: whole graphs beside blocks of receivers.

    python benchmarks/image_memory.py
    python benchmarks/image_memory.py --size 16 --layers 2 --heads 4 --filters 48

The memory is what training steps take beyond what the process holds between them,
after the first one, which compiles. Each line is measured in a process of its own.
Linux only.
"""

import argparse
import ctypes
import os
import subprocess
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def measure(options):
    """Print seconds a training step and the memory it adds to that of the process."""
    import keras
    import numpy as np

    from glomo_keras.models import ImageGLoMoPretrainer
    from glomo_keras.models import ImageGraphPredictor

    predictor = ImageGraphPredictor(
        options.filters, num_graph_layers=options.layers, num_heads=options.heads
    )
    pretrainer = ImageGLoMoPretrainer(
        predictor, num_positions=options.positions, block_size=options.block or None
    )
    pretrainer.compile(keras.optimizers.Adam(), jit_compile=options.jit)
    shape = (options.batch_size, options.size, options.size, 3)
    images = np.random.default_rng(0).integers(0, 256, shape).astype("uint8")
    pretrainer.build((None, *shape[1:]))
    pretrainer.train_on_batch(images)  # compiles
    ctypes.CDLL(None).malloc_trim(0)  # or what compiling took would be taken again
    Path("/proc/self/clear_refs").write_text("5")  # the peak is counted anew
    before = memory("VmRSS")
    seconds = []
    for _ in range(options.repeats):
        started = time.perf_counter()
        pretrainer.train_on_batch(images)
        seconds.append(time.perf_counter() - started)
    print(float(np.median(seconds)), (memory("VmHWM") - before) / 2**20)


def memory(name):
    """Return a line of the process's status, in KiB."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition(f"{name}:")[2].split()[0])


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--size", type=int, default=32, help="rows and columns (default: 32)")
    add("--batch-size", type=int, default=32)
    add("--filters", type=int, default=64)
    add("--layers", type=int, default=3)
    add("--heads", type=int, default=8)
    add("--positions", type=int, default=64)
    add("--blocks", type=int, nargs="+", default=[0, 64, 128, 256],
        help="receivers of a block; 0 holds whole graphs")  # fmt: skip
    add("--repeats", type=int, default=3)
    add("--jit", action="store_true", help="compile with XLA")
    add("--block", type=int, help=argparse.SUPPRESS)  # of the measuring process
    options = parser.parse_args()
    if options.block is not None:
        measure(options)
        return
    print(f"{'receivers of a block':<22}{'s a step':>10}{'ratio':>8}{'GiB added':>12}")
    baseline = None
    for block in options.blocks:
        result = subprocess.run(
            [sys.executable, *sys.argv, "--block", str(block)],
            capture_output=True,
            text=True,
            check=False,
        )
        name = str(block) if block else "whole graphs"
        if result.returncode:
            print(f"{name:<22}  failed: {result.stderr.strip().splitlines()[-1:]}")
            continue
        seconds, gib = map(float, result.stdout.split()[-2:])
        baseline = baseline or seconds
        print(f"{name:<22}{seconds:>10.2f}{seconds / baseline:>8.2f}{gib:>12.2f}")


if __name__ == "__main__":
    main()
