"""Compare runs of `pretrain_text.py`, or of `pretrain_images.py`, at equal steps.

    python recipes/compare_pretraining.py runs/learned runs/uniform runs/zeros

Prints, for the last epoch that all runs have finished, by direction the nats
of the next unit on the fixed validation windows, or the bits per dimension of
the next pixel of the images held out, and the differences to the first run.
Runs whose steps, schedule, targets or validation differ are refused.
"""

import argparse
import math

import experiment.process
from experiment.folders import read_json
from experiment.process import UsageError
from experiment.process import positive_int
from experiment.process import usage_errors

from glomo_keras.files import named_path
from glomo_keras.ops import DIRECTIONS
from glomo_keras.pretraining.epoch_log import read_log
from glomo_keras.pretraining.run_folder import differences

# What must agree for losses to be of the same steps, targets and validation.
SHARED_SETTINGS = (
    "steps_per_epoch",
    "batch_size",
    "epochs",
    "optimizer",
    "learning_rate",
    "warmup",
    "objective",
    "context_length",
    "context_window",
    "num_classes",
    "two_level",
    "arrays",
    "corpus",
    "valid_corpus",
    "keep_case",
    "data",
    "limit",
    "vocabulary_size",
    "window",
    "min_units",
    "valid_windows",
    "image_size",
    "num_valid",
)


def read_settings(folders):
    """Return the settings that all runs share.

    Raises:
        UsageError: if they differ; names the runs and the settings.
    """
    first = None
    for folder in folders:
        settings = read_json(folder / "settings.json")
        shared = {name: settings.get(name) for name in SHARED_SETTINGS}
        for name in ("steps_per_epoch", "batch_size"):
            if not isinstance(shared[name], int):
                raise UsageError(
                    f"{folder} is no run of pretraining: its settings.json has no "
                    f"number {name}."
                )
        first = first or shared
        other = differences(shared, first)
        if other:
            raise UsageError(
                f"{folder} cannot be compared with {folders[0]} ({other}). Give runs "
                "of the same steps, schedule, targets and validation."
            )
    return first


def losses(row):
    """Return the losses of an epoch: nats of units, or bits of pixels.

    Returns:
        List of the losses of the next unit by direction, and the mean loss of all
        units that are predicted.

    Raises:
        UsageError: if the row has no such losses.
    """
    try:
        if "val_bits" in row:
            bits = [float(row[f"val_{direction}_bits"]) for direction in DIRECTIONS]
            return bits, float(row["val_bits"])
        perplexities = [float(row[f"val_{d}_perplexity"]) for d in DIRECTIONS]
        return list(map(math.log, perplexities)), float(row["val_nats"])
    except (KeyError, ValueError) as error:
        raise UsageError(f"A log.csv has no losses of validation ({error}).") from error


@experiment.process.one_line_errors()
def main(arguments=None):
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="+", type=named_path, help="folders of the runs")
    parser.add_argument(
        "--epoch",
        type=positive_int,
        help="compare after this epoch (default: the last that all have finished)",
    )
    options = parser.parse_args(arguments)
    experiment.process.prepare_process()
    settings = read_settings(options.runs)
    with usage_errors():
        logs = {folder: read_log(folder / "log.csv") for folder in options.runs}
    last = min(len(log) for log in logs.values())
    if not last:
        parser.error("a run has not finished its first epoch")
    epoch = options.epoch or last
    if epoch > last:
        parser.error(f"--epoch must be from 1 to {last}, which all runs have finished")

    rows = {folder: log[epoch - 1] for folder, log in logs.items()}
    steps = f"{epoch * settings['steps_per_epoch']:,} steps of {settings['batch_size']}"
    if "val_bits" in rows[options.runs[0]]:
        print(f"After epoch {epoch}, {steps} images; bits per dimension of the next "
              "pixel:")  # fmt: skip
    else:
        print(f"After epoch {epoch}, {steps} windows of {settings['window']} units; "
              "nats of the next unit:")  # fmt: skip
    print(f"{'run':<24}{'forward':>10}{'backward':>10}{'all steps':>11}   to the first")
    first, _ = losses(rows[options.runs[0]])
    for folder, row in rows.items():
        values, mean = losses(row)
        to_first = ", ".join(
            f"{value - start:+.3f}" for value, start in zip(values, first, strict=True)
        )
        print(
            f"{folder.name:<24}{values[0]:>10.3f}{values[1]:>10.3f}{mean:>11.3f}   "
            f"{to_first}"
        )


if __name__ == "__main__":
    main()
