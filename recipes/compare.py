"""Arms x seeds of a task, resumable, and the table of them.

    python recipes/compare.py imdb --data imdb --features vectors:vectors.txt.gz \
        --num-train 250 --seeds 5 --output runs/imdb_250
    python recipes/compare.py nli ... --plan        # hours, measured, before anything
    python recipes/compare.py nli ... --table       # the table of what is finished
    python recipes/compare.py nli --table --output runs/nli_vectors \
        --against runs/nli_elmo runs/nli_both       # and what other features give

Every finished run is a line of OUTPUT/runs.jsonl and is never repeated; a killed run
goes on after its last epoch. Options that are not listed here are those of the task:
see `python recipes/imdb.py --help`. The epoch is chosen on a part of train, and the
test examples are read once, at the end of a run.
"""

import argparse
import importlib
import time
from pathlib import Path

import numpy as np
import task_options
import task_runs
from bootstrap import paired_difference
from graph_arms import ARMS
from run_records import check_settings
from run_records import check_table
from run_records import key
from run_records import key_of
from run_records import load_scores
from run_records import predictors
from run_records import read_runs
from settings import differences

TASKS = ("imdb", "nli", "squad", "cifar10")
# Percent of Tables 1 and 3 of the paper, by task, test set or model, then by arm and
# site. Written down from memory: compare them with the paper before quoting them.
PAPER = {
    "imdb": {
        "none": {"accuracy": 88.51},
        "learned, embeddings": {"accuracy": 89.16},
    },
    "nli dev_matched": {
        "none": {"accuracy": 77.14},
        "learned, embeddings": {"accuracy": 78.32},
    },
    "nli dev_mismatched": {
        "none": {"accuracy": 77.40},
        "learned, embeddings": {"accuracy": 78.00},
    },
    "cifar10 18": {
        "none": {"accuracy": 90.93},
        "learned, pixels": {"accuracy": 91.55},
    },
    "cifar10 34": {
        "none": {"accuracy": 91.42},
        "learned, pixels": {"accuracy": 91.70},
    },
    "squad": {
        "none": {"exact_match": 69.33, "f1": 78.73},
        "learned, embeddings": {"exact_match": 70.84, "f1": 79.90},
        "learned, rnn_states": {"exact_match": 71.30, "f1": 80.24},
    },
}
PLAN_STEPS = 5


def table(output, runs):
    """Lines of the table in Markdown: a row an arm and site, by metric.

    The last column is the paper's, of larger models that were trained on all of train.
    """
    check_table(output, runs)
    lines = []
    paper = _paper(runs)
    for metric in runs[0]["test"]:
        lines += [
            f"| {metric} | mean | sd | seeds | to none | to matched "
            "| the paper, full size |",
            "|---|---|---|---|---|---|---|",
        ]
        for arm, site, name in _rows(runs):
            chosen = _of(runs, arm, site)
            cells = [name, *_mean_and_spread(chosen, metric)]
            for other in ("none", "matched"):
                cells.append(
                    _difference(output, runs, metric, chosen, other, site)
                    if arm != other
                    else ""
                )
            row = arm if arm == "none" else f"{arm}, {site}"
            cells.append(str(paper.get(row, {}).get(metric, "")))
            lines.append(f"| {' | '.join(cells)} |")
        lines.append("")
    if paper:
        lines.append("The paper's numbers are as remembered, not checked against it.")
    return lines + mixes(runs)


def _rows(runs):
    """Yields arm, site and name of the rows of a table."""
    sites = sorted({run["graph_on"] for run in runs if run["arm"] != "none"})
    for arm in ARMS:
        for site in sites if arm != "none" else [None]:
            if _of(runs, arm, site):
                several = len(sites) > 1 and arm != "none"
                yield arm, site, f"{arm}, {site}" if several else arm


def _mean_and_spread(runs, metric):
    """Cells with the mean, the standard deviation and the number of seeds."""
    values = 100 * np.array([run["test"][metric] for run in runs])
    return f"{values.mean():.2f}", _spread(values), str(len(values))


def _spread(values):
    """Standard deviation; nothing for a single value."""
    return f"{values.std(ddof=1):.2f}" if len(values) > 1 else ""


def _paper(runs):
    """The paper's numbers of the runs' task; toys and other features have none."""
    settings = runs[0]["settings"]
    if settings.get("data", "embedded") in ("embedded", "shapes"):
        return {}
    if not settings.get("features", "vectors:").startswith("vectors:"):
        return {}
    suffix = {"nli": "test", "cifar10": "depth"}.get(runs[0]["task"])
    name = runs[0]["task"] + (f" {settings[suffix]}" if suffix else "")
    return PAPER.get(name, {})


def mixes(runs):
    """Lines about the mix of a language model's layers, by arm, over the seeds."""
    lines = []
    for arm in ARMS:
        found = [r["elmo_mix"] for r in runs if r["arm"] == arm and "elmo_mix" in r]
        if found:
            rows = np.array([[*mix["shares"], mix["gamma"]] for mix in found])
            *shares, gamma = [
                f"{values.mean():.2f} (sd {_spread(values) or 'unknown'})"
                for values in rows.T
            ]
            lines.append(f"{arm}: layers {', '.join(shares)}; gamma {gamma}")
    return lines


