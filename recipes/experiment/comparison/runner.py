"""Runs of downstream models with graphs, of whatever task: train, select, test."""

import contextlib
import importlib.metadata
import platform

import keras
import numpy as np

from experiment.comparison.learning_rates import append_trials
from experiment.comparison.learning_rates import best_rate
from experiment.comparison.learning_rates import make_trials
from experiment.comparison.learning_rates import num_trials
from experiment.comparison.learning_rates import rates_to_try
from experiment.comparison.learning_rates import tuned
from experiment.comparison.options import add_run_options
from experiment.comparison.options import make_parser
from experiment.comparison.options import make_settings
from experiment.comparison.records import append_runs
from experiment.comparison.records import check_data
from experiment.comparison.records import check_settings
from experiment.comparison.records import key_of
from experiment.comparison.records import make_key
from experiment.comparison.records import read_runs
from experiment.comparison.together import Together
from experiment.comparison.training import check_finite
from experiment.comparison.training import run_folder
from experiment.comparison.training import run_name
from experiment.comparison.training import score
from experiment.comparison.training import start_or_go_on
from experiment.comparison.training import train
from experiment.devices import check_prepares_alone
from experiment.folders import hold
from experiment.folders import read_json
from experiment.folders import remove_folder
from experiment.process import prepare_process
from experiment.process import usage_errors
from experiment.run_clock import RunClock
from glomo_keras.files import atomic_write


def run(task, data, settings, arm_name, seed, clock=None):
    """Train one model and test it; a killed run goes on after its last epoch.

    Args:
        task: `Task`.
        data: what `task.prepare` returned.
        settings: `Settings`.
        arm_name: str, one of `task.arms`.
        seed: int.
        clock: `RunClock`, see `train`.

    Returns:
        Dict, the record of the run; its scores by example are on disk.

    Raises:
        UsageError: if the run was begun with other settings.
        FloatingPointError: if the loss or a prediction is not finite; nothing is
            recorded.
    """
    folder = run_folder(arm_name, settings, seed)
    decided = _decided(settings, arm_name)
    trained = train(task, data, settings, arm_name, seed, folder, clock)
    model, arm, test = trained.model, trained.arm, trained.test
    scores = score(task, data, "test", arm, settings, model, test)
    return _record(
        task,
        data,
        settings,
        arm_name,
        seed,
        scores,
        test,
        {
            "num_train": trained.num_train,
            "learning_rate": settings.learning_rate,
            **trained.summary,
            "seconds": round(trained.seconds),
            **task.describe_run(model, data, arm, settings, test),
            **decided,
        },
    )


def _decided(settings, arm_name):
    """Return what decides a run, as it is when the run begins."""
    with usage_errors():  # of a preset that is damaged
        return {"settings": settings.recorded(arm_name), "versions": versions()}


def _record(task, data, settings, arm_name, seed, scores, test, trained):
    """Write the scores of test examples; return the record of a run."""
    name = run_name(arm_name, settings, seed)
    scores_file = settings.output / "scores" / f"{name}.npz"
    if settings.devices.writes:
        scores_file.parent.mkdir(exist_ok=True)
        with atomic_write(scores_file) as temporary:
            np.savez_compressed(temporary, examples=test, **scores)
    return {
        "task": task.name,
        "arm": arm_name,
        "graph_on": settings.graph_on,
        "seed": seed,
        **trained,
        "test": {metric: float(values.mean()) for metric, values in scores.items()},
        "scores": scores_file.relative_to(settings.output).as_posix(),
        "data": task.identify_data(data),
    }


def prepare(task, settings):
    """Return the prepared data of a task, and the finished runs on it.

    Args:
        task: `Task`.
        settings: `Settings`, whose output is held.

    Raises:
        UsageError: if the data cannot be read, or finished runs have other settings or
            other data; or if several workers would write the same arrays.
    """
    arrays = settings.output / "arrays"
    if task.has_arrays and not (arrays / "metadata.json").exists():
        check_prepares_alone(settings.strategy, arrays)
    runs = read_runs(settings.output)
    check_settings(runs, settings)
    with usage_errors():
        data = task.prepare(settings)
    check_data(runs, settings.output, task.identify_data(data))
    return data, runs


def run_and_record(task, data, settings, arm_name, seed, clock=None):
    """Run, print the result, and make it a line of OUTPUT/runs.jsonl."""
    settings = tuned(task, data, settings, arm_name, clock)
    record = run(task, data, settings, arm_name, seed, clock)
    if settings.devices.writes:
        append_runs(settings.output, record)
    _remove_state(run_folder(arm_name, settings, seed), settings)
    settings.devices.wait()  # for what the table is made of
    print(_result_line(record), flush=True)
    return record


