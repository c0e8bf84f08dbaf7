"""Batches of examples, as `fit` gets them: in the order of their epoch, whole."""

import keras
import numpy as np
from experiment.comparison.example_batches import ExampleBatches

EXAMPLES = np.arange(3, 14)


class Numbers(ExampleBatches):
    """Batches whose inputs are the numbers of the examples."""

    def __getitem__(self, index):
        numbers = self.examples_of(index).astype("float32")
        return numbers[:, None], np.zeros((len(numbers), 1), "float32")


class SeenBatches(keras.callbacks.Callback):
    """The mean number of every batch, of the means that `fit` reports."""

    def on_train_begin(self, logs=None):
        self.means = []

    def on_train_batch_end(self, batch, logs=None):
        total = logs["loss"] * (batch + 1)
        self.means.append(total - self.total if batch else total)
        self.total = total


def seen(epochs, initial_epoch=0):
    layer = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")
    model = keras.Sequential([keras.Input((1,)), layer])
    model.compile(keras.optimizers.SGD(0.0), "mean_absolute_error")
    batches = Numbers(EXAMPLES, 2, shuffle_seed=5, first_epoch=initial_epoch)
    callback = SeenBatches()
    model.fit(
        batches,
        epochs=epochs,
        initial_epoch=initial_epoch,
        steps_per_epoch=batches.steps_per_epoch,
        callbacks=[callback],
        shuffle=False,
        verbose=0,
    )
    return np.array(callback.means)


def test_fit_sees_every_epoch_in_its_own_order():
    expected = []
    for epoch in range(1, 4):
        order = np.random.default_rng([5, epoch]).permutation(EXAMPLES)
        expected.extend(order[:10].reshape(5, 2).mean(axis=1))
    np.testing.assert_allclose(seen(3), expected, rtol=1e-4)
    np.testing.assert_allclose(seen(3, initial_epoch=1), expected[5:], rtol=1e-4)


def test_batches_of_a_prediction_are_filled_up():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Identity()])
    found = model.predict(Numbers(EXAMPLES, 4), verbose=0)
    np.testing.assert_array_equal(found[:, 0], [*EXAMPLES, 13])
