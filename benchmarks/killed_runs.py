"""Kill a pretraining again and again, and see whether it is the run that was not.

    python benchmarks/killed_runs.py --output runs/killed

Two runs of `pretrain_text.py` with the same settings: one ends by itself, the other is
killed (SIGKILL) at random moments of its training, and resumed every time. Positions
and units of the softmax are drawn, so that generators have to go on as well. Printed
are the largest differences of their logs; the picture has both losses.
"""

import argparse
import csv
import json
import random
import subprocess
import sys
import time
from pathlib import Path

RECIPE = Path(__file__).parents[1] / "recipes" / "pretrain_text.py"
ARGUMENTS = (
    "--corpus planted --limit 2000 --window 64 --shift 64 --embedding-dim 32 "
    "--num-graph-layers 1 --num-heads 4 --key-dim 8 --num-classes 0 --num-positions 20 "
    "--num-sampled 8 --batch-size 16 --steps-per-epoch 40 --epochs 30 --patience 30 "
    "--valid-windows 40 --warmup 50 --learning-rate 0.01 --pictures-every 0 --no-jit"
).split()
COLUMNS = ("loss", "val_nats")
TOLERANCE = 1e-5  # nats


def start(output, prepared, save_every):
    """Start a run, or go on with it; return its process, which prints into a file."""
    command = [sys.executable, "-u", str(RECIPE), *ARGUMENTS, "--resume"]
    command += ["--output", str(output), "--prepared", str(prepared)]
    command += ["--save-every", str(save_every)]
    output.parent.mkdir(parents=True, exist_ok=True)
    with _printed(output).open("a") as log:
        return subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)


def _printed(output):
    return output.with_suffix(".txt")


def wait_for_a_save(process, output):
    """Wait until a run has saved a state, or ended."""
    before = saved_state(output)
    while process.poll() is None and saved_state(output) == before:
        time.sleep(0.02)


def finish(process, output):
    """Wait for a run to end, and stop where it fails."""
    if process.wait():
        raise SystemExit(f"A run failed: see the end of {_printed(output)}.")


def read_log(output):
    """Return the rows of a run's log."""
    with (output / "log.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def saved_state(output):
    """Return finished epochs, and steps of the next, that the last checkpoint holds."""
    path = output / "checkpoints" / "CURRENT"
    if not path.exists():
        return 0, 0
    state = json.loads(path.read_text("utf-8"))
    return state["epochs"], state["steps"]


def draw(whole, killed, path):
    """Draw the losses of both runs, one over the other."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4), layout="constrained")
    for name, color in zip(COLUMNS, ("tab:blue", "tab:orange"), strict=True):
        for rows, style, run in (
            (whole, {"linewidth": 5, "alpha": 0.35}, "not killed"),
            (killed, {"linewidth": 1.2}, "killed"),
        ):
            values = [float(row[name]) for row in rows]
            epochs = range(1, len(values) + 1)
            axes.plot(epochs, values, color=color, label=f"{name}, {run}", **style)
    axes.set_xlabel("epoch")
    axes.set_ylabel("nats")
    axes.legend()
    figure.savefig(path, dpi=110)


def main():
    """Train both, compare, draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--output", type=Path, required=True, help="folder of both runs")
    add("--kills", type=int, default=30, help="(default: 30)")
    add("--save-every", type=int, default=5, help="steps (default: 5)")
    add(
        "--longest",
        type=float,
        default=1.0,
        help="seconds from the first save to a kill (default: 1)",
    )
    add("--seed", type=int, default=0, help="of the moments (default: 0)")
    options = parser.parse_args()
    whole, killed = options.output / "whole", options.output / "killed"
    if killed.exists():
        parser.error(f"--output must hold no killed run yet. Received: {killed}")
    prepared = options.output / "prepared"
    finish(start(whole, prepared, options.save_every), whole)
    moments = random.Random(options.seed)
    for kill in range(1, options.kills + 1):
        process = start(killed, prepared, options.save_every)
        wait_for_a_save(process, killed)
        try:
            process.wait(moments.uniform(0, options.longest))
            print(f"The run ended by itself, after {kill - 1} kills.")
            break
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        epochs, steps = saved_state(killed)
        print(f"kill {kill}: {epochs} epochs and {steps} steps are saved", flush=True)
    finish(start(killed, prepared, options.save_every), killed)
    logs = read_log(whole), read_log(killed)
    if len(logs[0]) != len(logs[1]):
        raise SystemExit(f"The logs have {len(logs[0])} and {len(logs[1])} epochs.")
    differences = []
    for name in COLUMNS:
        rows = zip(*logs, strict=True)
        differences.append(max(abs(float(a[name]) - float(b[name])) for a, b in rows))
        print(f"{name}: largest difference {differences[-1]:.2g}")
    draw(*logs, options.output / "losses.png")
    print(f"The losses are drawn in {options.output / 'losses.png'}.")
    if not max(differences) < TOLERANCE:
        raise SystemExit(f"The runs differ by more than {TOLERANCE}.")


if __name__ == "__main__":
    main()