def run_together(task, data, settings, arm_name, seeds, clock):
    """Train an arm with several seeds at once; record and print each run.

    Every learning rate is tried with every seed, but as in single runs the rate is
    chosen by the first one alone. An arm that was killed goes on after its last epoch.

    Args:
        task: `Task`.
        data: what `task.prepare` returned.
        settings: `Settings`.
        arm_name: str, one of `task.arms`.
        seeds: list of ints, without those of finished runs.
        clock: `RunClock` of the arms.

    Returns:
        List of dicts, the records.

    Raises:
        UsageError: if the arm was begun with other settings or seeds.
        FloatingPointError: if a loss or prediction is not finite; nothing is recorded.
    """
    rates = rates_to_try(settings, arm_name, seeds)
    decided = _decided(settings, arm_name)
    folder = run_folder(arm_name, settings, "together")
    begun = decided["settings"] | {"seeds": seeds, "rates": rates}
    begun["sources"] = task.identify_data(data)
    _remove_recorded(folder, settings, arm_name)
    start_or_go_on(folder, begun, settings.devices.writes)
    together = Together(task, data, settings, arm_name, seeds, rates, folder)
    together.train(clock)
    try:
        trials, records = _test_together(together, arm_name, seeds, decided)
    except FloatingPointError:
        _remove_state(folder, settings)  # which lower rates would not go on from
        raise
    append_trials(settings, trials)
    append_runs(settings.output, *records)
    for record in records:
        print(_result_line(record), flush=True)
    _remove_state(folder, settings)
    return records


def _remove_state(folder, settings):
    """Remove what a run would go on from."""
    if settings.devices.writes:
        remove_folder(folder)


def _remove_recorded(folder, settings, arm_name):
    """Remove the state of runs after whose recording their process was killed."""
    path = folder / "settings.json"
    if not path.exists():
        return
    recorded = {key_of(run) for run in read_runs(settings.output)}
    keys = {
        make_key(arm_name, settings.graph_on, seed) for seed in read_json(path)["seeds"]
    }
    if keys <= recorded:
        _remove_state(folder, settings)


def _test_together(together, arm_name, seeds, decided):
    """Choose the rate; return lines about the rates, and the records of the runs."""
    task, data, settings = together.task, together.data, together.settings
    rates, progress = together.rates, together.progress
    seconds = round(together.seconds / progress.epochs.size)
    rate, trials = rates[0], []
    if len(rates) > 1:
        summaries = [progress.summary(0, number) for number in range(len(rates))]
        trials = make_trials(task, data, settings, arm_name, rates, summaries, seconds)
        rate = best_rate(settings, arm_name, trials)
    number = rates.index(rate)
    records = []
    for place, (seed, predictions) in enumerate(
        zip(seeds, together.test(rate), strict=True)
    ):
        arm, test = together.arms[place], together.tests[place]
        summary = progress.summary(place, number)
        if summary["best_dev"] is None:
            raise FloatingPointError(
                f"{arm_name}, seed {seed}: the loss is not finite."
            )
        check_finite(predictions, f"{arm_name}, seed {seed}, test")
        scores = task.score(predictions, data, "test", test)
        model = together.load(place, rate)
        trained = {
            "num_train": together.num_train,
            "learning_rate": rate,
            **summary,
            "seconds": seconds,
            "models_together": progress.epochs.size,
            **task.describe_run(model, data, arm, settings, test),
            **decided,
        }
        records.append(
            _record(task, data, settings, arm_name, seed, scores, test, trained)
        )
    return trials, records


@contextlib.contextmanager
def held_output(settings):
    """Hold the folder of the runs: of several workers one does, for all."""
    if not settings.devices.writes:
        yield
        return
    with hold(settings.output):
        yield


def versions():
    """Return the versions of what a result depends on."""
    by_package = {"python": platform.python_version()}
    for package in ("keras", "numpy", keras.backend.backend()):
        by_package[package] = importlib.metadata.version(package)
    return by_package


def _result_line(record):
    values = ", ".join(f"{k} {v:.2%}" for k, v in record["test"].items())
    return (
        f"  test {values}; best of {record['epochs']} epochs by dev: "
        f"{record['best_epoch']}; {record['seconds']} s"
    )


def main(task, description, arguments=None):
    """Prepare, then train the arm of the command line with each new seed.

    Args:
        task: `Task`.
        description: str, the beginning of `--help`.
        arguments: list of str, or `None` for those of the process.
    """
    parser = make_parser(task, description)
    add_run_options(parser, task)
    options = parser.parse_args(arguments)
    settings = make_settings(task, options)
    prepare_process()
    with settings.devices.lost_workers(), held_output(settings):
        data, runs = prepare(task, settings)
        if options.prepare_only:
            return
        finished = {key_of(run) for run in runs}
        keys = [
            make_key(options.graph, settings.graph_on, seed)
            for seed in range(options.seeds)
        ]
        missing = [
            (options.graph, seed)
            for seed, key in enumerate(keys)
            if key not in finished
        ]
        clock = RunClock(len(missing), num_trials(task, data, settings, missing))
        for seed, key in enumerate(keys):
            name = f"{task.name}, {options.graph}, seed {seed}"
            if key in finished:
                print(f"{name} is a line of {settings.output}/runs.jsonl", flush=True)
                continue
            clock.begin(name)
            run_and_record(task, data, settings, options.graph, seed, clock)
            clock.end()
