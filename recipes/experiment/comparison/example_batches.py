"""The examples of a labelled task in batches of one shape."""

import keras
import numpy as np


class ExampleBatches(keras.utils.PyDataset):
    """Numbers of examples, batch by batch; a subclass turns them into arrays.

    All batches have one shape: in training an incomplete one is left out, otherwise it
    is filled up by repeating its last example (the driver cuts the predictions).

    Batches to train on have no end, since on TensorFlow `fit` waits idle, for seconds,
    before it begins finite ones anew: give it their `steps_per_epoch`.

    Args:
        examples: int array, the examples that take part.
        batch_size: int.
        shuffle_seed: int or None. With a seed, for training, each epoch has an order of
            its own.
        first_epoch: int, epochs that a resumed training has behind it.
    """

    def __init__(self, examples, batch_size, shuffle_seed=None, first_epoch=0):
        super().__init__()
        self.examples = np.asarray(examples)
        self.shuffle_seed, self.first_epoch = shuffle_seed, first_epoch
        self.training = shuffle_seed is not None
        self.batch_size = (
            min(batch_size, len(examples)) if self.training else batch_size
        )
        self._epoch, self._order = None, None

    @property
    def num_batches(self):
        return None if self.training else self.steps_per_epoch

    @property
    def steps_per_epoch(self):
        """Int, batches of an epoch."""
        if self.training:
            return len(self.examples) // self.batch_size
        return -(-len(self.examples) // self.batch_size)

    def examples_of(self, index):
        """Return the numbers of the examples of a batch."""
        epoch, place = self.place_of(index)
        start = place * self.batch_size
        numbers = self.order_of(epoch)[start : start + self.batch_size]
        missing = self.batch_size - len(numbers)
        return np.concatenate([numbers, np.repeat(numbers[-1:], missing)])

    def place_of(self, index):
        """Return the epoch of a batch, counted from 1, and its place there, from 0."""
        if not self.training:
            return 1, index
        epochs, place = divmod(index, self.steps_per_epoch)
        return 1 + self.first_epoch + epochs, place

    def order_of(self, epoch):
        """Return the order of an epoch, what `make_order` returns; the last is held."""
        if epoch != self._epoch:
            self._epoch, self._order = epoch, self.make_order(epoch)
        return self._order

    def make_order(self, epoch):
        """Return the examples of an epoch, in the order in which they come."""
        if not self.training:
            return self.examples
        return self.draw(epoch).permutation(self.examples)

    def draw(self, epoch, *place):
        """Return the random generator of an epoch, or of a batch at its place there."""
        return np.random.default_rng([self.shuffle_seed, epoch, *place])
