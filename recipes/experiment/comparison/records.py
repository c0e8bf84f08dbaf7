"""Finished runs on disk: OUTPUT/runs.jsonl, a line a run, and scores by example."""

import json

import numpy as np

from experiment.comparison.options import run_settings
from experiment.text.graph_arms import PREDICTED_ARMS


def read_runs(output):
    """Finished runs, dicts; a line that was not written to its end is left out."""
    path = output / "runs.jsonl"
    runs = []
    lines = path.read_text().splitlines() if path.exists() else []
    for number, line in enumerate(lines, start=1):
        try:
            runs.append(json.loads(line))
        except ValueError:
            print(f"{path} line {number} is no whole run and is left out.")
    return runs


def append_run(output, run):
    """Add a finished run."""
    path = output / "runs.jsonl"
    torn = path.exists() and not path.read_bytes().endswith(b"\n")
    with path.open("a") as file:
        file.write("\n" * torn + json.dumps(run) + "\n")


def key(arm, graph_on, seed):
    """What tells a run from the others of a comparison: `none` has no site."""
    return arm, graph_on if arm != "none" else None, seed


def key_of(run):
    """`key` of a finished run."""
    return key(run["arm"], run["graph_on"], run["seed"])


def load_scores(output, runs, metric):
    """Scores of runs by test example: array `(runs, examples)`."""
    rows = []
    for run in runs:
        with np.load(output / run["scores"]) as arrays:
            rows.append(arrays[metric])
    return np.array(rows)


def check_settings(runs, options):
    """Runs with other settings must not end up in one table."""
    for run in runs:
        settings = run_settings(options, run["arm"])
        other = differences(run["settings"], settings)
        if other:
            raise ValueError(
                f"{options.output}/runs.jsonl holds runs with other settings "
                f"({other}). Give another --output, or the settings of those runs."
            )


def check_table(output, runs):
    """Refuse runs that cannot stand in one table."""
    settings, keys = {}, set()
    for run in runs:
        if key_of(run) in keys:
            raise ValueError(f"{output}/runs.jsonl holds a run twice: {key_of(run)}.")
        keys.add(key_of(run))
        for name, value in run["settings"].items():
            if settings.setdefault(name, value) != value:
                raise ValueError(
                    f"{output}/runs.jsonl holds runs of different settings ({name}: "
                    f"{settings[name]!r} and {value!r})."
                )


def predictors(runs):
    """Names of the graph predictors that runs used."""
    return {
        run["settings"]["predictor"] for run in runs if run["arm"] in PREDICTED_ARMS
    }


def differences(found, wanted):
    """What differs between two dicts of settings, in words; empty if nothing does."""
    return ", ".join(
        f"{name}: {found.get(name)!r}, not {value!r}"
        for name, value in wanted.items()
        if found.get(name) != value
    )
