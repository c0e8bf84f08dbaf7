"""Runs of downstream models with graphs, of whatever task: train, select, test."""

import importlib.metadata
import platform
import shutil
import time

import keras
import numpy as np

from experiment.comparison.options import add_run_options
from experiment.comparison.options import make_parser
from experiment.comparison.options import make_settings
from experiment.comparison.records import append_run
from experiment.comparison.records import check_data
from experiment.comparison.records import check_settings
from experiment.comparison.records import key_of
from experiment.comparison.records import make_key
from experiment.comparison.records import read_runs
from experiment.folders import differences
from experiment.folders import hold
from experiment.folders import read_json
from experiment.process import UsageError
from experiment.process import prepare_process
from experiment.process import usage_errors
from glomo_keras.callbacks import RaiseOnNaN
from glomo_keras.callbacks import ResumableCheckpoint
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


class SpentSeconds(keras.callbacks.Callback):
    """Time of training, with that of earlier, killed processes of the same run."""

    def __init__(self, path):
        super().__init__()
        self.path = path
        self.earlier = float(path.read_text("utf-8")) if path.exists() else 0.0
        self.started = time.monotonic()

    @property
    def seconds(self):
        """Seconds that were spent on the run so far."""
        return self.earlier + time.monotonic() - self.started

    def on_epoch_end(self, epoch, logs=None):
        write_text(self.path, f"{self.seconds}")


def run(task, data, settings, arm_name, seed):
    """Train one model and test it; a killed run goes on after its last epoch.

    Args:
        task: `Task`.
        data: what `task.prepare` returned.
        settings: `Settings`.
        arm_name: str, one of `task.arms`.
        seed: int.

    Returns:
        Dict, the record of the run; its scores by example are on disk.

    Raises:
        UsageError: if the run was begun with other settings.
        FloatingPointError: if the loss or a prediction is not finite; nothing is
            recorded.
    """
    name = run_name(arm_name, settings, seed)
    folder = run_folder(arm_name, settings, seed)
    recorded_settings, recorded_versions = settings.recorded(arm_name), versions()
    sources = task.identify_data(data)
    _start_or_go_on(folder, {**recorded_settings, "sources": sources})
    spent = SpentSeconds(folder / "seconds")
    arm = task.make_arm(arm_name, seed, settings)
    train, dev, test = task.choose_examples(data, settings, seed)
    if (settings.num_train or len(train), settings.num_dev) != (len(train), len(dev)):
        print(
            f"  as many as there are: {len(train):,} to train on, {len(dev):,} of dev"
        )

    def score(model, split, examples):
        batches = task.batches(data, split, arm, settings, examples)
        predictions = task.predict(model, batches, len(examples))
        _check_finite(predictions, f"{name}, {split}")
        return task.score(predictions, data, split, examples)

    # After the predictor, which another run of the process may have loaded.
    keras.utils.set_random_seed(seed)
    model = task.build(data, arm, settings)
    # Or else TensorFlow traces the first step twice, with and without making these.
    model.optimizer.build(model.trainable_variables)
    best_weights = folder / "best.weights.h5"

    def save_best(model):
        with atomic_write(best_weights) as temporary:
            model.save_weights(temporary)

    checkpoint = ResumableCheckpoint(
        folder / "checkpoints", "dev_error", settings.patience, on_best=save_best
    )
    first_epoch = checkpoint.restore(model)
    batches = task.batches(
        data,
        "train",
        arm,
        settings,
        train,
        shuffle_seed=seed,
        first_epoch=first_epoch,
    )
    dev_score = DevScore(
        task.metric, lambda model: score(model, "train", dev), settings.epochs
    )
    if not checkpoint.is_out_of_patience:
        model.fit(
            batches,
            epochs=settings.epochs,
            initial_epoch=first_epoch,
            callbacks=[RaiseOnNaN(), dev_score, checkpoint, spent],
            shuffle=False,  # the batches do
            verbose=0,
        )
    model.load_weights(best_weights)
    scores = score(model, "test", test)
    scores_file = settings.output / "scores" / f"{name}.npz"
    scores_file.parent.mkdir(exist_ok=True)
    with atomic_write(scores_file) as temporary:
        np.savez_compressed(temporary, examples=test, **scores)
    return {
        "task": task.name,
        "arm": arm_name,
        "graph_on": settings.graph_on,
        "seed": seed,
        "num_train": len(train),
        "epochs": checkpoint.state["epochs"],
        "best_epoch": checkpoint.state["best_epoch"],
        "best_dev": 1.0 - checkpoint.state["best"],
        "test": {metric: float(values.mean()) for metric, values in scores.items()},
        "seconds": round(spent.seconds),
        "scores": scores_file.relative_to(settings.output).as_posix(),
        **task.describe_model(model),
        "data": sources,
        "settings": recorded_settings,
        "versions": recorded_versions,
    }


