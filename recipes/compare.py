r"""Arms x seeds of a task, resumable, and the table of them.

    python recipes/compare.py imdb --data imdb \
        --features vectors:vectors.txt.gz \
        --num-train 250 --seeds 5 --output runs/imdb_250
    python recipes/compare.py nli --output runs/nli --plan   # hours, at first
    python recipes/compare.py nli --output runs/nli --table  # of finished runs
    python recipes/compare.py nli --table --output runs/nli_vectors \
        --against runs/nli_elmo runs/nli_both       # what other features give
    python recipes/compare.py nli --table --dev --output runs/nli \
        --against runs/nli_dropout                  # settings, by dev alone

Every finished run is a line of OUTPUT/runs.jsonl and is never repeated; a
killed run goes on after its last epoch. Options that are not listed here are
those of the task: see `python recipes/imdb.py --help`. The epoch is chosen on
a part of train, and the test examples are read once, at the end of a run.
"""

import argparse
import dataclasses

import experiment.process
from experiment.comparison import runner
from experiment.comparison.arms import ARMS
from experiment.comparison.learning_rates import num_trials
from experiment.comparison.options import make_parser
from experiment.comparison.options import make_settings
from experiment.comparison.plan import print_plan
from experiment.comparison.records import key_of
from experiment.comparison.records import make_key
from experiment.comparison.records import read_runs
from experiment.comparison.settings import Settings
from experiment.comparison.tables import DEV_LEGEND
from experiment.comparison.tables import LEGEND
from experiment.comparison.tables import OUTPUTS_LEGEND
from experiment.comparison.tables import dev_table
from experiment.comparison.tables import table
from experiment.comparison.tables import table_of_outputs
from experiment.comparison.task import Task
from experiment.comparison.together import check_together
from experiment.dependencies.task import DependencyTask
from experiment.images.cifar10 import Cifar10Task
from experiment.process import UsageError
from experiment.process import non_negative_int
from experiment.process import positive_int
from experiment.run_clock import RunClock
from experiment.text.imdb import ImdbTask
from experiment.text.nli import NliTask
from experiment.text.squad import SquadTask

from glomo_keras.files import named_path

TASKS = {
    task.name: task
    for task in (ImdbTask, NliTask, SquadTask, Cifar10Task, DependencyTask)
}

SMOKE_ARMS = ("none", "learned")


@dataclasses.dataclass(frozen=True)
class Comparison:
    """What is to be done.

    Attributes:
        task: `Task`.
        settings: `Settings` of its runs.
        arms: tuple of str.
        seeds: range of the seeds of each arm.
        together: bool, whether seeds and learning rates of an arm train at once.
        do: str: `run`, `prepare`, `plan`, `table` or `dev_table`.
        against: tuple of paths, outputs that the table compares with.
    """

    task: Task
    settings: Settings
    arms: tuple
    seeds: range
    together: bool
    do: str
    against: tuple


