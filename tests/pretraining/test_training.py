"""Training that goes on in the midst of an epoch says what whole training says."""

import types

import keras
import numpy as np
import pytest

from glomo_keras.pretraining import training

STEPS = 11
NAN_BATCH = 7  # the eighth step of the first epoch


class Batches(keras.utils.PyDataset):
    """Endless batches that depend on their number alone; one is not finite."""

    first_step = 0
    num_batches = None

    def __getitem__(self, index):
        number = self.first_step + index
        values = np.full((2, 1), np.nan if number == NAN_BATCH else 0.5)
        return values, values


class StopBefore(keras.callbacks.Callback):
    """End the process, as it were, before a step of the first epoch."""

    def __init__(self, step):
        super().__init__()
        self.step = step

    def on_train_batch_begin(self, batch, logs=None):
        if batch == self.step:
            raise KeyboardInterrupt


def train(folder, callbacks=()):
    settings = types.SimpleNamespace(
        output=folder,
        prepared="prepared",
        epochs=3,
        last_epoch=3,
        steps_per_epoch=STEPS,
        batch_size=2,
        save_every=2,
        patience=5,
    )
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    checkpoint = training.restore_checkpoint(settings, model, "loss", {}, part=None)
    training.fit(
        model, Batches(), None, settings, checkpoint, str, (2, "values"), (), callbacks
    )


def test_the_step_that_diverged_is_counted_from_the_begin_of_its_epoch(tmp_path):
    place = r"`loss` is nan in epoch 1, step 8\. .* read batch 7 of prepared\. .*"
    with pytest.raises(FloatingPointError, match=place + "of epoch 1, step 6,"):
        train(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "stopped", [StopBefore(5)])
    with pytest.raises(FloatingPointError, match=place + "of epoch 1, step 6,"):
        train(tmp_path / "stopped")
