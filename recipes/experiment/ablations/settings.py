"""Settings of a table of ablations."""

import dataclasses
from pathlib import Path

from experiment.comparison.options import parse_quoted
from experiment.comparison.options import split_quoted
from experiment.dependencies.task import DependencyTask
from experiment.folders import identify_arrays
from experiment.text.imdb import ImdbTask
from experiment.text.nli import NliTask

TASKS = {"judge": DependencyTask, "imdb": ImdbTask, "nli": NliTask}


@dataclasses.dataclass(frozen=True, kw_only=True)
class AblationSettings:
    """What decides the runs of a table.

    Attributes:
        output: path of its folder.
        prepared: path of the arrays that `pretrain_text.py` wrote; `None` until they
            are made up.
        size: str, of all programs.
        steps: int, of every pretraining.
        epochs: int, in which they are.
        pretrain: str, more options of `pretrain_text.py`.
        judge, imdb, nli: str, options of the tasks.
        seeds: int, of every row.
        rows: tuple of str, those to run.
        tasks: tuple of str, those to run.
    """

    output: Path
    prepared: Path | None
    size: str
    steps: int
    epochs: int
    pretrain: str
    judge: str
    imdb: str
    nli: str
    seeds: int
    rows: tuple
    tasks: tuple

    def recorded(self):
        """Return what all runs of a folder share, with options of tasks to be run."""
        names = ("size", "steps", "epochs", "pretrain", *self.tasks)
        recorded = {name: getattr(self, name) for name in names}
        return {**recorded, "arrays": identify_arrays(self.prepared)}

    def check_tasks(self):
        """Raise UsageError where options are none of their task, before all runs."""
        for task in self.tasks:
            options = ["--size", self.size, "--output", self.output]
            parse_quoted(TASKS[task](), [*options, *self.options_of(task)], f"--{task}")
        split_quoted(self.pretrain, "--pretrain")

    def options_of(self, task):
        """Return the options of a task as a list of str."""
        return split_quoted(getattr(self, task), f"--{task}")
