"""Checkpoints that a killed training resumes from, and early stopping with them."""

import math
import re
import warnings
import zipfile
from pathlib import Path

import keras
import numpy as np

from glomo_keras.callbacks.raise_on_nan import find_broken_weight
from glomo_keras.checks import check_positive_integers
from glomo_keras.files import atomic_write
from glomo_keras.files import check_free_space
from glomo_keras.files import read_json
from glomo_keras.files import remove_unfinished
from glomo_keras.files import write_json
from glomo_keras.models.model_config import variable_bytes


class ResumableCheckpoint(keras.callbacks.Callback):
    """Save the state of training; stop when it no longer improves.

    `DIRECTORY/CURRENT` names the files of the last finished epoch, or of a step in the
    next: weights with the optimizer's state, the states of the random generators, and
    the means of the epoch so far. It is replaced last, and every file is written whole
    or not at all: a process that is killed, or finds the disk full, leaves the
    checkpoint before. Training goes on exactly from there, where the batches do: see
    `fit`. `keras.callbacks.BackupAndRestore` saves no generators, and begins an epoch
    anew that it was saved in.

    Args:
        directory: path, where the checkpoints go. One training at a time may use it.
        monitor: str, the logged value that should fall.
        patience: int, epochs without a new best after which training stops.
        on_best: function of the model, called when a best epoch ends.
        save_every: int or None, steps after which the state is saved in the midst of an
            epoch. `None` saves epochs alone.
        writes: bool, whether this process writes: of the workers of a cluster, one
            does, for all. All of them restore, and call `on_best`.

    Attributes:
        state: dict, what is saved: `epochs`, `steps`, `best`, `best_epoch`.
        steps_before: int, steps of the epoch that were done before it was resumed.

    Raises:
        TypeError, ValueError: if `patience` or `save_every` is no positive integer.
            ValueError also from `fit`, if the monitored value is not logged, or the
            model is compiled with `steps_per_execution` beside `save_every`.
        FloatingPointError: from `fit`, if the monitored value or a weight is not
            finite; the epoch or the step is not saved.
        OSError: from `fit`, if there is too little free space for a checkpoint.

    Example:

    >>> import tempfile
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> model.compile("adam", "mse")
    >>> x, y = np.ones((3, 2)), np.ones((3, 1))
    >>> folder = tempfile.mkdtemp()
    >>> for epochs in (1, 2):  # the second `fit` trains the second epoch alone
    ...     checkpoint = ResumableCheckpoint(folder, "loss", 3, on_best=lambda m: None)
    ...     first_epoch = checkpoint.restore(model)
    ...     _ = model.fit(
    ...         x, y, epochs=epochs, initial_epoch=first_epoch, verbose=0,
    ...         callbacks=[checkpoint],
    ...     )
    >>> first_epoch, checkpoint.state["epochs"]
    (1, 2)
    """

    def __init__(
        self, directory, monitor, patience, on_best, save_every=None, writes=True
    ):
        super().__init__()
        check_positive_integers(patience=patience)
        check_positive_integers(or_none=True, save_every=save_every)
        self.directory = Path(directory)
        self.writes = writes
        if writes:
            self.directory.mkdir(parents=True, exist_ok=True)
        self.monitor = monitor
        self.patience = patience
        self.on_best = on_best
        self.save_every = save_every
        self.state = {
            "epochs": 0,
            "steps": 0,
            "best": float("inf"),
            "best_epoch": 0,
        }
        self.steps_before = 0
        self._metrics, self._batches = [], None

    @property
    def is_out_of_patience(self):
        """Whether training stopped, or would, for want of a better epoch."""
        return self.state["epochs"] - self.state["best_epoch"] >= self.patience

    def restore(self, model):
        """Load the last checkpoint into a compiled model.

        `state["steps"]` is the number of steps that are done of the epoch after the
        finished ones.

        Returns:
            int, number of finished epochs: 0 without a checkpoint.

        Raises:
            ValueError: if the checkpoint is damaged, or that of another model.
        """
        current = self.directory / "CURRENT"
        if not current.exists():
            return 0
        try:
            state = _read_state(current)
            prefix = self.directory / _name(state)
            metrics = _load(model, f"{prefix}.weights.h5", f"{prefix}.npz")
        except (*_DAMAGES, UserWarning) as error:
            raise ValueError(
                f"The checkpoint in {self.directory} cannot be loaded: it is damaged, "
                f"or that of another model ({error}). Resume with the model that it "
                "was saved from, or remove the folder to start over."
            ) from error
        self.state, self._metrics = state, metrics
        return state["epochs"]

    def fit(self, model, batches, epochs, steps_per_epoch, callbacks=(), **arguments):
        """Train what is left, by `model.fit`: from the saved step on.

        An epoch that was left in its midst is ended first, by a `fit` of its own, with
        the means of all of its steps. Nothing is left of a training that has stopped
        for want of patience.

        Args:
            model: a compiled model that `restore` was called with.
            batches: an endless `keras.utils.PyDataset` whose batches depend on their
                number alone, such as `glomo_keras.data.windows.WindowSequence`: its
                `first_step` is set.
            epochs: int, of the whole training.
            steps_per_epoch: int.
            callbacks: list of callbacks, this one among them.
            **arguments: of `model.fit`.
        """

        def train(first_epoch, steps_done, last_epoch):
            batches.first_step = first_epoch * steps_per_epoch + steps_done
            model.fit(
                batches,
                steps_per_epoch=steps_per_epoch - steps_done,
                initial_epoch=first_epoch,
                epochs=last_epoch,
                callbacks=callbacks,
                shuffle=False,
                **arguments,
            )

        if self.is_out_of_patience:
            return
        self._batches = batches
        if self.state["steps"] and self.state["epochs"] < epochs:
            epoch = self.state["epochs"]
            train(epoch, self.state["steps"], epoch + 1)
            if model.stop_training:
                return
        if self.state["epochs"] < epochs:
            train(self.state["epochs"], 0, epochs)

    def on_train_begin(self, logs=None):
        if self.save_every is not None and self.model.steps_per_execution != 1:
            raise ValueError(
                "`save_every` counts single steps. Compile the model with "
                "steps_per_execution=1, or give save_every=None to save epochs alone. "
                f"Received: steps_per_execution={self.model.steps_per_execution}."
            )

    def on_epoch_begin(self, epoch, logs=None):
        is_left = epoch == self.state["epochs"]
        self._epoch, self.steps_before = epoch, self.state["steps"] if is_left else 0
        if self.steps_before:
            if len(self.model.metrics_variables) < len(self._metrics):
                # On TensorFlow Keras makes those of `compile` in the first step.
                self.model._symbolic_build(data_batch=self._batches[0])
            for variable, value in zip(
                self.model.metrics_variables, self._metrics, strict=True
            ):
                variable.assign(value)

    def on_train_batch_end(self, batch, logs=None):
        step = self.steps_before + batch + 1
        is_last = batch + 1 == self.params.get("steps")  # saved with its epoch
        if self.save_every is None or is_last or step % self.save_every:
            return
        self._check_weights(f"step {step} of epoch {self._epoch + 1}")
        state = {**self.state, "epochs": self._epoch, "steps": step}
        # Of several workers all take part in a sum over them.
        metrics = _values(self.model.metrics_variables)
        if self.writes:
            variables = self.model.variables + self.model.optimizer.variables
            check_free_space(self.directory, variable_bytes(variables))
            self._save(state, metrics)
        self.state = state

    def on_epoch_end(self, epoch, logs=None):
        if self.monitor not in (logs or {}):
            raise ValueError(
                "`monitor` must be the name of a logged value. Received: "
                f"monitor={self.monitor!r}, and logged are {sorted(logs or {})}. "
                "Values of validation (`val_...`) need `validation_data` in `fit`."
            )
        value = float(logs[self.monitor])
        if not math.isfinite(value):
            raise FloatingPointError(
                f"`{self.monitor}` is {value} after epoch {epoch + 1}: the epoch is "
                "not saved, the checkpoint before it stays."
            )
        self._check_weights(f"epoch {epoch + 1}")
        state = {**self.state, "epochs": epoch + 1, "steps": 0}
        if self.writes:
            variables = self.model.variables + self.model.optimizer.variables
            # Twice, for what `on_best` may save of the model.
            check_free_space(self.directory, 2 * variable_bytes(variables))
        if value < state["best"]:
            state.update(best=value, best_epoch=epoch + 1)
            self.on_best(self.model)
        if self.writes:
            self._save(state)
        self.state = state
        if self.is_out_of_patience:
            print(
                f"No better {self.monitor} for {self.patience} epochs: stopping. "
                f"Best: {self.state['best']:.4f} in epoch {self.state['best_epoch']}."
            )
            self.model.stop_training = True

    def _check_weights(self, place):
        """Raise FloatingPointError where the last update has broken a weight."""
        broken = find_broken_weight(self.model)
        if broken is not None:
            raise FloatingPointError(
                f"The weight {broken} is not finite after {place}, which is not saved: "
                "the checkpoint before it stays. The training has diverged: try a "
                "lower learning rate or clipped gradients."
            )

    def _save(self, state, metrics=()):
        name = _name(state)
        with atomic_write(self.directory / f"{name}.weights.h5") as temporary:
            self.model.save_weights(temporary)
        arrays = dict(_numbered("metric", metrics))
        arrays.update(_numbered("state", _values(_seed_states(self.model))))
        with atomic_write(self.directory / f"{name}.npz") as temporary:
            np.savez(temporary, **arrays)
        write_json(self.directory / "CURRENT", state)
        remove_unfinished(self.directory)
        for path in self.directory.iterdir():
            file = _FILE_NAME.fullmatch(path.name)
            if file and file["state"] != name:
                path.unlink()


