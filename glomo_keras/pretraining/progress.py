"""Short lines about long work: one an epoch, and in a terminal one that moves."""

import sys
import time

import keras

_WIDTH = 79
_FIRST_STEPS = 3  # which compile, and say nothing of the speed
_MEASURED_STEPS = 20  # after which what the training takes is known


class EpochLine(keras.callbacks.Callback):
    """Print one line an epoch: how the training stands, and what is left.

    What else is logged is in log.csv.

    Args:
        epochs: int, how many there will be.
        describe: function of the logs that returns a string.
        checkpoint: the `ResumableCheckpoint` of the same `fit`: of an epoch that was
            done in part by an earlier process, only the rest is measured. `None` where
            there is none.
    """

    def __init__(self, epochs, describe, checkpoint=None):
        super().__init__()
        self.epochs = epochs
        self.describe, self.checkpoint = describe, checkpoint

    def on_train_begin(self, logs=None):
        self.started, self.done = time.monotonic(), 0

    def on_epoch_end(self, epoch, logs=None):
        now = time.monotonic()
        self.done += 1
        if self.done == 1:  # it compiles, and says little of the others
            self.first_ended, seconds, bound = now, now - self.started, "< "
            steps_before = self.checkpoint.steps_before if self.checkpoint else 0
            if steps_before:
                seconds *= 1 + steps_before / self.params["steps"]
        else:
            seconds, bound = (now - self.first_ended) / (self.done - 1), ""
        left = (self.epochs - epoch - 1) * seconds
        print(
            f"epoch {epoch + 1}/{self.epochs}: {self.describe(logs)}; "
            f"{seconds:.0f} s, {bound if left else ''}{duration(left)} left",
            flush=True,
        )


class StepLine(keras.callbacks.Callback):
    """Say what a training will take, and in a terminal how it stands at every moment.

    Args:
        epochs: int, how many there will be.
        steps: int, of an epoch.
        step_size: pair of an int and a string: how many of what a step reads.
        stream: file; `None` is the standard output as it is then.
        checkpoint: the `ResumableCheckpoint` of the same `fit`: steps of an epoch that
            was done in part by an earlier process count. `None` where there is none.
    """

    def __init__(self, epochs, steps, step_size, stream=None, checkpoint=None):
        super().__init__()
        self.epochs, self.steps, self.step_size = epochs, steps, step_size
        self.stream, self.checkpoint = stream, checkpoint
        self.measured, self.shown, self.is_estimated = [], 0.0, False

    def on_train_begin(self, logs=None):
        self.stream = self.stream or sys.stdout
        self.is_terminal = self.stream.isatty()

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch
        self.measured = []  # from here on: validation is no training

    def on_train_batch_end(self, batch, logs=None):
        now = time.monotonic()
        self.measured.append(now)
        if len(self.measured) <= _FIRST_STEPS + 1:
            return
        count = len(self.measured) - 1 - _FIRST_STEPS
        seconds = (now - self.measured[_FIRST_STEPS]) / count
        step = batch + 1 + (self.checkpoint.steps_before if self.checkpoint else 0)
        done = self.epoch * self.steps + step
        left = duration((self.epochs * self.steps - done) * seconds)
        size, unit = self.step_size
        speed = f"{size / max(seconds, 1e-9):,.0f} {unit}/s"
        enough = min(_MEASURED_STEPS, self.steps - 1 - _FIRST_STEPS)
        if count == enough and not self.is_estimated:
            self._clear()
            self.stream.write(f"{speed}: about {left} for what is to be trained.\n")
            self.stream.flush()
            self.is_estimated = True
        if self.is_terminal and now - self.shown > 0.2:
            line = (
                f"epoch {self.epoch + 1}/{self.epochs} step {step}/{self.steps}: "
                f"loss {float((logs or {}).get('loss', float('nan'))):.3f}, {speed}, "
                f"{left} left"
            )
            self.stream.write(f"\r{line[:_WIDTH]:<{_WIDTH}}")
            self.stream.flush()
            self.shown = now

    def on_test_begin(self, logs=None):
        self._clear()

    def on_epoch_end(self, epoch, logs=None):
        self._clear()

    def _clear(self):
        if self.is_terminal:
            self.stream.write(f"\r{'':<{_WIDTH}}\r")
            self.stream.flush()


def duration(seconds):
    """Return a time in words, rounded.

    Example:

    >>> [duration(seconds) for seconds in (89, 90, 5399, 5400)]
    ['89 s', '2 min', '90 min', '1.5 h']
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def words_line(logs):
    """Return the likelihoods of an epoch of a model of words."""
    return f"train {logs['nats']:.3f} valid {logs['val_nats']:.3f} nats"


def text_line(logs):
    """Return the likelihoods and graphs of an epoch on text."""
    return f"{words_line(logs)}, {_graphs(logs)}"


def image_line(logs):
    """Return the likelihoods and graphs of an epoch on images."""
    return (
        f"train {logs['bits']:.3f} valid {logs['val_bits']:.3f} bits, {_graphs(logs)}"
    )


def _graphs(logs):
    """Return whether graphs are relations; heads that have died are said."""
    line = f"specificity {logs['val_specificity']:.2f}"
    dead = logs["val_dead_heads"]
    return line + (f", {dead:.0f} dead heads" if dead else "")
