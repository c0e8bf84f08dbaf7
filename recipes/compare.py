"""Arms x seeds of a task, resumable, and the table of them.

    python recipes/compare.py imdb --data imdb --features vectors:vectors.txt.gz \
        --num-train 250 --seeds 5 --output runs/imdb_250
    python recipes/compare.py nli ... --plan        # hours, measured, before anything
    python recipes/compare.py nli ... --table       # the table of what is finished
    python recipes/compare.py nli --table --output runs/nli_vectors \
        --against runs/nli_elmo runs/nli_both       # and what other features give
    python recipes/compare.py nli --table --dev --output runs/nli \
        --against runs/nli_dropout                  # settings, by dev alone

Every finished run is a line of OUTPUT/runs.jsonl and is never repeated; a killed run
goes on after its last epoch. Options that are not listed here are those of the task:
see `python recipes/imdb.py --help`. The epoch is chosen on a part of train, and the
test examples are read once, at the end of a run.
"""

import argparse
import time
from pathlib import Path

import experiment.process
from experiment.comparison import runner
from experiment.comparison.arms import ARMS
from experiment.comparison.options import make_parser
from experiment.comparison.options import make_settings
from experiment.comparison.plan import print_plan
from experiment.comparison.records import check_settings
from experiment.comparison.records import key_of
from experiment.comparison.records import make_key
from experiment.comparison.records import read_runs
from experiment.comparison.tables import dev_table
from experiment.comparison.tables import table
from experiment.comparison.tables import table_of_outputs
from experiment.folders import hold
from experiment.images.cifar10 import Cifar10Task
from experiment.text.imdb import ImdbTask
from experiment.text.nli import NliTask
from experiment.text.squad import SquadTask

TASKS = {task.name: task for task in (ImdbTask, NliTask, SquadTask, Cifar10Task)}


def parse_arguments(arguments=None):
    """Parse the command line: what to do, the task, and its settings."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        add_help=False,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("task", choices=TASKS)
    add("--arms", nargs="+", choices=ARMS, help="(default: all that the task has)")
    add("--seeds", type=int, default=5, help="of each arm (default: 5)")
    add("--plan", action="store_true", help="measure steps and print the hours")
    add("--table", action="store_true", help="print the table of what is finished")
    add(
        "--against",
        nargs="+",
        type=Path,
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
    options.arms = options.arms or task.arms
    if set(options.arms) - set(task.arms):
        parser.error(f"{task.name} has the arms {', '.join(task.arms)}")
    if (options.against or options.dev) and not options.table:
        parser.error("--against and --dev are for --table")
    task_options = make_parser(task, task.__doc__).parse_args(rest)
    settings = make_settings(task, task_options)
    if options.table and not read_runs(settings.output):
        parser.error(f"no run is finished in {settings.output}")
    return options, task, settings


def print_table(options, output):
    """Print the table of what is finished."""
    outputs = [output, *(options.against or [])]
    if options.dev:
        lines = dev_table(outputs)
    elif options.against:
        lines = table_of_outputs(outputs)
    else:
        lines = table(output, read_runs(output))
    print("\n".join(lines))


def run_missing(options, task, settings):
    """Run the arms and seeds that are not finished, seed by seed."""
    runs = read_runs(settings.output)
    check_settings(runs, settings)
    data = task.prepare(settings)
    if options.plan:
        print_plan(task, data, settings, options.arms, options.seeds)
        return
    finished = {key_of(run) for run in runs}
    missing = [
        (arm, seed)
        for seed in range(options.seeds)
        for arm in options.arms
        if make_key(arm, settings.graph_on, seed) not in finished
    ]
    started = time.monotonic()
    for number, (arm, seed) in enumerate(missing, start=1):
        print(f"{arm}, seed {seed}: run {number} of {len(missing)}", flush=True)
        runs.append(runner.run_and_record(task, data, settings, arm, seed))
        minutes_each = (time.monotonic() - started) / number / 60
        minutes_left = minutes_each * (len(missing) - number)
        print(f"  about {minutes_left:.0f} min left", flush=True)
    print("\n" + "\n".join(table(settings.output, runs)))


@experiment.process.one_line_errors()
def main(arguments=None):
    """Run what is not finished, then print the table."""
    options, task, settings = parse_arguments(arguments)
    experiment.process.prepare_process()
    if options.table:
        print_table(options, settings.output)
        return
    with hold(settings.output):
        run_missing(options, task, settings)


if __name__ == "__main__":
    main()