# Of every file beside `CURRENT`: others in the folder may begin like them.
_FILE_NAME = re.compile(r"(?P<state>epoch_\d{4,}(_step_\d{6,})?)\.(weights\.h5|npz)")


def _name(state):
    """Return what the names of the files of a state begin with."""
    name = f"epoch_{state['epochs']:04d}"
    return f"{name}_step_{state['steps']:06d}" if state["steps"] else name


# What Keras, h5py, NumPy and JSON raise where files are damaged or do not fit.
_DAMAGES = (
    EOFError,
    KeyError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    zipfile.BadZipFile,
)


def _read_state(path):
    state = read_json(path)
    kinds = {"epochs": int, "steps": int, "best": (int, float), "best_epoch": int}
    if isinstance(state, dict):
        state.setdefault("steps", 0)
    if not isinstance(state, dict) or not all(
        isinstance(state.get(name), kind) for name, kind in kinds.items()
    ):
        raise ValueError(f"{path} does not say which epoch is saved")
    return state


def _load(model, weights_path, seeds_path):
    """Load weights and generators; return the values of metrics, if any are saved."""
    if not model.optimizer.built:  # one that scales losses would have them twice
        model.optimizer.build(model.trainable_variables)
    with warnings.catch_warnings():
        # Where the optimizer's state does not fit, Keras only warns and leaves it out.
        warnings.filterwarnings("error", message="Skipping variable loading")
        model.load_weights(weights_path)
    with np.load(seeds_path, allow_pickle=False) as arrays:
        for key, variable in _numbered("state", _seed_states(model)):
            variable.assign(arrays[key])
        number = sum(key.startswith("metric_") for key in arrays)
        return [arrays[f"metric_{place}"] for place in range(number)]


def _seed_states(model):
    """Variables of random generators, in order: they are not part of saved weights."""
    return [v for v in model.variables if v.path.endswith("seed_generator_state")]


def _values(variables):
    return [keras.ops.convert_to_numpy(variable) for variable in variables]


def _numbered(name, items):
    # Paths of variables count the objects of the process: they are no names to keep.
    return [(f"{name}_{number}", item) for number, item in enumerate(items)]
