"""The devices of a run: their strategy, its scope, and the process that writes."""

import contextlib
import functools
import traceback

from experiment.process import UsageError
from experiment.process import usage_errors
from glomo_keras.distribution import STRATEGIES
from glomo_keras.distribution import is_chief
from glomo_keras.distribution import make_strategy


@functools.cache
def find_devices(name):
    """Return the `Devices` of a process, which has one strategy."""
    return Devices(name)


class Devices:
    """Devices that a run trains on.

    Args:
        name: one of `STRATEGIES`.

    Raises:
        UsageError: if this process or the environment does not allow it.
    """

    def __init__(self, name):
        with usage_errors():
            self.strategy = make_strategy(name)
        self.writes = is_chief(self.strategy)
        self.has_workers = name == "multiworker"
        self.number = self.strategy.num_replicas_in_sync if self.strategy else 1

    def scope(self):
        """Return the context that models are made and compiled in."""
        if self.strategy is None:
            return contextlib.nullcontext()
        return self.strategy.scope()

    def wait(self):
        """Wait until all workers are here."""
        if self.has_workers:
            import tensorflow as tf

            ones = self.strategy.run(lambda: tf.constant(1.0))
            self.strategy.reduce(tf.distribute.ReduceOp.SUM, ones, axis=None)

    @contextlib.contextmanager
    def lost_workers(self):
        """Turn what TensorFlow says where another worker has ended into one line.

        Raises:
            UsageError: it tells how to go on.
        """
        if not self.has_workers:
            yield
            return
        from tensorflow import errors

        lost = (
            errors.AbortedError,
            errors.CancelledError,
            errors.DeadlineExceededError,
            errors.UnavailableError,
        )
        try:
            yield
        except lost as error:
            # A pool of threads in them would complain when the program ends.
            traceback.clear_frames(error.__traceback__)
            reason = str(error).strip().splitlines()[0]
            raise UsageError(
                "The workers cannot go on together: one of them has ended, or failed. "
                "See its output, and start all of them again (with --resume where the "
                "program has it): they go on from the last checkpoint. TensorFlow "
                f"says: {reason}"
            ) from error


def check_prepares_alone(strategy, folder):
    """Raise UsageError where several workers would write the same arrays at a time."""
    if strategy == "multiworker":
        raise UsageError(
            f"{folder} does not hold these arrays yet, which several workers would "
            "write at a time. Prepare them first: the same command with --prepare-only "
            "and --strategy none, once."
        )


def add_strategy_option(add):
    """Add --strategy, by the `add_argument` of a group."""
    add(
        "--strategy",
        choices=STRATEGIES,
        default="none",
        help="devices, of TensorFlow: mirrored: all of this machine; multiworker: "
        "those of the machines in TF_CONFIG, see docs/scaling.md; batch sizes are "
        "those of all together (default: none, one device)",
    )
