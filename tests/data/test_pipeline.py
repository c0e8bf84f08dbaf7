"""The tf.data pipeline gives what the sequence gives."""

import numpy as np
import tensorflow as tf

from glomo_keras.data import WindowSequence
from glomo_keras.data import window_dataset


def make_sequence(first_step=0):
    lengths = [13, 5, 29]
    return WindowSequence(
        np.arange(2, 2 + sum(lengths)),
        np.concatenate([[0], np.cumsum(lengths)]),
        batch_size=3,
        window=7,
        shift=3,
        min_units=6,
        seed=11,
        first_step=first_step,
    )


def test_same_windows_in_the_same_order():
    sequence = make_sequence()
    dataset = window_dataset(sequence, num_steps=13)
    assert dataset.element_spec == tf.TensorSpec((3, 7), tf.int32)
    assert dataset.cardinality().numpy() == 13
    for _ in range(2):  # a second pass over the data set repeats the first
        batches = list(dataset.as_numpy_iterator())
        np.testing.assert_array_equal(batches, [sequence[i] for i in range(13)])
    assert sequence.num_dropped_documents == 1


def test_endless_and_resumed():
    dataset = window_dataset(make_sequence(first_step=5))
    assert dataset.cardinality().numpy() == tf.data.INFINITE_CARDINALITY
    first = next(iter(dataset)).numpy()
    np.testing.assert_array_equal(first, make_sequence()[5])
