"""What decides a run: the settings of a task, and those that are recorded of a run."""

import dataclasses
import pathlib

import keras

from experiment.comparison.arms import PREDICTED_ARMS
from experiment.devices import find_devices
from glomo_keras.models import find_preset


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """Settings that all tasks share; a task adds its own in a subclass.

    Attributes:
        output: path of the folder of arrays and runs.
        size: str, the bundle of sizes that filled in what was not given.
        data: str, where the examples come from.
        predictor: str, name or folder of the preset that gives the graphs.
        graph_on: str, the features that messages are computed of.
        num_hops: int, transfers one after the other.
        num_mixtures: int, mixed graphs a direction.
        message_dim: int, size that features are projected to before they are sent. 0
            means that they are sent as they are.
        no_composed: bool, whether products of graphs are left out.
        residual: bool, whether messages are added to features, not put beside them.
        unconditional: bool, whether mixture weights do not depend on the features.
        graph_dropout: float, before the gate.
        graph_memory: float, GiB of graphs or messages that are kept in memory.
        num_train: int or None, examples to train on. `None` means all.
        num_dev: int, others of train, that the epoch is selected by.
        num_test: int or None, examples to test on. `None` means all.
        epochs: int, at most.
        patience: int, epochs without a better one, after which training stops.
        batch_size: int, examples a step.
        learning_rate: float, the highest.
        learning_rates: tuple of floats, of which every arm takes the best by dev, or
            `None`: all take `learning_rate`.
        dropout: float, in the downstream model.
        strategy: str, of the devices: one of `glomo_keras.distribution.STRATEGIES`.
    """

    output: pathlib.Path
    size: str
    data: str
    predictor: str
    graph_on: str
    num_hops: int
    num_mixtures: int
    message_dim: int
    no_composed: bool
    residual: bool
    unconditional: bool
    graph_dropout: float
    graph_memory: float
    num_train: int | None
    num_dev: int
    num_test: int | None
    epochs: int
    patience: int
    batch_size: int
    learning_rate: float
    learning_rates: tuple | None = None
    dropout: float
    strategy: str = "none"

    @property
    def devices(self):
        """`Devices` that a run trains on."""
        return find_devices(self.strategy)

    @property
    def cache_bytes(self):
        """Bytes of graphs or messages that are kept in memory."""
        return int(self.graph_memory * 2**30)

    def transfer_arguments(self):
        """Return the arguments of a layer that transfers graphs or messages."""
        return {
            "num_mixtures": self.num_mixtures,
            "message_dim": self.message_dim or None,
            "composed": not self.no_composed,
            "residual": self.residual,
            "conditional": not self.unconditional,
            "dropout": self.graph_dropout,
        }

    def split_sizes(self, num_usable):
        """Return how many examples to train on and to select the epoch by.

        Args:
            num_usable: int, examples of train that can be trained on.
        """
        num_dev = min(self.num_dev, num_usable // 3)
        num_left = num_usable - num_dev
        return min(self.num_train or num_left, num_left), num_dev

    def recorded(self, arm_name):
        """Return the settings that decide the result of a run, its seed aside.

        Args:
            arm_name: str, the arm of the run. The predictor counts for those alone that
                use it.

        Returns:
            Dict that JSON can hold.
        """
        recorded = dataclasses.asdict(self)
        for name in ("output", "graph_memory", "graph_on", "predictor", "strategy"):
            del recorded[name]
        # Either the rate of all arms, or those that each arm has chosen from.
        if self.learning_rates is None:
            del recorded["learning_rates"]
        else:
            del recorded["learning_rate"]
            recorded["learning_rates"] = list(self.learning_rates)
        if not self.residual:  # as runs have it that do not say it
            del recorded["residual"]
        recorded["backend"] = keras.backend.backend()
        if arm_name in PREDICTED_ARMS:
            preset = find_preset(self.predictor)
            fingerprint = preset.metadata["fingerprint"]
            recorded["predictor"] = f"{preset.folder.name} {fingerprint}"
        return recorded
