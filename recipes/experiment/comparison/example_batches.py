"""The examples of a labelled task in batches of one shape."""

import keras
import numpy as np


class ExampleBatches(keras.utils.PyDataset):
    """Numbers of examples, batch by batch; a subclass turns them into arrays.

    All batches have one shape: in training an incomplete one is left out, otherwise it
    is filled up by repeating its last example (the driver cuts the predictions).

    Args:
        examples: int array, the examples that take part.
        batch_size: int.
        shuffle_seed: int or None. With a seed, for training, the order changes every
            epoch.
        first_epoch: int, epochs that a resumed training has behind it.
    """

    def __init__(self, examples, batch_size, shuffle_seed=None, first_epoch=0):
        super().__init__()
        self.examples = np.asarray(examples)
        self.shuffle_seed, self.epoch = shuffle_seed, first_epoch
        self.training = shuffle_seed is not None
        self.batch_size = (
            min(batch_size, len(examples)) if self.training else batch_size
        )
        self._order()

    @property
    def num_batches(self):
        if self.training:
            return len(self.examples) // self.batch_size
        return -(-len(self.examples) // self.batch_size)

    def on_epoch_end(self):
        self.epoch += 1
        self._order()

    def examples_of(self, index):
        """Return the numbers of the examples of a batch."""
        numbers = self.order[index * self.batch_size : (index + 1) * self.batch_size]
        missing = self.batch_size - len(numbers)
        return np.concatenate([numbers, np.repeat(numbers[-1:], missing)])

    def draw(self, *purpose):
        """Return a random generator of this epoch."""
        return np.random.default_rng([self.shuffle_seed, self.epoch, *purpose])

    def _order(self):
        self.order = self.examples
        if self.training:
            self.order = self.draw().permutation(self.examples)
