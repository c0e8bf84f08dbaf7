"""Finished runs on disk: OUTPUT/runs.jsonl, a line a run, and scores by example."""

import collections
import zipfile

import numpy as np

from experiment.comparison.arms import PREDICTED_ARMS
from experiment.folders import append_lines
from experiment.folders import read_lines
from experiment.process import UsageError
from glomo_keras.pretraining.run_folder import differences

# What every run has, and of which type.
FIELDS = {
    "task": str,
    "arm": str,
    "graph_on": str,
    "seed": int,
    "test": dict,
    "settings": dict,
    "scores": str,
}
# Settings that are recorded for the arms alone that have them, see `Settings.recorded`.
OF_SINGLE_ARMS = ("predictor", "attention")


def read_runs(output):
    """Read the finished runs of a folder.

    Args:
        output: path of the folder.

    Returns:
        List of dicts.

    Raises:
        UsageError: if a line is damaged, or is no run; one that was not written to its
            end is left out, and said.
    """
    path = output / "runs.jsonl"
    runs = read_lines(path)
    for number, run in enumerate(runs, start=1):
        missing = [
            name for name in FIELDS if not isinstance(run.get(name), FIELDS[name])
        ]
        if missing:
            raise UsageError(
                f"{path}, line {number}, is no run of a task: it has no "
                f"{', '.join(missing)}. Give another folder."
            )
    return runs


def append_runs(output, *runs):
    """Add finished runs, all or none of them."""
    append_lines(output / "runs.jsonl", *runs)


def make_key(arm_name, graph_on, seed):
    """Return what tells a run from the others of a comparison: `none` has no site."""
    return arm_name, graph_on if arm_name != "none" else None, seed


def key_of(run):
    """Return the `make_key` of a finished run."""
    return make_key(run["arm"], run["graph_on"], run["seed"])


def load_scores(output, runs, metric):
    """Load the scores of runs by test example: array `(runs, examples)`."""
    return np.array([load_array(output, run, metric) for run in runs])


def load_array(output, run, name):
    """Load an array of the scores of a run.

    Args:
        output: path of the folder.
        run: dict.
        name: str, `examples` or a metric.

    Raises:
        UsageError: if the file is damaged, or has no such array.
        FileNotFoundError: if it is missing.
    """
    path = output / run["scores"]
    try:
        with np.load(path) as arrays:
            return arrays[name]
    except (EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise UsageError(
            f"{path} is damaged, or has no {name}. Remove the line of its run "
            f"({run['arm']}, seed {run['seed']}) and run it again."
        ) from error


def setting_differences(saved, given):
    """Return the `differences` of recorded settings.

    Of those that only `saved` has, too: some are recorded where they are not the
    default alone.
    """
    return differences(saved, dict.fromkeys(saved) | given)


def check_settings(runs, settings):
    """Raise UsageError where finished runs have other settings.

    Args:
        runs: list of dicts.
        settings: `Settings` of the runs that are to come.
    """
    for run in runs:
        given = settings.recorded(run["arm"])
        different = setting_differences(run["settings"], given)
        if different:
            raise UsageError(
                f"{settings.output}/runs.jsonl holds runs with other settings "
                f"({different}). Give another --output, or the settings of those runs."
            )


def check_data(runs, output, data):
    """Raise UsageError where finished runs are of other data.

    Args:
        runs: list of dicts. Those that do not say what data they are of may go on.
        output: path of their folder.
        data: list of dicts, what identifies the data.
    """
    for run in runs:
        if run.get("data", data) != data:
            raise UsageError(
                f"{output}/runs.jsonl holds runs on other data ({run['data']}, not "
                f"{data}). Give another --output, or the data of those runs."
            )


def check_sources(runs):
    """Raise UsageError where runs of several folders read other files of one name.

    Files that only some of them read are not looked at: of vectors, where the features
    differ.

    Args:
        runs: list of dicts. Those that do not say what data they are of may go on.
    """
    known = {}
    for run in runs:
        of_run = collections.defaultdict(list)
        for source in run.get("data", ()):
            of_run[source.get("name")].append(source)
        for name, sources in of_run.items():
            if known.setdefault(name, sources) != sources:
                raise UsageError(
                    f"The runs are on other data: {known[name]} and {sources}. Give "
                    "folders of runs on the same."
                )


def check_table(output, runs):
    """Raise UsageError for runs that cannot stand in one table."""
    keys = set()
    check_data(runs, output, next((run["data"] for run in runs if "data" in run), None))
    for run in runs:
        if key_of(run) in keys:
            raise UsageError(f"{output}/runs.jsonl holds a run twice: {key_of(run)}.")
        keys.add(key_of(run))
        for metric, value in run["test"].items():
            if not np.isfinite(value):
                raise UsageError(
                    f"{output}/runs.jsonl holds a run without a result: {key_of(run)} "
                    f"has {metric} {value}. Remove its line, and run it again."
                )
    _check_same_settings(output, runs)


def _check_same_settings(output, runs):
    for name in sorted(set().union(*(run["settings"] for run in runs))):
        values = [
            run["settings"].get(name)
            for run in runs
            if name not in OF_SINGLE_ARMS or name in run["settings"]
        ]
        for value in values:
            if value != values[0]:
                raise UsageError(
                    f"{output}/runs.jsonl holds runs of different settings ({name}: "
                    f"{values[0]!r} and {value!r})."
                )


def predictors(runs):
    """Return the names of the graph predictors that runs used."""
    return {
        run["settings"]["predictor"] for run in runs if run["arm"] in PREDICTED_ARMS
    }
