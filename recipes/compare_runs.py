"""Compare runs of `pretrain_text.py` at equal steps.

    python recipes/compare_runs.py runs/learned runs/uniform runs/zeros

Prints, for the last epoch that all runs have finished, the nats of the next unit on the
fixed validation windows by direction, and the differences to the first run.
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
    _, settings = next(iter(runs.values()))
    print(
        f"After epoch {epoch}, {epoch * settings['steps_per_epoch']:,} steps of "
        f"{settings['batch_size']} windows of {settings['window']} units; nats of the "
        "next unit:"
    )
    print(f"{'run':<24}{'forward':>10}{'backward':>10}{'all steps':>11}   to the first")
    first = None
    for folder, (rows, _) in runs.items():
        row = rows[epoch - 1]
        nats = [math.log(float(row[f"val_{d}_perplexity"])) for d in DIRECTIONS]
        first = first or nats
        differences = ", ".join(
            f"{value - start:+.3f}" for value, start in zip(nats, first, strict=True)
        )
        print(
            f"{folder.name:<24}{nats[0]:>10.3f}{nats[1]:>10.3f}"
            f"{float(row['val_nats']):>11.3f}   {differences}"
        )


if __name__ == "__main__":
    main()
