"""Runs of downstream models with graphs, of whatever task: train, select, test.

A task is an object with the attributes `name`, `metric`, `sizes` and `arms`, and the
methods of `language_task.LanguageTask`.
"""

import importlib.metadata
import json
import platform
import shutil
import time

import keras
import numpy as np

from experiment.comparison.options import add_run_options
from experiment.comparison.options import finish_options
from experiment.comparison.options import run_settings
from experiment.comparison.records import append_run
from experiment.comparison.records import check_settings
from experiment.comparison.records import differences
from experiment.comparison.records import key
from experiment.comparison.records import key_of
from experiment.comparison.records import read_runs
from experiment.process import prepare_process
from experiment.text.model_parts import mix_weights
from glomo_keras.callbacks.resumable_checkpoint import ResumableCheckpoint
from glomo_keras.files import atomic_write
from glomo_keras.files import write_json
from glomo_keras.files import write_text


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


def split_sizes(options, num_usable):
    """Numbers of examples to train on and to choose the epoch by."""
    num_dev = min(options.num_dev, num_usable // 3)
    left = num_usable - num_dev
    return min(options.num_train or left, left), num_dev


def choose_examples(task, data, options, seed):
    """Numbers of the examples to train on, to select the epoch by, and to test on.

    The first two are drawn from `train` by the seed; the last are the same for all.
    """
    usable = task.usable(data)
    num_train, num_dev = split_sizes(options, len(usable))
    usable = np.random.default_rng([seed, 1]).permutation(usable)
    train = usable[num_dev : num_dev + num_train]
    num_test = task.num_test(data)
    test = np.random.default_rng(0).permutation(num_test)[: options.num_test]
    return np.sort(train), np.sort(usable[:num_dev]), np.sort(test)


def run(task, data, options, arm, seed):
    """Train one model and test it; returns what the table needs.

    A killed run goes on after its last epoch.
    """
    started = time.monotonic()
    name = run_name(arm, options, seed)
    folder = run_folder(arm, options, seed)
    settings, found_versions = run_settings(options, arm), versions()
    _start_or_go_on(folder, settings)
    graphs = task.make_arm(arm, seed, options)
    train, dev, test = choose_examples(task, data, options, seed)
    if (options.num_train or len(train), options.num_dev) != (len(train), len(dev)):
        print(
            f"  as many as there are: {len(train):,} to train on, {len(dev):,} of dev"
        )

    def scores(model, split, chosen):
        batches = task.batches(data, split, graphs, options, chosen)
        predictions = keras.tree.map_structure(
            lambda array: array[: len(chosen)], model.predict(batches, verbose=0)
        )
        return task.score(predictions, data, split, chosen)

    # After the predictor, which another run of the process may have loaded.
    keras.utils.set_random_seed(seed)
    model = task.build(data, graphs.shape, options)
    # Or else TensorFlow traces the first step twice, with and without making these.
    model.optimizer.build(model.trainable_variables)
    best = folder / "best.weights.h5"

    def save_best(model):
        with atomic_write(best) as temporary:
            model.save_weights(temporary)

    checkpoint = ResumableCheckpoint(
        folder / "checkpoints",
        "dev_error",
        options.patience,
        on_best=save_best,
    )
    first_epoch = checkpoint.restore(model)
    spent = _Seconds(folder / "seconds")
    batches = task.batches(
        data,
        "train",
        graphs,
        options,
        train,
        shuffle_seed=seed,
        first_epoch=first_epoch,
    )
    dev_score = DevScore(
        task.metric, lambda model: scores(model, "train", dev), options.epochs
    )
    if not checkpoint.is_out_of_patience:
        model.fit(
            batches,
            epochs=options.epochs,
            initial_epoch=first_epoch,
            callbacks=[dev_score, checkpoint, spent],
            shuffle=False,  # the batches do
            verbose=0,
        )
    model.load_weights(best)
    result = scores(model, "test", test)
    mixed = mix_weights(model)
    correct = options.output / "scores" / f"{name}.npz"
    correct.parent.mkdir(exist_ok=True)
    with atomic_write(correct) as temporary:
        np.savez_compressed(temporary, examples=test, **result)
    seconds = spent.before + time.monotonic() - started
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
        **({"elmo_mix": mixed} if mixed else {}),
        "settings": settings,
        "versions": found_versions,
    }


def run_folder(arm, options, seed):
    """Where a run that is not finished keeps its state."""
    return options.output / "runs" / run_name(arm, options, seed)


def _start_or_go_on(folder, settings):
    """Make the folder of a run; refuse one that was begun with other settings."""
    path = folder / "settings.json"
    if path.exists():
        other = differences(json.loads(path.read_text()), settings)
        if other:
            raise ValueError(
                f"{folder} holds a run that was begun with other settings ({other}). "
                "Give those settings or another --output, or remove the folder."
            )
    folder.mkdir(parents=True, exist_ok=True)
    write_json(path, settings)


class _Seconds(keras.callbacks.Callback):
    """Time of training that earlier, killed processes spent on this run."""

    def __init__(self, path):
        super().__init__()
        self.path = path
        self.before = float(path.read_text()) if path.exists() else 0.0
        self.started = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        seconds = self.before + time.monotonic() - self.started
        write_text(self.path, f"{seconds}")


def run_name(arm, options, seed):
    """Name of a run: what tells it from the others of a comparison."""
    size = options.num_train or "all"
    return f"{arm}-{options.graph_on}-{size}-{seed}"


def versions():
    """Versions of what a result depends on."""
    packages = ("keras", "numpy", keras.backend.backend())
    found = {"python": platform.python_version()}
    for package in packages:
        found[package] = importlib.metadata.version(package)
    return found


def run_and_record(task, data, options, arm, seed):
    """`run`, whose result becomes a line of OUTPUT/runs.jsonl and is printed."""
    record = run(task, data, options, arm, seed)
    append_run(options.output, record)
    shutil.rmtree(run_folder(arm, options, seed))
    values = ", ".join(f"{k} {v:.2%}" for k, v in record["test"].items())
    print(
        f"  test {values}; best of {record['epochs']} epochs by dev: "
        f"{record['best_epoch']}; {record['seconds']} s",
        flush=True,
    )
    return record


def main(task, parser, arguments=None):
    """Prepare, then train the arm of the command line with each new seed."""
    add_run_options(parser, task.arms)
    options = finish_options(task, parser.parse_args(arguments))
    prepare_process()
    runs = read_runs(options.output)
    check_settings(runs, options)
    data = task.prepare(options)
    if options.prepare_only:
        return
    done = {key_of(run) for run in runs}
    for seed in range(options.seeds):
        print(f"{task.name}, {options.graph}, seed {seed}", flush=True)
        if key(options.graph, options.graph_on, seed) in done:
            print(f"  is a line of {options.output}/runs.jsonl")
            continue
        run_and_record(task, data, options, options.graph, seed)
