"""Compare designs of graph predictors: likelihoods, graphs, and a judge.

    python recipes/compare_designs.py runs/grid/*

Each folder is a run of `pretrain_text.py`. If it holds a folder `judge` with
the runs of `compare.py dependency_labels` on its preset, their accuracy is a
column. Runs that differ in their seed alone are one row: their mean, with the
standard deviation; they must be on the same data. Prints a table in Markdown,
by the settings in which the runs differ, after their last epoch:

    units       read in training, in millions
    nats        of the validation windows; those of classes and of units do not
                compare
    specificity, effective senders, weight within 1 and 4 units: see
                docs/concepts.md
    judge       accuracy of labels of relations in percent, arm by arm
"""

import argparse
import collections
import math

import experiment.process
import numpy as np
from experiment.comparison.records import OF_SINGLE_ARMS
from experiment.comparison.records import check_sources
from experiment.comparison.records import check_table
from experiment.comparison.records import read_runs
from experiment.comparison.records import setting_differences
from experiment.folders import read_json
from experiment.process import UsageError
from experiment.process import usage_errors

from glomo_keras.files import named_path
from glomo_keras.pretraining.epoch_log import read_log

# What says where a run lies, how it was run and on which data; not how it is designed.
NO_DESIGN = (
    "arrays",
    "output",
    "patience",
    "pictures_every",
    "prepare_only",
    "prepared",
    "resume",
    "seed",
    "size",
)
EPOCH_SIZES = ("batch_size", "window", "steps_per_epoch")  # whose product is an epoch
LEGEND = (
    "Means over runs that differ in their seed alone, +- standard deviation; what is "
    "equal in all is left out."
)
COLUMNS = {
    "nats": ("val_nats", "{:.3f}"),
    "specificity": ("val_specificity", "{:.2f}"),
    "effective senders": ("val_effective_senders", "{:.1f}"),
    "within 1": ("val_within_1", "{:.0%}"),
    "within 4": ("val_within_4", "{:.0%}"),
}


def read_design(folder):
    """Return what one run is and what came of it.

    Args:
        folder: path of the run.

    Returns:
        `(settings, values, arrays)`: a dict of what may differ, a dict by column of
        floats, and what identifies the data.

    Raises:
        UsageError: if the run has no finished epoch, lacks a value, or was judged
            before it was trained on.
    """
    settings = read_json(folder / "settings.json")
    with usage_errors():
        log = read_log(folder / "log.csv")
    if not log:
        raise UsageError(f"{folder} has no finished epoch.")
    row = log[len(log) - 1]
    sizes = [settings.get(name) for name in EPOCH_SIZES]
    if not all(isinstance(size, int) for size in sizes):
        raise UsageError(
            f"{folder} is no run of pretrain_text.py: its settings.json must have the "
            f"numbers {', '.join(EPOCH_SIZES)}."
        )
    values = {"units": len(log) * math.prod(sizes) / 1e6}
    for name, (column, _) in COLUMNS.items():
        try:
            values[name] = float(row[column])
        except (KeyError, ValueError) as error:
            raise UsageError(f"{folder}/log.csv has no {column}.") from error
    scores = collections.defaultdict(list)
    for run in read_judge(folder):
        scores[f"judge, {run['arm']}"].append(100 * run["test"]["accuracy"])
    values |= {name: float(np.mean(score)) for name, score in scores.items()}
    design = {k: v for k, v in settings.items() if k not in NO_DESIGN}
    return design, values, settings.get("arrays")


def read_judge(folder):
    """Return the runs of the judge on the preset of a run; none if it was not judged.

    Args:
        folder: path of the run.

    Raises:
        UsageError: if they are of another task, or of a preset that is not the run's.
    """
    judge = folder / "judge"
    runs = read_runs(judge) if judge.exists() else []
    if not runs:
        return []
    check_table(judge, runs)
    if "accuracy" not in runs[0]["test"]:
        raise UsageError(f"{judge} holds runs of the task {runs[0]['task']}.")
    for run in runs:
        judged = run["settings"].get("predictor")
        if judged is None:  # of an arm without one
            continue
        fingerprint = read_json(folder / "preset" / "metadata.json")["fingerprint"]
        if judged.split()[-1] != fingerprint:
            raise UsageError(
                f"{judge} holds runs on the predictor {judged}, and {folder}/preset is "
                f"{fingerprint}. Remove {judge}, and judge the preset again."
            )
    return runs


def check_judges(folders):
    """Raise UsageError unless all runs were judged alike, on the same data."""
    runs = [(folder, run) for folder in folders for run in read_judge(folder)]
    check_sources([run for _, run in runs])
    settings = [
        (folder, {k: v for k, v in run["settings"].items() if k not in OF_SINGLE_ARMS})
        for folder, run in runs
    ]
    for folder, other in settings:
        different = setting_differences(other, settings[0][1])
        if different:
            raise UsageError(
                f"{folder}/judge and {settings[0][0]}/judge differ in their settings "
                f"({different}). Judge them alike."
            )


def make_table(folders):
    """Return the lines of the table.

    Args:
        folders: list of paths.

    Returns:
        List of strings.
    """
    designs = [read_design(folder) for folder in folders]
    check_judges(folders)
    names = sorted({name for settings, *_ in designs for name in settings})
    differing = [
        name
        for name in names
        if len({str(settings.get(name)) for settings, *_ in designs}) > 1
    ]
    groups, data = collections.defaultdict(list), {}
    for folder, (settings, values, arrays) in zip(folders, designs, strict=True):
        design = tuple(str(settings.get(name)) for name in differing)
        groups[design].append(values)
        first, first_arrays = data.setdefault(design, (folder, arrays))
        if arrays != first_arrays:
            raise UsageError(
                f"{first} and {folder} differ in their data (arrays: {first_arrays!r} "
                f"and {arrays!r}), so that they are no seeds of one design."
            )
    judged = sorted({name for _, values, _ in designs for name in values} - {*COLUMNS})
    judged.remove("units")
    header = [*differing, "runs", "units (M)", *COLUMNS, *judged]
    lines = [f"| {' | '.join(header)} |", f"|{'---|' * len(header)}"]
    for design, group in groups.items():
        cells = [*design, str(len(group)), _cell("{:.1f}", group, "units")]
        cells += [_cell(form, group, name) for name, (_, form) in COLUMNS.items()]
        cells += [_cell("{:.1f}", group, name) for name in judged]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _cell(form, group, name):
    """Return the mean of the runs that have a value, and how much they differ."""
    values = [values[name] for values in group if name in values]
    if not values:
        return "-"
    text = form.format(np.mean(values))
    if len(values) > 1 and np.ptp(values):
        text += f" +- {form.format(np.std(values, ddof=1))}"
    return text


@experiment.process.one_line_errors()
def main(arguments=None):
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="+", type=named_path, help="folders of the runs")
    options = parser.parse_args(arguments)
    experiment.process.prepare_process()
    print("\n".join([LEGEND, "", *make_table(options.runs)]))


if __name__ == "__main__":
    main()
