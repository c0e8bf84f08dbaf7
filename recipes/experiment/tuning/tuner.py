"""The search itself: KerasTuner proposes, trials are run, and what they gave is read.

A trial that was killed is run again when the search goes on, and none that has ended.
"""

import dataclasses
import re

from experiment.process import UsageError
from experiment.run_clock import RunClock
from experiment.tuning.settings import MIXTURES
from experiment.tuning.settings import OBJECTIVES
from experiment.tuning.settings import RATES
from experiment.tuning.trials import run_trial

MAX_EPOCHS = 9  # shares of a trial's steps that hyperband doles out
RANDOM_TRIALS = 6  # before `bayesian` models; KerasTuner's own are 3 a hyperparameter


@dataclasses.dataclass(frozen=True)
class Trial:
    """A trial that has ended.

    Attributes:
        name: str.
        values: dict of hyperparameters.
        score: float, of the objective, or `None`.
        metrics: dict of floats.
        status: str, `COMPLETED` or what else KerasTuner says.
        error: str, the last line of it, or the empty string.
    """

    name: str
    values: dict
    score: float | None
    metrics: dict
    status: str
    error: str


def make_tuner(settings, corpus, classes):
    """Return a tuner whose `search(verbose=0)` goes on with what is in its folder.

    Args:
        settings: `TuningSettings`.
        corpus: `ArrayCorpus`.
        classes: int array of the units' classes, or `None`.

    Raises:
        ImportError: if KerasTuner is not installed.
    """
    kt = _import_keras_tuner()
    objective = kt.Objective(settings.objective, OBJECTIVES[settings.objective])
    arguments = {
        "objective": objective,
        "seed": settings.seed + 1,  # KerasTuner takes 0 for none
        "hyperparameters": search_space(kt, settings),
        "tune_new_entries": False,
        "allow_new_entries": False,
        "max_consecutive_failed_trials": 1_000_000,  # all of them are in the table
    }
    if settings.tuner == "bayesian":
        arguments["num_initial_points"] = RANDOM_TRIALS
    if settings.tuner == "hyperband":
        oracle = kt.oracles.HyperbandOracle(max_epochs=MAX_EPOCHS, **arguments)
    else:
        oracles = {
            "random": kt.oracles.RandomSearchOracle,
            "bayesian": kt.oracles.BayesianOptimizationOracle,
        }
        oracle = oracles[settings.tuner](max_trials=settings.num_trials, **arguments)

    class GraphTuner(kt.Tuner):
        """Trains and scores in its own way, whatever the oracle."""

        def run_trial(self, trial, verbose):
            values = _own_values(trial)
            epochs = trial.hyperparameters.values.get("tuner/epochs", MAX_EPOCHS)
            share = epochs / MAX_EPOCHS
            steps = max(1, round(settings.steps * share))
            folder = settings.output / "trials" / trial.trial_id
            self.clock.begin(f"trial {trial.trial_id}, {steps:,} steps")
            print(f"  {_listed(values)}", flush=True)
            scores = run_trial(
                settings, corpus, classes, values, steps, folder, self.clock
            )
            print(f"  {_listed(scores)}", flush=True)
            self.clock.end()
            return {**scores, "steps": float(steps)}

    tuner = GraphTuner(
        oracle=oracle,
        directory=str(settings.output),
        project_name="search",
        overwrite=False,
    )
    is_known = settings.tuner != "hyperband"  # which decides it by itself
    num_ended = len(ended_trials(tuner))
    tuner.clock = RunClock(settings.num_trials - num_ended if is_known else None)
    return tuner


def search_space(kt, settings):
    """Return the hyperparameters of a search."""
    space = kt.HyperParameters()
    for name, values in settings.space.items():
        space.Choice(name, list(values), default=values[0], ordered=False)
    space.Float("learning_rate", *RATES, sampling="log", default=0.003)
    if settings.objective == "judge":
        space.Choice("num_mixtures", list(MIXTURES), default=MIXTURES[0], ordered=False)
    return space


def ended_trials(tuner):
    """Return the trials that have ended, as `Trial`, the best first, failed ones last.

    Args:
        tuner: what `make_tuner` returned.
    """
    trials = []
    for trial in tuner.oracle.trials.values():
        if trial.status in ("RUNNING", "IDLE"):
            continue
        metrics = {
            name: trial.metrics.get_best_value(name) for name in trial.metrics.metrics
        }
        trials.append(
            Trial(
                trial.trial_id,
                _own_values(trial),
                trial.score if trial.status == "COMPLETED" else None,
                metrics,
                trial.status,
                _error(trial.message or ""),
            )
        )
    sign = -1 if tuner.oracle.objective.direction == "max" else 1
    worst = float("inf")
    return sorted(trials, key=lambda t: worst if t.score is None else sign * t.score)


def _own_values(trial):
    """Return the hyperparameters of a trial, without those of hyperband itself."""
    values = trial.hyperparameters.values
    return {k: v for k, v in values.items() if not k.startswith("tuner/")}


def _error(traceback):
    """Return the line of a traceback that names the error, or the empty string."""
    lines = [line for line in traceback.splitlines() if re.match(r"[\w.]+: ", line)]
    return lines[-1] if lines else ""


def _import_keras_tuner():
    try:
        import keras_tuner
    except ImportError as error:
        raise ImportError(
            "KerasTuner is not installed, which a search takes. Use "
            '`pip install "glomo_keras[tune]"`.'
        ) from error
    return keras_tuner


def _listed(values):
    return ", ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in values.items()
    )


def check_space(space, given):
    """Return a search space with what the command line gives in place of its values.

    Args:
        space: dict by hyperparameter of tuples.
        given: list of str, `NAME=VALUE,VALUE`.

    Raises:
        UsageError: if a name is unknown or a value is of another kind.
    """
    space = dict(space)
    for text in given:
        name, _, values = text.partition("=")
        if name not in space or not values:
            raise UsageError(
                f"--space must be NAME=VALUE,VALUE of one of {', '.join(space)}. "
                f"Received: {text!r}."
            )
        kind = type(space[name][0])
        try:
            space[name] = tuple(kind(value) for value in values.split(","))
        except ValueError as error:
            raise UsageError(
                f"--space {name} takes values like {space[name][0]!r}. Received: "
                f"{text!r}."
            ) from error
    return space