def prepare(task, settings):
    """Return the prepared data of a task, and the finished runs on it.

    Args:
        task: `Task`.
        settings: `Settings`, whose output is held.

    Raises:
        UsageError: if the data cannot be read, or finished runs have other settings or
            other data.
    """
    runs = read_runs(settings.output)
    check_settings(runs, settings)
    with usage_errors():
        data = task.prepare(settings)
    check_data(runs, settings.output, task.identify_data(data))
    return data, runs


def run_and_record(task, data, settings, arm_name, seed):
    """Run, print the result, and make it a line of OUTPUT/runs.jsonl."""
    record = run(task, data, settings, arm_name, seed)
    append_run(settings.output, record)
    shutil.rmtree(run_folder(arm_name, settings, seed))
    values = ", ".join(f"{k} {v:.2%}" for k, v in record["test"].items())
    print(
        f"  test {values}; best of {record['epochs']} epochs by dev: "
        f"{record['best_epoch']}; {record['seconds']} s",
        flush=True,
    )
    return record


def run_name(arm_name, settings, seed):
    """Return the name of a run: what tells it from the others of a comparison."""
    size = settings.num_train or "all"
    return f"{arm_name}-{settings.graph_on}-{size}-{seed}"


def run_folder(arm_name, settings, seed):
    """Return the folder where a run that is not finished keeps its state."""
    return settings.output / "runs" / run_name(arm_name, settings, seed)


def versions():
    """Return the versions of what a result depends on."""
    by_package = {"python": platform.python_version()}
    for package in ("keras", "numpy", keras.backend.backend()):
        by_package[package] = importlib.metadata.version(package)
    return by_package


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
    with hold(settings.output):
        data, runs = prepare(task, settings)
        if options.prepare_only:
            return
        finished = {key_of(run) for run in runs}
        for seed in range(options.seeds):
            print(f"{task.name}, {options.graph}, seed {seed}", flush=True)
            if make_key(options.graph, settings.graph_on, seed) in finished:
                print(f"  is a line of {settings.output}/runs.jsonl")
                continue
            run_and_record(task, data, settings, options.graph, seed)


def _start_or_go_on(folder, settings):
    """Make the folder of a run; refuse one that was begun with other settings."""
    path = folder / "settings.json"
    if path.exists():
        different = differences(read_json(path), settings)
        if different:
            raise UsageError(
                f"{folder} holds a run that was begun with other settings "
                f"({different}). Give those settings or another --output, or remove "
                "the folder."
            )
    folder.mkdir(parents=True, exist_ok=True)
    write_json(path, settings)


def _check_finite(predictions, where):
    arrays = keras.tree.flatten(predictions)
    if not all(np.isfinite(array).all() for array in arrays):
        raise FloatingPointError(
            f"{where}: a prediction is not finite, so that there is no result. Nothing "
            "was recorded. Look at the features, or give a lower --learning-rate."
        )
