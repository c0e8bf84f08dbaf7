"""A training that diverges ends with an error, before anything is kept."""

import keras
import numpy as np
import pytest

from glomo_keras.callbacks import RaiseOnNaN
from glomo_keras.callbacks import ResumableCheckpoint


class Record(keras.callbacks.Callback):
    """Epochs that a callback behind the check saw."""

    def __init__(self):
        super().__init__()
        self.epochs = []

    def on_epoch_end(self, epoch, logs=None):
        self.epochs.append(epoch)


def fit(inputs, targets, optimizer="sgd", **more):
    model = keras.Sequential([keras.layers.Dense(1, kernel_initializer="ones")])
    model.compile(optimizer, "mse")
    record = Record()
    try:
        model.fit(
            np.array(inputs)[:, None],
            np.array(targets)[:, None],
            batch_size=1,
            shuffle=False,
            verbose=0,
            callbacks=[RaiseOnNaN(), record],
            **more,
        )
    finally:
        fit.epochs = record.epochs
    return model


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_epoch_step_and_value_are_named(value):
    with pytest.raises(
        FloatingPointError, match=r"`loss` is (nan|inf) in epoch 1, step 2"
    ):
        fit([0.5, 1.0, 1.0], [0.5, value, 1.0], epochs=3)
    assert fit.epochs == []


def test_the_error_says_what_the_step_read():
    seen = []

    def describe(epoch, step):
        seen.append((epoch, step))
        return "It read row 2."

    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    x = np.array([[1.0], [np.nan]])
    with pytest.raises(FloatingPointError, match=r"not finite\. It read row 2\.$"):
        model.fit(
            x, x, batch_size=1, shuffle=False, callbacks=[RaiseOnNaN(describe)],
            verbose=0,
        )  # fmt: skip
    assert seen == [(1, 2)]


def test_a_later_epoch_is_named():
    # The error grows by -19 every step, until float32 is exceeded in the third epoch.
    with pytest.raises(
        FloatingPointError, match="`loss` is (nan|inf) in epoch [2-9], step"
    ):
        fit(np.ones(13), np.zeros(13), keras.optimizers.SGD(5.0), epochs=9)
    assert fit.epochs


class Batches(keras.utils.PyDataset):
    """Endless batches, of which one is not finite."""

    first_step = 0
    num_batches = None
    bad = None

    def __getitem__(self, index):
        value = np.nan if self.first_step + index == self.bad else 0.5
        return np.full((1, 1), value), np.ones((1, 1))


@pytest.mark.parametrize(
    "epochs, bad, place", [(1, 7, "epoch 1, step 8"), (2, 11, "epoch 2, step 2")]
)
def test_steps_are_those_of_the_epoch_after_a_resume(tmp_path, epochs, bad, place):
    """Saved at step 6 of 10, and gone on from there."""
    seen = []

    def train(bad):
        model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        checkpoint = ResumableCheckpoint(
            tmp_path, "loss", 9, on_best=lambda model: None, save_every=2
        )
        checkpoint.restore(model)
        batches = Batches()
        batches.bad = bad
        check = RaiseOnNaN(lambda *place: seen.append(place), checkpoint)
        checkpoint.fit(model, batches, epochs, 10, [check, checkpoint], verbose=0)

    with pytest.raises(FloatingPointError, match="in epoch 1, step 7"):
        train(6)
    with pytest.raises(FloatingPointError, match=f"`loss` is nan in {place}"):
        train(bad)
    assert seen[1] == (bad // 10 + 1, bad % 10 + 1)


def test_the_validation_loss_is_checked():
    with pytest.raises(
        FloatingPointError, match="`val_loss` is nan in epoch 1, step 2"
    ):
        fit(
            [1.0, 1.0],
            [1.0, 1.0],
            validation_data=(np.ones((1, 1)), np.array([[np.nan]])),
        )
    assert fit.epochs == []


def test_weights_that_the_last_step_broke_are_no_result():
    # A loss of (1e17)^2 is finite, and so is its gradient; the update is not.
    with pytest.raises(FloatingPointError, match="`weight .*kernel` is not finite"):
        fit([1.0], [1e17], keras.optimizers.SGD(1e30))
    assert fit.epochs == []


def test_a_finite_training_goes_on():
    fit(
        [1.0, 0.5],
        [1.0, 0.5],
        epochs=2,
        validation_data=(np.ones((1, 1)), np.array([[1.0]])),
    )
    assert fit.epochs == [0, 1]
