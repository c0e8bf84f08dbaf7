"""End a training that has diverged with an error that says where."""

import math

import keras
from keras import ops


class RaiseOnNaN(keras.callbacks.Callback):
    """Raise an error as soon as a training has diverged.

    `keras.callbacks.TerminateOnNaN` stops quietly: `fit` returns as from a finished
    training, and broken weights are evaluated and kept. With an error, neither what
    follows `fit` nor the callbacks behind this one see the epoch: list it first.

    The loss is checked after every step. It is the mean of the epoch so far, which is
    not finite from the first step on whose loss is not. At the end of an epoch the
    validation loss and the weights are checked as well: the last update may have
    broken weights that no loss has been computed from.

    Args:
        describe: function of the epoch and the step, ints from 1, that returns one or
            more sentences for the error: what the step read, what is saved. `None` adds
            nothing.
        checkpoint: the `ResumableCheckpoint` of the same `fit`: steps of an epoch that
            was done in part by an earlier process count. `None` where there is none.

    Raises:
        FloatingPointError: if a loss or a weight is not finite. Names the epoch and
            the step (from 1), and the value.

    Example:

    >>> import numpy as np
    >>> model = keras.Sequential([keras.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> x = np.array([[1.0], [np.nan]])
    >>> try:
    ...     _ = model.fit(x, x, batch_size=1, shuffle=False, callbacks=[RaiseOnNaN()],
    ...                   verbose=0)
    ... except FloatingPointError as error:
    ...     print(error)
    `loss` is nan in epoch 1, step 2. The training has diverged: try a lower learning
    rate or clipped gradients, and look for inputs that are not finite.
    """

    def __init__(self, describe=None, checkpoint=None):
        super().__init__()
        self.describe = describe
        self.checkpoint = checkpoint

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch, self._step = epoch + 1, 0

    def on_train_batch_end(self, batch, logs=None):
        steps_before = self.checkpoint.steps_before if self.checkpoint else 0
        self._step = steps_before + batch + 1
        self._check("loss", logs)

    def on_epoch_end(self, epoch, logs=None):
        self._check("loss", logs)
        self._check("val_loss", logs)
        broken = find_broken_weight(self.model)
        if broken is not None:
            self._raise(f"weight {broken}", "not finite")

    def _check(self, name, logs):
        value = float((logs or {}).get(name, 0.0))
        if not math.isfinite(value):
            self._raise(name, value)

    def _raise(self, name, value):
        message = (
            f"`{name}` is {value} in epoch {self._epoch}, step {self._step}. The "
            "training has diverged: try a lower learning rate or clipped gradients, "
            "and look for inputs that are not finite."
        )
        if self.describe is not None:
            message += f" {self.describe(self._epoch, self._step)}"
        raise FloatingPointError(message)


def find_broken_weight(model):
    """Return the path of the first weight of a model that is not finite, or `None`."""
    for weight in model.weights:
        if keras.backend.is_float_dtype(weight.dtype):
            if not ops.all(ops.isfinite(weight)):
                return weight.path
    return None