def table_of_outputs(outputs):
    """Lines of a table that compares the runs of several outputs, arm by arm.

    Differences are to the runs of the first output with the same arm, site and seed.
    Arms that it has alone are left out.
    """
    runs = {output: read_runs(output) for output in outputs}
    _check_comparable(runs)
    first = outputs[0]
    others = {key_of(run): run for run in runs[first]}
    rows = list(_rows([run for output in outputs[1:] for run in runs[output]]))
    lines = []
    for metric in runs[first][0]["test"]:
        lines += [
            f"| {metric} | runs | mean | sd | seeds | to {first.name} |",
            "|---|---|---|---|---|---|",
        ]
        for arm, site, name in rows:
            for output in outputs:
                chosen = _of(runs[output], arm, site)
                if not chosen:
                    continue
                cells = [name, output.name, *_mean_and_spread(chosen, metric), ""]
                paired = [run for run in chosen if key_of(run) in others]
                if output != first and paired:
                    theirs = [others[key_of(run)] for run in paired]
                    cells[-1] = _interval(
                        load_scores(output, paired, metric),
                        load_scores(first, theirs, metric),
                        len(chosen),
                    )
                lines.append(f"| {' | '.join(cells)} |")
        lines.append("")
    for output in outputs:
        lines += [f"{output.name}, {line}" for line in mixes(runs[output])]
    return lines


def _check_comparable(runs):
    """Refuse outputs whose runs differ in more than their features."""
    empty = [str(output) for output, found in runs.items() if not found]
    if empty:
        raise ValueError(f"No run is finished in {', '.join(empty)}.")
    free = ("features", "elmo", "predictor")
    (first, ours), *others = (
        (output, {k: v for k, v in found[0]["settings"].items() if k not in free})
        for output, found in runs.items()
    )
    for output, found in runs.items():
        check_table(output, found)
    for output, theirs in others:
        different = differences(theirs, dict.fromkeys(theirs) | ours)
        if different:
            raise ValueError(
                f"{output} and {first} must differ in their features alone. They "
                f"differ in {different}."
            )
    used = set().union(*(predictors(found) for found in runs.values()))
    if len(used) > 1:
        raise ValueError(f"The graphs are of several predictors: {sorted(used)}.")
    examples = [_test_examples(output, found[0]) for output, found in runs.items()]
    if any(not np.array_equal(examples[0], other) for other in examples[1:]):
        raise ValueError("The runs were tested on other examples.")


def _test_examples(output, run):
    with np.load(output / run["scores"]) as arrays:
        return arrays["examples"]


def _of(runs, arm, site):
    chosen = [r for r in runs if r["arm"] == arm]
    if arm != "none":  # which has no site
        chosen = [r for r in chosen if r["graph_on"] == site]
    return sorted(chosen, key=lambda run: run["seed"])


def _difference(output, runs, metric, chosen, other, site):
    """Cell with the paired difference and its interval, over the common seeds."""
    others = {run["seed"]: run for run in _of(runs, other, site)}
    pairs = [(run, others[run["seed"]]) for run in chosen if run["seed"] in others]
    if not pairs:
        return ""
    ours, theirs = zip(*pairs, strict=True)
    return _interval(
        load_scores(output, ours, metric),
        load_scores(output, theirs, metric),
        len(chosen),
    )


def _interval(ours, theirs, num_seeds):
    mean, low, high = paired_difference(ours, theirs)
    cell = f"{100 * mean:+.2f} [{100 * low:+.2f}, {100 * high:+.2f}]"
    return cell if len(ours) == num_seeds else f"{cell} ({len(ours)} seeds)"


def plan(task, data, options, arms):
    """Print the hours of a comparison, from a few measured steps of each arm."""
    hours = 0.0
    train, dev, test = task_runs.choose_examples(task, data, options, seed=0)
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
        for part in task_runs.choose_examples(task, data, options, seed)[:2]:
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
    add("-h", "--help", action="help", help="show this and stop")
    own, rest = parser.parse_known_args(arguments)
    module = importlib.import_module(own.task)
    options = module.make_parser().parse_args(rest)
    options = task_options.finish_options(module.TASK, options)
    options.seeds = own.seeds
    arms = own.arms or module.TASK.arms
    if set(arms) - set(module.TASK.arms):
        parser.error(f"{own.task} has the arms {', '.join(module.TASK.arms)}")
    task_runs.prepare_process()
    output: Path = options.output
    runs = read_runs(output)
    if own.against and not own.table:
        parser.error("--against is for --table")
    if own.table:
        if not runs:
            parser.error(f"no run is finished in {output}")
        compared = [output, *own.against] if own.against else None
        lines = table_of_outputs(compared) if compared else table(output, runs)
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
        record = task_runs.run_and_record(module.TASK, data, options, arm, seed)
        runs.append(record)
        each = (time.monotonic() - started) / (number + 1)
        minutes = each * (len(left) - number - 1) / 60
        print(f"  about {minutes:.0f} min left", flush=True)
    print("\n" + "\n".join(table(output, runs)))


if __name__ == "__main__":
    main()
