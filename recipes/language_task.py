"""Training of a downstream model with graphs: what the language tasks share."""

import dataclasses
import importlib.metadata
import json
import logging
import os
import platform
import shutil
import time
import typing

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from checkpoints import ResumableCheckpoint
from checkpoints import write_atomically
from graph_arms import PREDICTED_ARMS
from graph_arms import GraphArm
from graph_arms import load_predictor
from memory import keep_freed_memory
from task_batches import TaskBatches
from task_options import add_run_options
from task_options import finish_options
from task_options import run_settings
from task_texts import prepare_texts

from glomo_keras.models.presets import find_preset


@dataclasses.dataclass(frozen=True)
class LanguageTask:
    """What makes one task.

    Attributes:
        name: str.
        metric: str, the first metric of `score`, by which models are selected.
        sizes: dict by name of dicts of options.
        load: function of the options that returns a dict by split (`train`, `test`)
            of lists of examples: dicts with an `id`, the texts and what `targets` and
            `score` need.
        lengths: function of the options: units at most by field of text.
        targets: function of `TaskTexts` and a split: targets of each example, and
            which examples can be trained on.
        build: function of `TaskTexts`, the graphs' `(layers, heads)` or `None`, and
            the options, that returns a compiled model.
        score: function of predictions, `TaskTexts`, a split and the examples' numbers:
            dict by metric of float arrays `(examples,)`.
        keep_texts: fields whose texts are needed for scoring.
        with_characters: bool, whether the model reads characters.
    """

    name: str
    metric: str
    sizes: dict
    load: typing.Callable
    lengths: typing.Callable
    targets: typing.Callable
    build: typing.Callable
    score: typing.Callable
    keep_texts: tuple = ()
    with_characters: bool = False


def prepare(task, options):
    """Text to arrays on disk; returns `TaskTexts`."""
    vocabulary = find_preset(options.predictor).vocabulary
    return prepare_texts(
        lambda: task.load(options),
        task.lengths(options),
        options.output / "arrays",
        vocabulary,
        options.features,
        {
            "task": task.name,
            "data": options.data,
            "test": getattr(options, "test", None),
            "examples": options.num_examples,
        },
        keep_texts=task.keep_texts,
    )


class DevScore(keras.callbacks.Callback):
    """Scores the examples that the epoch is selected by, and prints a line."""

    def __init__(self, metric, score, epochs):
        super().__init__()
        self.metric, self.score, self.epochs = metric, score, epochs

    def on_epoch_begin(self, epoch, logs=None):
        self.started = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        dev = self.score(self.model)[self.metric].mean()
        logs["dev_error"] = 1.0 - dev
        seconds = time.monotonic() - self.started
        print(
            f"  epoch {epoch + 1}/{self.epochs}: loss {logs['loss']:.4f}, dev "
            f"{self.metric} {dev:.1%}; {seconds:.0f} s",
            flush=True,
        )


