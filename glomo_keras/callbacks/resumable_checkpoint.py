"""Checkpoints that a killed training resumes from, and early stopping with them."""

import json
from pathlib import Path

import keras
import numpy as np

from glomo_keras.files import write_json


class ResumableCheckpoint(keras.callbacks.Callback):
    """Saves the state of training every epoch; stops when it no longer improves.

    `DIRECTORY/CURRENT` names the files of the last finished epoch: weights with the
    optimizer's state, and the states of the random generators. It is replaced last.

    Args:
        directory: path, where the checkpoints go.
        monitor: str, the logged value that should fall.
        patience: int, epochs without a new best after which training stops.
        on_best: function of the model, called when a best epoch ends.
    """

    def __init__(self, directory, monitor, patience, on_best):
        super().__init__()
        self.directory = Path(directory)
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
        """
        current = self.directory / "CURRENT"
        if not current.exists():
            return 0
        self.state = json.loads(current.read_text())
        name = self._name(self.state["epochs"])
        model.optimizer.build(model.trainable_variables)
        model.load_weights(self.directory / f"{name}.weights.h5")
        with np.load(self.directory / f"{name}.npz") as seeds:
            for key, variable in _seed_states(model).items():
                variable.assign(seeds[key])
        return self.state["epochs"]

    def on_epoch_end(self, epoch, logs=None):
        value = float(logs[self.monitor])
        self.state["epochs"] = epoch + 1
        if value < self.state["best"]:
            self.state.update(best=value, best_epoch=epoch + 1)
            self.on_best(self.model)
        elif not np.isfinite(value):
            print(f"{self.monitor} is {value}: stopping.")
            self.model.stop_training = True
            return  # the last good checkpoint stays
        self._save()
        if self.is_out_of_patience:
            print(
                f"No better {self.monitor} for {self.patience} epochs: stopping. "
                f"Best: {self.state['best']:.4f} in epoch {self.state['best_epoch']}."
            )
            self.model.stop_training = True

    def _save(self):
        name = self._name(self.state["epochs"])
        self.model.save_weights(self.directory / f"{name}.weights.h5", overwrite=True)
        states = {
            key: keras.ops.convert_to_numpy(variable)
            for key, variable in _seed_states(self.model).items()
        }
        np.savez(self.directory / f"{name}.npz", **states)
        write_json(self.directory / "CURRENT", self.state)
        for path in self.directory.glob("epoch_*"):
            if not path.name.startswith(f"{name}."):
                path.unlink()

    @staticmethod
    def _name(epochs):
        return f"epoch_{epochs:04d}"


def _seed_states(model):
    """Variables of random generators, in order: they are not part of saved weights."""
    states = [v for v in model.variables if v.path.endswith("seed_generator_state")]
    # Their paths count the generators of the process, so they are no names to keep.
    return {f"state_{number}": variable for number, variable in enumerate(states)}
