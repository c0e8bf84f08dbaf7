"""How many runs are to come, and how long they take: said while the first one runs."""

import time

import keras

from glomo_keras.pretraining.progress import duration

_FIRST_STEPS = 3  # which compile, and say nothing of the speed
_MEASURED_STEPS = 10


class RunClock:
    """Say how long runs take: in each after a few steps, and whenever one has ended.

    Args:
        num_runs: int, runs that are to come; `None` where nobody knows.
        num_trials: int, trainings beside them, at other learning rates; below zero
            where runs are there but for their test.
    """

    def __init__(self, num_runs, num_trials=0):
        self.num_runs, self.num_trials = num_runs, num_trials
        self.number, self.is_estimated = 0, False
        self.started = time.monotonic()

    def begin(self, name):
        """Print that a run begins.

        Args:
            name: str, of the run.
        """
        self.number += 1
        of_all = "" if self.num_runs is None else f" of {self.num_runs}"
        print(f"{name}: run {self.number}{of_all}", flush=True)

    def steps(self, num_steps):
        """Return the `Steps` of a run, a Keras callback.

        Args:
            num_steps: number of steps at most.
        """
        return Steps(self, num_steps)

    def estimate(self, seconds):
        """Print what a run takes and, in the first one, what all of them take.

        Args:
            seconds: float, of the whole run.
        """
        line = f"  at most about {duration(seconds)} for this run"
        num_trainings = (self.num_runs or 1) + self.num_trials
        if num_trainings > 1 and not self.is_estimated:
            line += f", {duration(num_trainings * seconds)} for all {num_trainings}"
        self.is_estimated = True
        print(line, flush=True)

    def end(self):
        """Print how long the runs that are left take, by those that have ended."""
        num_left = (self.num_runs or 0) - self.number
        if num_left > 0:
            seconds_each = (time.monotonic() - self.started) / self.number
            print(f"  about {duration(num_left * seconds_each)} left", flush=True)


class Steps(keras.callbacks.Callback):
    """Estimates what a run takes, after a few steps or an epoch of fewer.

    Args:
        clock: `RunClock`.
        num_steps: number of steps at most, with those of validation and test.
    """

    def __init__(self, clock, num_steps):
        super().__init__()
        self.clock, self.num_steps = clock, num_steps
        self.started = time.monotonic()
        self.marks, self.is_estimated = [], False

    def advance(self, num_steps=1):
        """Note that steps were done.

        Args:
            num_steps: number of steps.
        """
        if self.is_estimated:
            return
        done = self.marks[-1][1] if self.marks else 0
        self.marks.append((time.monotonic(), done + num_steps))
        if len(self.marks) > _FIRST_STEPS + _MEASURED_STEPS:
            self._estimate()

    def on_train_batch_end(self, batch, logs=None):
        self.advance()

    def on_epoch_end(self, epoch, logs=None):
        if not self.is_estimated and len(self.marks) > 1:
            self._estimate()

    def _estimate(self):
        self.is_estimated = True
        begin, begun = self.marks[min(_FIRST_STEPS, len(self.marks) - 2)]
        end, done = self.marks[-1]
        if done < self.num_steps:
            left = (self.num_steps - done) * (end - begin) / (done - begun)
            self.clock.estimate(end - self.started + left)
