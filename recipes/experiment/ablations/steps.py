"""The steps of a table: each is a run of another program, and is done once."""

import collections
import dataclasses
import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

from experiment.ablations.rows import ROWS
from experiment.ablations.settings import TASKS
from experiment.comparison.records import read_runs
from experiment.folders import read_array_settings
from experiment.folders import read_json
from glomo_keras.files import atomic_folder
from glomo_keras.files import write_json
from glomo_keras.pretraining.progress import duration

_PROGRAMS = Path(__file__).parents[2]
PRETRAINING = "pretraining"


class StepError(Exception):
    """A program that a step runs has failed."""


@dataclasses.dataclass(frozen=True)
class Step:
    """A pretraining, or a task.

    Attributes:
        row: str, one of `ROWS`.
        seed: int.
        name: str, `pretraining` or one of `TASKS`.
        folder: path, where its program writes.
    """

    row: str
    seed: int
    name: str
    folder: Path

    @property
    def log(self):
        """Path of what its program prints."""
        return self.folder.with_suffix(".log")

    @property
    def is_done(self):
        return (self.folder / "done.json").exists()

    @property
    def seconds(self):
        """Seconds that the program has taken that finished the step."""
        return read_json(self.folder / "done.json")["seconds"]


def list_steps(settings):
    """Return the steps of the rows and tasks of settings, in the order of work."""
    steps = []
    for seed in range(settings.seeds):
        for row in settings.rows:
            if ROWS[row].is_pretrained:
                steps.append(_step(settings, row, seed, PRETRAINING))
            steps += [_step(settings, row, seed, task) for task in settings.tasks]
    return steps


def _step(settings, row, seed, name):
    return Step(row, seed, name, settings.output / row / f"seed_{seed}" / name)


def run_steps(settings):
    """Run what is not done, with a line a step; return the names of what failed.

    What follows from a step that fails is left out, and all others are run.
    """
    steps = list_steps(settings)
    todo = [step for step in steps if not step.is_done]
    taken, failed = collections.defaultdict(list), []
    for step in steps:
        if step.is_done:
            taken[step.name].append(step.seconds)
    print(f"{len(steps)} steps, {len(steps) - len(todo)} of them done.", flush=True)
    if todo:
        print(f"How long a step takes is in its log, {todo[0].log}", flush=True)
    for number, step in enumerate(todo, start=1):
        of_row = f"{step.row}, seed {step.seed}"
        title = f"{of_row}, {step.name}"
        if f"{of_row}, {PRETRAINING}" in failed:
            print(f"{title}: left out, its pretraining has failed", flush=True)
            continue
        try:
            seconds = _run(settings, step)
        except StepError as error:
            print(f"{title}: FAILED: {error}", flush=True)
            failed.append(title)
            continue
        taken[step.name].append(seconds)
        left = _time_left(todo[number:], taken)
        print(f"{title}: {seconds:.0f} s, {_result(step)}; step {number} of "
              f"{len(todo)}{left}", flush=True)  # fmt: skip
    return failed


def _run(settings, step):
    """Run the program of a step; return the seconds."""
    step.folder.mkdir(parents=True, exist_ok=True)
    if step.name in ("imdb", "nli"):
        _share_arrays(settings, step)
    started = time.monotonic()
    with step.log.open("ab") as lines:
        status = subprocess.run(
            command(settings, step), stdout=lines, stderr=subprocess.STDOUT
        ).returncode
    if status:
        line = _last_line(step.log).removeprefix("error: ")
        raise StepError(f"{line} (status {status}, see {step.log})")
    seconds = time.monotonic() - started
    write_json(step.folder / "done.json", {"seconds": round(seconds)})
    return seconds


def command(settings, step):
    """Return the command line of a step, a list of str."""
    row = ROWS[step.row]
    if step.name == PRETRAINING:
        options = ["--size", settings.size, *_corpus(settings.prepared)]
        options += ["--epochs", settings.epochs, "--pictures-every", 0]
        options += ["--steps-per-epoch", settings.steps // settings.epochs]
        options += [*shlex.split(settings.pretrain), *row.options]
        options += ["--seed", step.seed, "--output", step.folder, "--resume"]
        program = "pretrain_text.py"
    else:
        options = [TASKS[step.name].name, "--arms", row.arm, "--size", settings.size]
        options += ["--seeds", 1, "--first-seed", step.seed, "--output", step.folder]
        if row.is_pretrained:
            options += ["--predictor", step.folder.parent / PRETRAINING / "preset"]
        options += settings.options_of(step.name)
        program = "compare.py"
    return [sys.executable, str(_PROGRAMS / program), *map(str, options)]


def _corpus(prepared):
    """Return the options that prepared arrays were made by."""
    made_by = read_array_settings(prepared)
    options = ["--prepared", prepared, "--corpus", made_by["spec"]]
    for name in ("valid_spec", "limit", "vocabulary_size"):
        if made_by.get(name) is not None:
            option = name.replace("spec", "corpus").replace("_", "-")
            options += [f"--{option}", made_by[name]]
    return options if made_by["lowercase"] else [*options, "--keep-case"]


def _share_arrays(settings, step):
    """Use the arrays of another run of the task on the same vocabulary.

    Its files are linked: programs replace arrays as a whole and never write into them.
    """
    arrays = step.folder / "arrays"
    for other in sorted(settings.output.glob(f"*/seed_*/{step.name}/arrays")):
        row = ROWS.get(other.parents[2].name)
        has_same = row and row.is_pretrained == ROWS[step.row].is_pretrained
        if has_same and (other / "metadata.json").exists() and not arrays.exists():
            with atomic_folder(arrays) as temporary:
                for file in other.iterdir():
                    _link(file, temporary / file.name)


def _link(file, path):
    try:
        os.link(file, path)
    except OSError:  # no such links here, or a file of somebody else
        shutil.copy2(file, path)


def _result(step):
    if step.name == PRETRAINING:
        notes = read_json(step.folder / "preset" / "metadata.json")["training"]
        specificity = mean_of_heads(notes["heads"]["specificity"])
        return (
            "empty graphs" if specificity is None else f"specificity {specificity:.2f}"
        )
    (run,) = read_runs(step.folder)
    return ", ".join(f"{name} {100 * v:.2f}%" for name, v in run["test"].items())


def mean_of_heads(values):
    """Return the mean over directions, layers and heads of what a preset notes.

    Args:
        values: dict of `forward` and `backward`, nested lists `[layer][head]`, with
            `None` where nothing was counted.

    Returns:
        Float, or `None` where nothing was counted of any head.
    """
    heads = [v for layers in values.values() for layer in layers for v in layer]
    heads = [value for value in heads if value is not None]
    return sum(heads) / len(heads) if heads else None


def _time_left(steps, taken):
    """Return what steps take, as long as those of their kind that were run."""
    if not any(taken[step.name] for step in steps):
        return ""
    means = {name: sum(times) / len(times) for name, times in taken.items() if times}
    unknown = sorted({step.name for step in steps} - means.keys())
    seconds = sum(means.get(step.name, 0) for step in steps)
    without = f" without {' and '.join(unknown)}" if unknown else ""
    return f", about {duration(seconds)} left{without}"


def _last_line(log):
    lines = log.read_text(errors="replace").split("\n")
    return next((line for line in reversed(lines) if line.strip()), "no output")
