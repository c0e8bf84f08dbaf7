"""Batches of sentences of similar length, with graphs and labels."""

import numpy as np

from experiment.comparison.example_batches import ExampleBatches
from experiment.endless_dataset import endless_dataset

FIELD = "words"
NO_LABEL = -1  # at padding, and where a label does not occur in train


class TreeBatches(ExampleBatches):
    """Batches of one split: a dict of inputs, and labels where they are trained on.

    Lengths are rounded up to few, so that few programs are compiled, and a batch of
    longer sentences has fewer of them. What is missing of a batch are empty sentences.

    Args:
        sentences: `SentenceArrays`.
        arm: `TreeArm`.
        examples: int array, the sentences that take part.
        batch_size: int, sentences of about 32 words.
        steps: int, batches an epoch of training, as often as the data goes round.
        num_devices: int, whose parts of a batch have equally many rows.
        **training: `shuffle_seed` and `first_epoch` of `ExampleBatches`.
    """

    def __init__(
        self, sentences, arm, examples, batch_size, steps, num_devices=1, **training
    ):
        self.sentences, self.arm, self.steps = sentences, arm, steps
        self.num_devices = num_devices
        self.field = FIELD
        self.words_of_batch = 32 * batch_size
        super().__init__(examples, batch_size, **training)

    @property
    def steps_per_epoch(self):
        return self.steps if self.training else len(self.order_of(1))

    def examples_of(self, index):
        """Return the numbers of the sentences of a batch."""
        return self._batch(index)[1]

    def __getitem__(self, index):
        inputs, _, labels = self.with_trees(index)
        return (inputs, labels) if self.training else (inputs,)

    def tf_dataset(self):
        """Return the batches to train on as a `tf.data.Dataset` of any lengths."""
        length, _ = self._batch(0)
        return endless_dataset(self, lambda shape: _free_shape(shape, length))

    def with_trees(self, index):
        """Return the inputs, heads and labels of a batch, of training or not."""
        length, examples = self._batch(index)
        size = -(-self._size(length) // self.num_devices) * self.num_devices
        word_ids, unit_ids, heads, labels = self.sentences.padded(
            examples, size, length
        )
        inputs = {FIELD: word_ids}
        inputs |= self.arm.batch_inputs(FIELD, examples, unit_ids, heads)
        return inputs, heads, labels

    def _size(self, length):
        return max(1, self.words_of_batch // length)

    def make_order(self, epoch):
        """Return the lengths and sentences of the batches of an epoch."""
        if not self.training:
            return self._one_round(self.examples)
        draw, order = self.draw(epoch), []
        while len(order) < self.steps:
            batches = self._one_round(draw.permutation(self.examples))
            order += [batches[i] for i in draw.permutation(len(batches))]
        return order[: self.steps]

    def _batch(self, index):
        """Return the length and the sentences of a batch."""
        epoch, place = self.place_of(index)
        return self.order_of(epoch)[place]

    def _one_round(self, examples):
        lengths = self.sentences.rounded_lengths[examples]
        batches = []
        for length in np.unique(lengths).tolist():
            of_length, size = examples[lengths == length], self._size(length)
            batches += [
                (length, of_length[start : start + size])
                for start in range(0, len(of_length), size)
            ]
        return batches


def _free_shape(shape, length):
    """Return a shape with `None` for sentences, and for their words at its end.

    Graphs end in words and words, or in words and words and nobody.
    """
    free = [None, *shape[1:]]
    for axis in range(max(1, len(shape) - 2), len(shape)):
        if shape[axis] in (length, length + 1):
            free[axis] = None
    return tuple(free)