def parse_arguments(arguments=None):
    """Parse the command line into a `Comparison`."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        add_help=False,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("task", choices=TASKS, help="whose options follow")
    add(
        "--arms",
        nargs="+",
        choices=ARMS,
        help="(default: those of the task; at --size smoke: none learned)",
    )
    add(
        "--seeds",
        type=positive_int,
        help="of each arm (default: 5; at --size smoke: 1)",
    )
    add(
        "--first-seed",
        type=non_negative_int,
        default=0,
        help="the seeds from it on (default: 0)",
    )
    add(
        "--together",
        action="store_true",
        help="train all seeds and learning rates of an arm in one program of JAX, for "
        "GPUs, which one model does not fill",
    )
    add("--plan", action="store_true", help="measure steps and print the hours")
    add("--table", action="store_true", help="print the table of what is finished")
    add(
        "--against",
        nargs="+",
        type=named_path,
        default=(),
        help="outputs of the same task with other features, for the --table",
    )
    add(
        "--dev",
        action="store_true",
        help="with --table: the scores on dev of the epochs chosen, to choose settings "
        "by; outputs --against may differ in any",
    )
    add("-h", "--help", action="help", help="show this and stop")
    options, rest = parser.parse_known_args(arguments)
    task = TASKS[options.task]()
    task_options = make_parser(task, task.__doc__).parse_args(rest)
    is_smoke = task_options.size == "smoke"
    arms = options.arms or (SMOKE_ARMS if is_smoke else task.arms)
    arms = tuple(dict.fromkeys(arms))  # each of them once
    seeds = options.seeds or (1 if is_smoke else 5)
    known = (*task.arms, *task.extra_arms)
    if set(arms) - set(known):
        parser.error(f"{task.name} has the arms {', '.join(known)}")
    if (options.against or options.dev) and not options.table:
        parser.error("--against and --dev are for --table")
    chosen = {
        "plan": options.plan,
        "prepare": task_options.prepare_only,
        "dev_table": options.dev,
        "table": options.table,
    }
    return Comparison(
        task,
        make_settings(task, task_options),
        arms,
        range(options.first_seed, options.first_seed + seeds),
        options.together,
        next((name for name, is_chosen in chosen.items() if is_chosen), "run"),
        tuple(options.against),
    )


def print_table(comparison):
    """Print the table of what is finished."""
    output = comparison.settings.output
    outputs = [output, *comparison.against]
    for folder in outputs:
        runs = read_runs(folder)
        if not runs:
            raise UsageError(f"No run is finished in {folder}.")
        if runs[0]["task"] != comparison.task.name:
            raise UsageError(f"{folder} holds runs of the task {runs[0]['task']}.")
    if comparison.do == "dev_table":
        lines = [DEV_LEGEND, "", *dev_table(outputs)]
    elif comparison.against:
        lines = [OUTPUTS_LEGEND, "", *table_of_outputs(outputs)]
    else:
        runs = read_runs(output)
        notes = comparison.task.table_notes(runs)
        lines = [LEGEND, "", *table(output, runs), *notes]
    print("\n".join(lines))


def run_missing(comparison):
    """Run the arms and seeds that are not finished, seed by seed."""
    task, settings = comparison.task, comparison.settings
    if comparison.together:
        check_together(task)
    data, runs = runner.prepare(task, settings)
    if comparison.do == "prepare":
        return
    if comparison.do == "plan":
        print_plan(task, data, settings, comparison.arms, len(comparison.seeds))
        return
    finished = {key_of(run) for run in runs}
    missing = [
        (arm, seed)
        for seed in comparison.seeds
        for arm in comparison.arms
        if make_key(arm, settings.graph_on, seed) not in finished
    ]
    if comparison.together:
        clock = RunClock(len({arm for arm, _ in missing}))
        for arm in comparison.arms:
            seeds = [seed for of_arm, seed in missing if of_arm == arm]
            if seeds:
                clock.begin(f"{arm}, seeds {', '.join(map(str, seeds))}")
                runs += runner.run_together(task, data, settings, arm, seeds, clock)
                clock.end()
    else:
        runs += run_one_by_one(task, data, settings, missing)
    lines = table(settings.output, runs) + task.table_notes(runs)
    print("\n" + "\n".join([LEGEND, "", *lines]))


def run_one_by_one(task, data, settings, missing):
    """Run pairs of an arm and a seed; return their records."""
    clock = RunClock(len(missing), num_trials(task, data, settings, missing))
    runs = []
    for arm, seed in missing:
        clock.begin(f"{arm}, seed {seed}")
        runs.append(runner.run_and_record(task, data, settings, arm, seed, clock))
        clock.end()
    return runs


@experiment.process.one_line_errors()
def main(arguments=None):
    """Run what is not finished, then print the table."""
    comparison = parse_arguments(arguments)
    experiment.process.prepare_process()
    if comparison.do in ("table", "dev_table"):
        print_table(comparison)
        return
    settings = comparison.settings
    with settings.devices.lost_workers(), runner.held_output(settings):
        run_missing(comparison)


if __name__ == "__main__":
    main()
