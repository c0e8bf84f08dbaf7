"""Compare runs of `pretrain_text.py`, or of `pretrain_images.py`, at equal steps.

    python recipes/compare_runs.py runs/learned runs/uniform runs/zeros

Prints, for the last epoch that all runs have finished, by direction the nats of the
next unit on the fixed validation windows, or the bits per dimension of the next pixel
of the images held out, and the differences to the first run.
"""

import argparse
import csv
import json
import math
from pathlib import Path

DIRECTIONS = ("forward", "backward")


def read_run(folder):
    """Rows of a run's log, and its settings."""
    with (folder / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    return rows, json.loads((folder / "settings.json").read_text())


def main(arguments=None):
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="+", type=Path, help="folders of the runs")
    parser.add_argument("--epoch", type=int, help="compare after this epoch (from 1)")
    options = parser.parse_args(arguments)
    runs = {folder: read_run(folder) for folder in options.runs}
    last = min(len(rows) for rows, _ in runs.values())
    epoch = min(options.epoch or last, last)
    if not epoch:
        parser.error("a run has not finished its first epoch")
    rows, settings = next(iter(runs.values()))
    steps = f"{epoch * settings['steps_per_epoch']:,} steps of {settings['batch_size']}"
    if "val_bits" in rows[0]:
        print(f"After epoch {epoch}, {steps} images; bits per dimension of the next "
              "pixel:")  # fmt: skip
    else:
        print(f"After epoch {epoch}, {steps} windows of {settings['window']} units; "
              "nats of the next unit:")  # fmt: skip
    print(f"{'run':<24}{'forward':>10}{'backward':>10}{'all steps':>11}   to the first")
    first = None
    for folder, (rows, _) in runs.items():
        values, of_all = losses(rows[epoch - 1])
        first = first or values
        differences = ", ".join(
            f"{value - start:+.3f}" for value, start in zip(values, first, strict=True)
        )
        print(
            f"{folder.name:<24}{values[0]:>10.3f}{values[1]:>10.3f}{of_all:>11.3f}   "
            f"{differences}"
        )


def losses(row):
    """Of the next unit by direction, and of all steps: nats, or bits of pixels."""
    if "val_bits" in row:
        return [float(row[f"val_{d}_bits"]) for d in DIRECTIONS], float(row["val_bits"])
    nats = [math.log(float(row[f"val_{d}_perplexity"])) for d in DIRECTIONS]
    return nats, float(row["val_nats"])


if __name__ == "__main__":
    main()
