"""The learning rate of every arm: the best of a few by dev, for one seed.

Arms that add weights learn at another rate than the model without: at one rate for all
of them a comparison would be one of rates. The training at the best rate is that of a
run, the one of the same seed, and is not repeated.
"""

import dataclasses

from experiment.comparison.records import key_of
from experiment.comparison.records import make_key
from experiment.comparison.records import read_runs
from experiment.comparison.training import run_folder
from experiment.comparison.training import train
from experiment.folders import append_lines
from experiment.folders import read_lines
from experiment.folders import remove_folder
from experiment.process import UsageError
from experiment.process import usage_errors
from glomo_keras.pretraining.run_folder import differences

SEED = 0
_TRIALS = "learning_rates.jsonl"


def tuned(task, data, settings, arm_name, clock=None):
    """Return settings with the learning rate of an arm.

    What was tried is a line of OUTPUT/learning_rates.jsonl, and is not repeated. The
    examples to test on take no part. The best training is left as the state of the run
    with the same seed, which goes on from there: to its test.

    Args:
        task: `Task`.
        data: what `task.prepare` returned.
        settings: `Settings`. Without `learning_rates` they are returned as they are.
        arm_name: str, one of the arms of the task.
        clock: `RunClock`, see `train`.

    Raises:
        FloatingPointError: if the loss is finite at none of the rates.
    """
    rates = settings.learning_rates
    if not rates:
        return settings
    if len(rates) == 1:
        return dataclasses.replace(settings, learning_rate=rates[0])
    trials = []
    for rate in sorted(rates):
        trial = _find_trial(task, data, settings, arm_name, rate)
        if trial is None:
            at_rate = dataclasses.replace(settings, learning_rate=rate)
            trial = _try(task, data, at_rate, arm_name, clock)
            append_trials(settings, [trial])
        trials.append(trial)
    best = best_rate(settings, arm_name, trials)
    _keep_best(settings, arm_name, best)
    return dataclasses.replace(settings, learning_rate=best)


def num_trials(task, data, settings, missing):
    """Return how many trainings the choice of learning rates adds to runs.

    The best trial is one of them where the run with its seed is missing: with all rates
    tried, that is one training less than runs.

    Args:
        task: `Task`.
        data: what `task.prepare` returned.
        settings: `Settings`.
        missing: list of pairs of an arm and a seed, the runs that are not finished.
    """
    rates = set(settings.learning_rates or ())
    if len(rates) < 2:
        return 0
    arms = {arm for arm, _ in missing}
    untried = [
        (arm, rate)
        for arm in arms
        for rate in rates
        if _find_trial(task, data, settings, arm, rate) is None
    ]
    return len(untried) - sum((arm, SEED) in missing for arm in arms)


def best_rate(settings, arm_name, trials):
    """Return the learning rate of the best of some trials, the lowest of equal ones.

    Raises:
        FloatingPointError: if the loss is finite at none of the rates.
    """
    scores = {
        trial["learning_rate"]: trial["best_dev"]
        for trial in sorted(trials, key=lambda trial: trial["learning_rate"])
        if trial["best_dev"] is not None
    }
    if not scores:
        rates = ", ".join(f"{rate:g}" for rate in settings.learning_rates)
        raise FloatingPointError(
            f"{arm_name}: the loss is finite at none of the learning rates {rates}. "
            "Give lower --learning-rates."
        )
    return max(scores, key=scores.get)


def rates_to_try(settings, arm_name, seeds):
    """Return the learning rates that runs of several seeds at once are to try.

    Args:
        settings: `Settings`.
        arm_name: str, one of the arms of the task.
        seeds: list of ints, without those of finished runs.

    Returns:
        List of floats: that of the run whose seed decides it, if it is finished.

    Raises:
        UsageError: if that run is neither finished nor among them.
    """
    rates = sorted(settings.learning_rates or [settings.learning_rate])
    if len(rates) == 1 or SEED in seeds:
        return rates
    decided = [
        run["learning_rate"]
        for run in read_runs(settings.output)
        if key_of(run) == make_key(arm_name, settings.graph_on, SEED)
    ]
    if not decided:
        raise UsageError(f"The learning rate of {arm_name} is chosen by seed {SEED}.")
    return decided


def make_trials(task, data, settings, arm_name, rates, summaries, seconds):
    """Return lines about trainings of one seed at several rates, see `best_rate`."""
    return [
        _trial(
            task,
            data,
            dataclasses.replace(settings, learning_rate=rate),
            arm_name,
            summary,
            seconds,
        )
        for rate, summary in zip(rates, summaries, strict=True)
    ]


def append_trials(settings, trials):
    """Add lines about what was tried."""
    if settings.devices.writes and trials:
        append_lines(settings.output / _TRIALS, *trials)


def _try(task, data, settings, arm_name, clock):
    """Train with one seed and return a line about it, without a look at test."""
    rate = settings.learning_rate
    print(f"  {arm_name}, trying the learning rate {rate:g}", flush=True)
    folder = _trial_folder(settings, arm_name, rate)
    try:
        trained = train(task, data, settings, arm_name, SEED, folder, clock)
        summary, seconds = trained.summary, round(trained.seconds)
    except FloatingPointError as error:
        print(f"  {error}")
        summary, seconds = {"best_dev": None}, None
        if settings.devices.writes:
            remove_folder(folder)
    return _trial(task, data, settings, arm_name, summary, seconds)


def _trial(task, data, settings, arm_name, summary, seconds):
    return {
        "arm": arm_name,
        "graph_on": settings.graph_on,
        "learning_rate": settings.learning_rate,
        "seed": SEED,
        **summary,
        "seconds": seconds,
        "settings": _trial_settings(settings, arm_name),
        "data": task.identify_data(data),
    }


def _keep_best(settings, arm_name, best):
    """Make the best training the state of a run, and remove those at other rates."""
    if not settings.devices.writes:
        settings.devices.wait()
        return
    run = run_folder(arm_name, settings, SEED)
    for rate in settings.learning_rates:
        folder = _trial_folder(settings, arm_name, rate)
        if not folder.exists():
            continue
        if rate == best and not run.exists():
            folder.rename(run)
        else:
            remove_folder(folder)
    settings.devices.wait()


def _trial_folder(settings, arm_name, rate):
    """Return the folder where a trial keeps its state."""
    name = f"{arm_name}-{settings.graph_on}-rate-{rate:g}"
    return settings.output / "runs" / name


def _find_trial(task, data, settings, arm_name, rate):
    """Return the line of a trial with the same settings and data, or `None`."""
    wanted = {
        "arm": arm_name,
        "graph_on": settings.graph_on,
        "learning_rate": rate,
        "settings": _trial_settings(settings, arm_name),
        "data": task.identify_data(data),
    }
    for trial in read_lines(settings.output / _TRIALS):
        if not differences(trial, wanted):
            return trial
    return None


def _trial_settings(settings, arm_name):
    """Return what decides a trial: the other rates do not."""
    with usage_errors():  # of a preset that is damaged
        recorded = settings.recorded(arm_name)
    del recorded["learning_rates"]
    return recorded
