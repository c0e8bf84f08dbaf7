"""One training of a downstream model: resumable, its best epoch chosen by dev."""

import dataclasses
import time

import keras
import numpy as np

from experiment.comparison.arms import Arm
from experiment.comparison.plan import count_steps
from experiment.comparison.records import setting_differences
from experiment.folders import read_json
from experiment.process import UsageError
from experiment.process import usage_errors
from experiment.run_clock import RunClock
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

    def __init__(self, path, writes=True):
        super().__init__()
        self.path, self.writes = path, writes
        self.earlier = float(path.read_text("utf-8")) if path.exists() else 0.0
        self.started = time.monotonic()

    @property
    def seconds(self):
        """Seconds that were spent on the run so far."""
        return self.earlier + time.monotonic() - self.started

    def on_epoch_end(self, epoch, logs=None):
        if self.writes:
            write_text(self.path, f"{self.seconds}")


@dataclasses.dataclass(frozen=True)
class Trained:
    """What a training leaves.

    Attributes:
        model: the model, with the weights of its best epoch.
        arm: `Arm` of it.
        num_train: int, examples that it was trained on.
        test: int array, the examples to test on.
        state: dict of `epochs` and `best_epoch`, ints, and `best`, the error on dev.
        seconds: float.
    """

    model: keras.Model
    arm: Arm
    num_train: int
    test: np.ndarray
    state: dict
    seconds: float

    @property
    def summary(self):
        """Dict of the epochs and the score on dev, for a record."""
        return {
            "epochs": self.state["epochs"],
            "best_epoch": self.state["best_epoch"],
            "best_dev": 1.0 - self.state["best"],
        }


def run_name(arm_name, settings, seed):
    """Return the name of a run: what tells it from the others of a comparison."""
    size = settings.num_train or "all"
    return f"{arm_name}-{settings.graph_on}-{size}-{seed}"


def run_folder(arm_name, settings, seed):
    """Return the folder where a run that is not finished keeps its state."""
    return settings.output / "runs" / run_name(arm_name, settings, seed)


def start_or_go_on(folder, settings, writes):
    """Make the folder of a run; refuse one that was begun with other settings.

    Args:
        folder: path.
        settings: dict that JSON can hold, of all that decides the run.
        writes: bool, whether this process is the one that writes.

    Raises:
        UsageError: if the folder is damaged, or of other settings.
    """
    path = folder / "settings.json"
    if path.exists():
        different = setting_differences(read_json(path), settings)
        if different:
            raise UsageError(
                f"{folder} holds a run that was begun with other settings "
                f"({different}). Give those settings or another --output, or remove "
                "the folder."
            )
    if writes:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(path, settings)


def train(task, data, settings, arm_name, seed, folder, clock=None):
    """Train one model; a killed training goes on after its last epoch.

    Args:
        task: `Task`.
        data: what `task.prepare` returned.
        settings: `Settings`, whose `learning_rate` is that of the training.
        arm_name: str, one of the arms of the task.
        seed: int.
        folder: path of the state of the training.
        clock: `RunClock` of the runs that it is one of; `None` is one of this alone.

    Returns:
        `Trained`.

    Raises:
        UsageError: if the training was begun with other settings.
        FloatingPointError: if the loss or a prediction is not finite.
    """
    with usage_errors():  # of a preset that is damaged
        recorded = settings.recorded(arm_name)
        arm = task.make_arm(arm_name, seed, settings)
    begun = recorded | {
        "learning_rate": settings.learning_rate,
        "sources": task.identify_data(data),
    }
    devices = settings.devices
    start_or_go_on(folder, begun, devices.writes)
    spent = SpentSeconds(folder / "seconds", devices.writes)
    examples, dev, test = task.choose_examples(data, settings, seed)
    there = len(examples), len(dev)
    if (settings.num_train or there[0], settings.num_dev) != there:
        print(f"  as many as there are: {there[0]:,} to train on, {there[1]:,} of dev")

    # After the predictor, which another run of the process may have loaded.
    keras.utils.set_random_seed(seed)
    with devices.scope():
        model = task.build(data, arm, settings)
        # Or else TensorFlow traces the first step twice, with and without making these.
        model.optimizer.build(model.trainable_variables)
    best_weights = folder / "best.weights.h5"

    def save_best(model):
        if not devices.writes:
            return
        with atomic_write(best_weights) as temporary:
            model.save_weights(temporary)

    checkpoint = ResumableCheckpoint(
        folder / "checkpoints",
        "dev_error",
        settings.patience,
        on_best=save_best,
        writes=devices.writes,
    )
    first_epoch = checkpoint.restore(model)
    batches = task.batches(
        data,
        "train",
        arm,
        settings,
        examples,
        shuffle_seed=seed,
        first_epoch=first_epoch,
    )
    dev_score = DevScore(
        task.metric,
        lambda model: score(task, data, "train", arm, settings, model, dev),
        settings.epochs,
    )
    num_epochs = settings.epochs - first_epoch
    num_steps = count_steps(settings, batches, num_epochs, dev, test)
    steps = (clock or RunClock(1)).steps(num_steps)
    if not checkpoint.is_out_of_patience:
        model.fit(
            batches,
            epochs=settings.epochs,
            initial_epoch=first_epoch,
            steps_per_epoch=batches.steps_per_epoch,
            callbacks=[RaiseOnNaN(), steps, dev_score, checkpoint, spent],
            shuffle=False,  # the batches do
            verbose=0,
        )
    devices.wait()  # for what one of them has written
    model.load_weights(best_weights)
    devices.wait()
    return Trained(model, arm, len(examples), test, checkpoint.state, spent.seconds)


def score(task, data, split, arm, settings, model, examples):
    """Return the scores of examples by metric; see `Task.score`.

    Raises:
        FloatingPointError: if a prediction is not finite.
    """
    batches = task.batches(data, split, arm, settings, examples)
    predictions = task.predict(model, batches, settings, len(examples))
    check_finite(predictions, f"{arm.name}, {split}")
    return task.score(predictions, data, split, examples)


def check_finite(predictions, where):
    """Raise FloatingPointError unless all predictions are finite; `where` they are."""
    arrays = keras.tree.flatten(predictions)
    if not all(np.isfinite(array).all() for array in arrays):
        raise FloatingPointError(
            f"{where}: a prediction is not finite, so that there is no result. Nothing "
            "was recorded. Look at the features, or give a lower --learning-rate."
        )
