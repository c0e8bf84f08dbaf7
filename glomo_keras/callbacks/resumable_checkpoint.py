"""Checkpoints that a killed training resumes from, and early stopping with them."""

import math
import warnings
import zipfile
from pathlib import Path

import keras
import numpy as np

from glomo_keras.checks import check_positive_integers
from glomo_keras.files import atomic_write
from glomo_keras.files import check_free_space
from glomo_keras.files import is_unfinished
from glomo_keras.files import read_json
from glomo_keras.files import write_json
from glomo_keras.models.model_config import variable_bytes


class ResumableCheckpoint(keras.callbacks.Callback):
    """Save the state of training every epoch; stop when it no longer improves.

    `DIRECTORY/CURRENT` names the files of the last finished epoch: weights with the
    optimizer's state, and the states of the random generators. It is replaced last,
    and every file is written whole or not at all: a process that is killed, or finds
    the disk full, leaves the checkpoint before.

    Args:
        directory: path, where the checkpoints go. One training at a time may use it.
        monitor: str, the logged value that should fall.
        patience: int, epochs without a new best after which training stops.
        on_best: function of the model, called when a best epoch ends.
        writes: bool, whether this process writes: of the workers of a cluster, one
            does, for all. All of them restore, and call `on_best`.

    Raises:
        TypeError, ValueError: if `patience` is no positive integer. ValueError also
            from `fit`, if the monitored value is not logged.
        FloatingPointError: from `fit`, if the monitored value is not finite; the
            epoch is not saved.
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

    def __init__(self, directory, monitor, patience, on_best, writes=True):
        super().__init__()
        check_positive_integers(patience=patience)
        self.directory = Path(directory)
        self.writes = writes
        if writes:
            self.directory.mkdir(parents=True, exist_ok=True)
        self.monitor = monitor
        self.patience = patience
        self.on_best = on_best
        self.state = {"epochs": 0, "best": float("inf"), "best_epoch": 0}

    @property
    def is_out_of_patience(self):
        """Whether training stopped, or would, for want of a better epoch."""
        return self.state["epochs"] - self.state["best_epoch"] >= self.patience

    def restore(self, model):
        """Load the last checkpoint into a compiled model.

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
            prefix = self.directory / self._name(state["epochs"])
            _load(model, f"{prefix}.weights.h5", f"{prefix}.npz")
        except (*_DAMAGES, UserWarning) as error:
            raise ValueError(
                f"The checkpoint in {self.directory} cannot be loaded: it is damaged, "
                f"or that of another model ({error}). Resume with the model that it "
                "was saved from, or remove the folder to start over."
            ) from error
        self.state = state
        return state["epochs"]

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
        state = {**self.state, "epochs": epoch + 1}
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

    def _save(self, state):
        name = self._name(state["epochs"])
        with atomic_write(self.directory / f"{name}.weights.h5") as temporary:
            self.model.save_weights(temporary)
        seeds = {
            key: keras.ops.convert_to_numpy(variable)
            for key, variable in _seed_states(self.model).items()
        }
        with atomic_write(self.directory / f"{name}.npz") as temporary:
            np.savez(temporary, **seeds)
        write_json(self.directory / "CURRENT", state)
        for path in self.directory.iterdir():
            is_older = (
                path.name.startswith("epoch_") and path.name.split(".")[0] != name
            )
            if is_older or is_unfinished(path):
                path.unlink()

    @staticmethod
    def _name(epochs):
        return f"epoch_{epochs:04d}"


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
    kinds = {"epochs": int, "best": (int, float), "best_epoch": int}
    if not isinstance(state, dict) or not all(
        isinstance(state.get(name), kind) for name, kind in kinds.items()
    ):
        raise ValueError(f"{path} does not say which epoch is saved")
    return state


def _load(model, weights_path, seeds_path):
    if not model.optimizer.built:  # one that scales losses would have them twice
        model.optimizer.build(model.trainable_variables)
    with warnings.catch_warnings():
        # Where the optimizer's state does not fit, Keras only warns and leaves it out.
        warnings.filterwarnings("error", message="Skipping variable loading")
        model.load_weights(weights_path)
    with np.load(seeds_path, allow_pickle=False) as seeds:
        for key, variable in _seed_states(model).items():
            variable.assign(seeds[key])


def _seed_states(model):
    """Variables of random generators, in order: they are not part of saved weights."""
    states = [v for v in model.variables if v.path.endswith("seed_generator_state")]
    # Their paths count the generators of the process, so they are no names to keep.
    return {f"state_{number}": variable for number, variable in enumerate(states)}
