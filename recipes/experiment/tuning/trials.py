"""A trial: a graph predictor is pretrained, and scored."""

import shutil
import time

import keras
import numpy as np

from experiment.comparison import runner
from experiment.comparison.options import parse_quoted
from experiment.dependencies.task import DependencyTask
from experiment.process import usage_errors
from glomo_keras.callbacks import RaiseOnNaN
from glomo_keras.models import GLoMoPretrainer
from glomo_keras.models import GraphPredictor
from glomo_keras.pretraining.optimization import warmup_and_cosine

WARMUP = 200  # steps, as by default in pretraining


def run_trial(settings, corpus, classes, values, steps, folder, clock):
    """Pretrain with the values of a trial, and score what was learned.

    Args:
        settings: `TuningSettings`.
        corpus: `ArrayCorpus`.
        classes: int array of the units' classes, or `None`.
        values: dict of the hyperparameters.
        steps: int, of this trial.
        folder: path, where its preset goes.
        clock: `RunClock` of the search.

    Returns:
        Dict of floats: `nats`, `seconds`, and `judge` if that is the objective.

    Raises:
        FloatingPointError: if the training diverges.
    """
    started = time.monotonic()
    shutil.rmtree(folder, ignore_errors=True)  # of the same trial, killed
    keras.backend.clear_session()
    keras.utils.set_random_seed(settings.seed)
    pretrainer = build_pretrainer(settings, len(corpus.units), classes, values, steps)
    windows = corpus.training_windows(shift=settings.window // 2)
    pretrainer.fit(
        windows,
        steps_per_epoch=steps,
        epochs=1,
        shuffle=False,
        callbacks=[RaiseOnNaN(), clock.steps(steps)],
        verbose=0,
    )
    logs = pretrainer.evaluate(
        corpus.validation_windows(),
        batch_size=settings.batch_size,
        return_dict=True,
        verbose=0,
    )
    predictor = pretrainer.graph_predictor
    if not predictor.weights or not np.isfinite(logs["nats"]):
        raise FloatingPointError(
            f"The trial ended with {len(predictor.weights)} weights and "
            f"{logs['nats']} nats."
        )
    predictor.save_to_preset(
        folder / "preset",
        settings.prepared / "vocabulary.txt",
        training={"program": "recipes/tune.py", "steps": steps, **values},
    )
    scores = {"nats": float(logs["nats"])}
    if settings.objective == "judge":
        scores["judge"] = judge(settings, folder, values)
    return {**scores, "seconds": time.monotonic() - started}


def build_pretrainer(settings, vocabulary_size, classes, values, steps):
    """Return the pretrainer of a trial, compiled."""
    predictor = GraphPredictor(
        vocabulary_size,
        embedding_dim=values["embedding_dim"],
        num_graph_layers=values["num_graph_layers"],
        num_heads=values["num_heads"],
        num_convolutions=values["num_convolutions"],
        threshold=values["threshold"],
        position_bias=values["position_bias"] or None,
        dropout=values["dropout"],
    )
    pretrainer = GLoMoPretrainer(
        predictor,
        context_length=values["context_length"],
        unit_classes=classes,
        seed=settings.seed,
    )
    rate = warmup_and_cosine(values["learning_rate"], steps, WARMUP)
    pretrainer.compile(
        keras.optimizers.Adam(rate, global_clipnorm=1.0),
        jit_compile=keras.backend.backend() != "tensorflow",  # every trial compiles
    )
    pretrainer.optimizer.build(pretrainer.trainable_variables)
    return pretrainer


def judge_settings(settings, folder, preset, num_mixtures):
    """Return the task that judges graphs, and its settings for a trial.

    Raises:
        UsageError: if the options are none of the task.
    """
    task = DependencyTask()
    options = ["--output", folder, "--predictor", preset]
    options += ["--num-mixtures", num_mixtures]
    return task, parse_quoted(task, [*settings.judge, *options], "--judge")


def check_judge(settings):
    """Raise UsageError where the judge cannot be run: its options, and its data."""
    task, of_judge = judge_settings(settings, settings.output, "glomo_text_small_en", 1)
    with usage_errors():
        task.prepare(of_judge)


def judge(settings, folder, values):
    """Return the accuracy of the judge on the part of train that is held out."""
    task, of_judge = judge_settings(
        settings, folder / "judge", folder / "preset", values["num_mixtures"]
    )
    with runner.held_output(of_judge):
        data, _ = runner.prepare(task, of_judge)
        return runner.run_and_record(task, data, of_judge, "learned", 0)["best_dev"]
