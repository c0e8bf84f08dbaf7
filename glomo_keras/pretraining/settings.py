"""What every run of pretraining decides, and a table of sizes for its `--help`."""

import argparse
import dataclasses
import json
from pathlib import Path

# The defaults of every program.
PATIENCE = 10  # a cosine gains most at its end
SAVE_EVERY = 200


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunSettings:
    """What a run needs to know whatever it trains.

    Attributes:
        output: path, the folder of the run.
        prepared: path, the folder of the arrays that it reads.
        resume: bool, whether a run in the folder goes on.
        size: string, name of the bundle of sizes.
        seed: int, of all that is drawn.
        batch_size, steps_per_epoch, epochs: ints, which the schedule spans.
        learning_rate: float, the highest.
        warmup: int, steps to it.
        clip_norm: float, of all gradients.
        patience: int, epochs without a new best after which the run ends.
        save_every: int, steps after which the state is saved in the midst of an epoch.
    """

    output: Path
    prepared: Path
    resume: bool
    size: str
    seed: int
    batch_size: int
    steps_per_epoch: int
    epochs: int
    learning_rate: float
    warmup: int
    clip_norm: float
    patience: int
    save_every: int

    @property
    def last_epoch(self):
        """Number of epochs after which this start of the run ends."""
        return self.epochs

    def to_json(self):
        """Return the settings as JSON holds them."""
        return json.loads(json.dumps(dataclasses.asdict(self), default=str))


def seed_int(text):
    """Return a seed that Keras takes, of the command line."""
    if not text.isdecimal() or int(text) >= 2**32:
        raise argparse.ArgumentTypeError(f"must lie in [0, 2**32), not {text}")
    return int(text)


def list_sizes(sizes):
    """Return what each size decides, as a table for the end of --help.

    Example:

    >>> print(list_sizes({"small": {"num_heads": 2}, "base": {"num_heads": 8}}))
    what --size decides:  small  base
      --num-heads         2      8
    """
    rows = [("what --size decides:", *sizes)]
    for name in next(iter(sizes.values())):
        values = (size[name] for size in sizes.values())
        cells = (str(value).strip("[]").replace(",", "") for value in values)
        rows.append((f"  --{name.replace('_', '-')}", *cells))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
