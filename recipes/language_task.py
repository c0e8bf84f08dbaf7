"""Training of a downstream model with graphs: what the language tasks share."""

import argparse
import dataclasses
import hashlib
import importlib.metadata
import json
import logging
import os
import platform
import shutil
import time
import typing
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from checkpoints import ResumableCheckpoint
from checkpoints import write_atomically
from graph_arms import ARMS
from graph_arms import GraphArm
from graph_arms import load_predictor
from keras import ops
from memory import keep_freed_memory
from task_batches import TaskBatches
from task_texts import prepare_texts

from glomo_keras.layers import GraphTransfer

PREDICTOR = Path(__file__).parent.parent / "saved_models" / "glomo_text_small_en"


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


def make_parser(task, description):
    """Parser of the options that the tasks share; a task may add its own."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--output", required=True, type=Path, help="folder of arrays and runs")
    add("--size", choices=task.sizes, default="small", help="(default: small)")
    add(
        "--features",
        default="trainable",
        help="vectors:PATH (a file in GloVe's text format, frozen) or trainable "
        "(embeddings of the 20,000 most frequent words of train; the default)",
    )
    add(
        "--predictor",
        type=Path,
        default=PREDICTOR,
        help="folder of the graph predictor: predictor.keras and vocabulary.txt "
        "(default: the shipped small one)",
    )
    add("--prepare-only", action="store_true", help="stop after the arrays are written")
    model = parser.add_argument_group("graphs")
    add = model.add_argument
    add(
        "--graph-on",
        choices=("embeddings", "rnn_states"),
        default="embeddings",
        help="the features that messages are computed of (default: embeddings)",
    )
    add("--num-mixtures", type=int, default=1, help="mixed graphs a direction")
    add("--no-composed", action="store_true", help="mix no products of graphs")
    add(
        "--unconditional",
        action="store_true",
        help="mixture weights that do not depend on the features",
    )
    add("--graph-dropout", type=float, default=0.0, help="before the gate (default: 0)")
    add(
        "--graph-memory",
        type=float,
        default=4.0,
        help="GiB of graphs kept from one epoch to the next (default: 4)",
    )
    sizes = parser.add_argument_group("sizes (default: decided by --size)")
    add = sizes.add_argument
    add("--num-train", type=int, help="examples to train on, drawn by the seed")
    add("--num-dev", type=int, help="others of train, to select the epoch by")
    add("--num-test", type=int, help="examples to test on, the same for all seeds")
    add("--epochs", type=int, help="at most")
    add("--patience", type=int, help="epochs without a better one, then it stops")
    add("--batch-size", type=int, help="examples a step")
    add("--learning-rate", type=float, help="of Adam")
    add("--units", type=int, help="size of the recurrent states, each direction")
    add("--dropout", type=float, help="in the downstream model")
    return parser


def add_run_options(parser):
    """The options of a single arm: what `compare.py` runs through by itself."""
    listed = "; ".join(f"{arm}: {meaning}" for arm, meaning in ARMS.items())
    parser.add_argument(
        "--graph", choices=ARMS, default="learned", help=f"{listed} (default: learned)"
    )
    parser.add_argument("--seeds", type=int, default=1, help="runs (default: 1)")


def finish_options(task, options):
    """Fill in what the size decides."""
    for name, value in task.sizes[options.size].items():
        if getattr(options, name, None) is None:
            setattr(options, name, value)
    return options


def prepare(task, options):
    """Text to arrays on disk; returns `TaskTexts`."""
    vocabulary = options.predictor / "vocabulary.txt"
    if not vocabulary.exists():
        raise FileNotFoundError(
            f"{vocabulary} is missing. Give --predictor a folder that holds "
            "predictor.keras and vocabulary.txt, as recipes/pretrain_text.py writes it."
        )
    texts = prepare_texts(
        lambda: task.load(options),
        task.lengths(options),
        options.output / "arrays",
        vocabulary,
        options.features,
        {"task": task.name, "data": options.data, **_data_settings(options)},
        keep_texts=task.keep_texts,
    )
    return texts


def _data_settings(options):
    return {"test": getattr(options, "test", None), "examples": options.num_examples}


def fuse_graphs(features, masks, inputs, options):
    """`GraphTransfer`, one for all texts of an example.

    Args:
        features: dict by field of float tensors `(batch, length, dim)`.
        masks: dict by field of bool tensors `(batch, length)`.
        inputs: dict of the model's inputs; graphs are those that end in the name of a
            direction. Without any, the features are returned.
        options: the command line.
    """
    transfer = GraphTransfer(
        num_mixtures=options.num_mixtures,
        composed=not options.no_composed,
        conditional=not options.unconditional,
        dropout=options.graph_dropout,
        name="graph_transfer",
    )
    fused = {}
    for field, of_field in features.items():
        graphs = {
            direction: inputs[f"{field}_{direction}"]
            for direction in ("forward", "backward")
            if f"{field}_{direction}" in inputs
        }
        if graphs:
            of_field = transfer(of_field, graphs, features_mask=masks[field])
        fused[field] = of_field
    return fused


def make_inputs(texts, graph_shape, with_characters=False):
    """Inputs of a downstream model, of fixed lengths, and the masks of its texts."""
    inputs, masks = {}, {}
    for name, field in texts.fields.items():
        inputs[name] = keras.Input((field.length,), dtype="int32", name=name)
        masks[name] = ops.not_equal(inputs[name], 0)
        if with_characters:
            shape = (field.length, texts.characters.shape[1])
            key = f"{name}_characters"
            inputs[key] = keras.Input(shape, dtype="uint8", name=key)
        if graph_shape is not None:
            shape = (*graph_shape, field.length, field.length)
            for direction in ("forward", "backward"):
                key = f"{name}_{direction}"
                inputs[key] = keras.Input(shape, dtype="float16", name=key)
    return inputs, masks


def make_embedding(texts, dim=100):
    """Word vectors, frozen, or embeddings that train."""
    if texts.vectors is None:
        size = texts.task_vocabulary_size
        return keras.layers.Embedding(size, dim, name="embedding")
    layer = keras.layers.Embedding(
        *texts.vectors.shape, trainable=False, name="embedding"
    )
    layer.build()
    layer.set_weights([texts.vectors])
    return layer


def compile_model(model, loss, options, clip_norm):
    """Adam with clipped gradients."""
    model.compile(
        keras.optimizers.Adam(options.learning_rate, global_clipnorm=clip_norm),
        loss,
        # On a CPU, XLA makes the recurrent layers of TensorFlow twice as slow.
        jit_compile="auto" if keras.backend.backend() == "tensorflow" else True,
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
    targets, _ = task.targets(texts, "train")
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
    batches = TaskBatches(
        texts,
        "train",
        graphs,
        options.batch_size,
        targets,
        train,
        shuffle_seed=seed,
        first_epoch=first_epoch,
        with_characters=task.with_characters,
    )
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
        "settings": run_settings(options),
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
    if arm in ("shuffled", "learned"):
        predictor = load_predictor(options.predictor / "predictor.keras")
    return GraphArm(arm, predictor, seed, int(options.graph_memory * 2**30))


def run_settings(options):
    """Settings that decide the result of a run, its arm and seed aside."""
    left_out = ("output", "seeds", "graph", "prepare_only", "graph_memory", "graph_on")
    settings = {k: v for k, v in vars(options).items() if k not in left_out}
    weights = options.predictor / "predictor.keras"
    settings["predictor"] = options.predictor.name
    settings["predictor_sha256"] = hashlib.sha256(weights.read_bytes()).hexdigest()[:16]
    return settings


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


def main(task, parser, arguments=None):
    """Prepare, then train the arm of the command line with each seed."""
    add_run_options(parser)
    options = finish_options(task, parser.parse_args(arguments))
    prepare_process()
    texts = prepare(task, options)
    if options.prepare_only:
        return
    log = options.output / "runs.jsonl"
    for seed in range(options.seeds):
        print(f"{task.name}, {options.graph}, seed {seed}", flush=True)
        record = run(task, texts, options, options.graph, seed)
        with log.open("a") as file:
            file.write(json.dumps(record) + "\n")
        values = ", ".join(f"{k} {v:.2%}" for k, v in record["test"].items())
        print(
            f"  test {values}; best of {record['epochs']} epochs by dev: "
            f"{record['best_epoch']}; {record['seconds']} s",
            flush=True,
        )