def choose_examples(task, texts, options, seed):
    """Numbers of the examples to train on, to select the epoch by, and to test on.

    The first two are drawn from `train` by the seed; the last are the same for all.
    """
    _, usable = task.targets(texts, "train")
    num_dev = min(options.num_dev, len(usable) // 3)
    usable = np.random.default_rng([seed, 1]).permutation(usable)
    train = usable[num_dev : num_dev + (options.num_train or len(usable))]
    num_test = len(texts.examples["test"])
    test = np.random.default_rng(0).permutation(num_test)[: options.num_test]
    return np.sort(train), np.sort(usable[:num_dev]), np.sort(test)


def train_batches(task, texts, options, graphs, chosen, seed, first_epoch=0):
    """Batches to train on, shuffled by the seed."""
    targets, _ = task.targets(texts, "train")
    return TaskBatches(
        texts,
        "train",
        graphs,
        options.batch_size,
        targets,
        chosen,
        shuffle_seed=seed,
        first_epoch=first_epoch,
        with_characters=task.with_characters,
    )


def run(task, texts, options, arm, seed):
    """Train one model and test it; returns what the table needs.

    A killed run goes on after its last epoch.
    """
    started = time.monotonic()
    keras.utils.set_random_seed(seed)
    name = run_name(arm, options, seed)
    folder = options.output / "runs" / name
    folder.mkdir(parents=True, exist_ok=True)
    graphs = make_arm(arm, seed, options)
    train, dev, test = choose_examples(task, texts, options, seed)

    def scores(model, split, chosen):
        batches = TaskBatches(
            texts,
            split,
            graphs,
            options.batch_size,
            chosen=chosen,
            with_characters=task.with_characters,
        )
        predictions = keras.tree.map_structure(
            lambda array: array[: len(chosen)], model.predict(batches, verbose=0)
        )
        return task.score(predictions, texts, split, chosen)

    model = task.build(texts, graphs.shape, options)
    best = folder / "best.weights.h5"
    checkpoint = ResumableCheckpoint(
        folder / "checkpoints",
        "dev_error",
        options.patience,
        on_best=lambda model: write_atomically(best, model.save_weights),
    )
    first_epoch = checkpoint.restore(model)
    spent = _Seconds(folder / "seconds")
    batches = train_batches(task, texts, options, graphs, train, seed, first_epoch)
    dev_score = DevScore(
        task.metric, lambda model: scores(model, "train", dev), options.epochs
    )
    model.fit(
        batches,
        epochs=options.epochs,
        initial_epoch=first_epoch,
        callbacks=[dev_score, checkpoint, spent],
        shuffle=False,  # `TaskBatches` shuffles
        verbose=0,
    )
    model.load_weights(best)
    result = scores(model, "test", test)
    correct = options.output / "scores" / f"{name}.npz"
    correct.parent.mkdir(exist_ok=True)
    write_atomically(correct, lambda path: np.savez(path, examples=test, **result))
    seconds = spent.before + time.monotonic() - started
    shutil.rmtree(folder)
    return {
        "task": task.name,
        "arm": arm,
        "graph_on": options.graph_on,
        "seed": seed,
        "num_train": len(train),
        "epochs": checkpoint.state["epochs"],
        "best_epoch": checkpoint.state["best_epoch"],
        "best_dev": 1.0 - checkpoint.state["best"],
        "test": {metric: float(values.mean()) for metric, values in result.items()},
        "seconds": round(seconds),
        "scores": str(correct.relative_to(options.output)),
        "settings": run_settings(options, arm),
        "versions": versions(),
    }


class _Seconds(keras.callbacks.Callback):
    """Time of training that earlier, killed processes spent on this run."""

    def __init__(self, path):
        super().__init__()
        self.path = path
        self.before = float(path.read_text()) if path.exists() else 0.0
        self.started = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        seconds = self.before + time.monotonic() - self.started
        self.path.write_text(f"{seconds}")


def run_name(arm, options, seed):
    """Name of a run: what tells it from the others of a comparison."""
    size = options.num_train or "all"
    return f"{arm}-{options.graph_on}-{size}-{seed}"


def make_arm(arm, seed, options):
    """`GraphArm` with the predictor of the command line, where the arm needs one."""
    predictor = None
    if arm in PREDICTED_ARMS:
        predictor = load_predictor(options.predictor)
    return GraphArm(arm, predictor, seed, int(options.graph_memory * 2**30))


def versions():
    """Versions of what a result depends on."""
    packages = ("keras", "numpy", keras.backend.backend())
    found = {"python": platform.python_version()}
    for package in packages:
        found[package] = importlib.metadata.version(package)
    return found


def prepare_process():
    """What every program that trains many models in one process does first."""
    keep_freed_memory()
    # One model after another is no retracing of one function, as TensorFlow warns.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)


def run_and_record(task, texts, options, arm, seed):
    """`run`, whose result becomes a line of OUTPUT/runs.jsonl and is printed."""
    record = run(task, texts, options, arm, seed)
    with (options.output / "runs.jsonl").open("a") as file:
        file.write(json.dumps(record) + "\n")
    values = ", ".join(f"{k} {v:.2%}" for k, v in record["test"].items())
    print(
        f"  test {values}; best of {record['epochs']} epochs by dev: "
        f"{record['best_epoch']}; {record['seconds']} s",
        flush=True,
    )
    return record


def main(task, parser, arguments=None):
    """Prepare, then train the arm of the command line with each seed."""
    add_run_options(parser)
    options = finish_options(task, parser.parse_args(arguments))
    prepare_process()
    texts = prepare(task, options)
    if options.prepare_only:
        return
    for seed in range(options.seeds):
        print(f"{task.name}, {options.graph}, seed {seed}", flush=True)
        run_and_record(task, texts, options, options.graph, seed)
