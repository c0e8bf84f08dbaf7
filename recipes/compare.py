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
import importlib
import time
from pathlib import Path

import experiment.process
from experiment.comparison import runner
from experiment.comparison.options import finish_options
from experiment.comparison.records import check_settings
from experiment.comparison.records import key
from experiment.comparison.records import key_of
from experiment.comparison.records import read_runs
from experiment.comparison.tables import dev_table
from experiment.comparison.tables import table
from experiment.comparison.tables import table_of_outputs
from experiment.text.graph_arms import ARMS

TASKS = ("imdb", "nli", "squad", "cifar10")
PLAN_STEPS = 5


def plan(task, data, options, arms):
    """Print the hours of a comparison, from a few measured steps of each arm."""
    hours = 0.0
    train, dev, test = runner.choose_examples(task, data, options, seed=0)
    if getattr(data, "elmo", None) is not None:
        hours += _plan_layers(task, data, options, train, len(test))
    for arm in arms:
        graphs = task.make_arm(arm, 0, options)
        model = task.build(data, graphs.shape, options)
        batches = task.batches(data, "train", graphs, options, train, shuffle_seed=0)
        model.train_on_batch(*batches[0])  # compiles
        count = min(PLAN_STEPS, batches.num_batches)
        started = time.monotonic()
        for number in range(count):
            model.train_on_batch(*batches[number])
        step = (time.monotonic() - started) / count
        steps = batches.num_batches * options.epochs
        # An example that is only read costs about a third of one that is trained on.
        read = (len(dev) * options.epochs + len(test)) / options.batch_size / 3
        run_hours = step * (steps + read) / 3600
        hours += run_hours * options.seeds
        print(
            f"{arm:<10} {1000 * step:7.0f} ms a step, at most {steps:,} steps a run: "
            f"{run_hours:.2f} h a run, {run_hours * options.seeds:.2f} h for "
            f"{options.seeds} seeds",
            flush=True,
        )
    print(
        f"{'all':<10} at most {hours:.1f} h (early stopping and kept graphs lower it)"
    )


def _plan_layers(task, data, options, train, num_test):
    """Print and return the hours of the layers of a language model, computed once."""
    drawn = set()  # each seed draws its own part of train
    for seed in range(options.seeds):
        for part in runner.choose_examples(task, data, options, seed)[:2]:
            drawn.update(part.tolist())
    graphs = task.make_arm("none", 0, options)
    batches = task.batches(data, "train", graphs, options, train, shuffle_seed=0)
    count = min(PLAN_STEPS, batches.num_batches)
    batches[0]  # compiles
    started = time.monotonic()
    for number in range(count):
        batches[number]
    step = (time.monotonic() - started) / max(1, count - 1)
    hours = step * (len(drawn) + num_test) / options.batch_size / 3600
    print(f"layers of the language model, computed once: {hours:.2f} h", flush=True)
    return hours


def main(arguments=None):
    """Run what is not finished, then print the table."""
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
    own, rest = parser.parse_known_args(arguments)
    module = importlib.import_module(own.task)
    options = module.make_parser().parse_args(rest)
    options = finish_options(module.TASK, options)
    options.seeds = own.seeds
    arms = own.arms or module.TASK.arms
    if set(arms) - set(module.TASK.arms):
        parser.error(f"{own.task} has the arms {', '.join(module.TASK.arms)}")
    experiment.process.prepare_process()
    output: Path = options.output
    runs = read_runs(output)
    if (own.against or own.dev) and not own.table:
        parser.error("--against and --dev are for --table")
    if own.table:
        if not runs:
            parser.error(f"no run is finished in {output}")
        compared = [output, *(own.against or [])]
        if own.dev:
            lines = dev_table(compared)
        else:
            lines = table_of_outputs(compared) if own.against else table(output, runs)
        print("\n".join(lines))
        return
    check_settings(runs, options)
    data = module.TASK.prepare(options)
    if own.plan:
        plan(module.TASK, data, options, arms)
        return
    done = {key_of(run) for run in runs}
    left = [
        (arm, seed)
        for seed in range(own.seeds)
        for arm in arms
        if key(arm, options.graph_on, seed) not in done
    ]
    started = time.monotonic()
    for number, (arm, seed) in enumerate(left):
        print(f"{arm}, seed {seed}: run {number + 1} of {len(left)}", flush=True)
        record = runner.run_and_record(module.TASK, data, options, arm, seed)
        runs.append(record)
        each = (time.monotonic() - started) / (number + 1)
        minutes = each * (len(left) - number - 1) / 60
        print(f"  about {minutes:.0f} min left", flush=True)
    print("\n" + "\n".join(table(output, runs)))


if __name__ == "__main__":
    main()
