"""Settings of a search, and the space that it is in."""

import dataclasses
from pathlib import Path

from experiment.folders import identify_arrays

TUNERS = ("random", "hyperband", "bayesian")
OBJECTIVES = {"nats": "min", "judge": "max"}
# Of every hyperparameter, what may be chosen. The first is where a search begins.
CHOICES = {
    "embedding_dim": (64, 32, 96, 128),
    "num_heads": (4, 2, 8),
    "num_graph_layers": (2, 1, 3),
    "num_convolutions": (4, 1, 2, 6),
    "threshold": ("entmax", "mean"),
    "position_bias": (32, 0, 8),
    "context_length": (3, 1),
    "dropout": (0.0, 0.1, 0.3),
}
RATES = (0.0005, 0.01)  # of learning, least and largest
MIXTURES = (4, 1, 8)  # of the transfer, where the judge decides


@dataclasses.dataclass(frozen=True, kw_only=True)
class TuningSettings:
    """What decides a search.

    Attributes:
        output: path of its folder.
        prepared: path of the arrays that `pretrain_text.py` wrote; `None` until they
            are made up.
        tuner: str, one of `TUNERS`.
        objective: str, one of `OBJECTIVES`: nats of validation, or the accuracy of
            `dependency_labels.py` on the part of train that its epoch is chosen by.
        num_trials: int; hyperband decides it by itself.
        steps: int, of a trial at most.
        batch_size: int, windows a step.
        window: int, units of a window.
        min_units: int, shorter documents are dropped.
        valid_windows: int.
        num_classes: int, classes of units to predict; 0 predicts units.
        seed: int, of the search and of every training.
        space: dict by hyperparameter of tuples of what may be chosen.
        judge: tuple of str, options of `dependency_labels.py`.
        shards: `None`, as `load_corpus` asks for: arrays are read.
    """

    output: Path
    prepared: Path | None
    tuner: str
    objective: str
    num_trials: int
    steps: int
    batch_size: int
    window: int
    min_units: int
    valid_windows: int
    num_classes: int
    seed: int
    space: dict
    judge: tuple
    shards: None = None

    def recorded(self):
        """Return what all trials of a search share, for JSON."""
        recorded = dataclasses.asdict(self)
        for name in ("output", "prepared", "num_trials", "shards"):
            del recorded[name]
        recorded["arrays"] = identify_arrays(self.prepared)
        recorded["space"] = {k: list(v) for k, v in self.space.items()}
        return {**recorded, "judge": list(self.judge)}
