"""Windows as a tf.data pipeline."""

import tensorflow as tf


def window_dataset(sequence, num_steps=None):
    """Return batches of windows, in their order, as a tf.data.Dataset.

    The order is shuffled and deterministic by the sequence's seed, and batches are
    cut ahead of training. Resuming is the sequence's `first_step`.

    Args:
        sequence: a `glomo_keras.data.WindowSequence`, or `ShardedWindows`.
        num_steps: int or `None`. Number of batches; `None`: no end.

    Returns:
        `tf.data.Dataset` of int32 tensors `(batch_size, window)`; of `ShardedWindows`
        of unknown shape, since both differ from batch to batch.

    Example:

    >>> import numpy as np
    >>> from glomo_keras.data import WindowSequence
    >>> sequence = WindowSequence(
    ...     np.arange(2, 22), [0, 20], batch_size=2, window=3, shift=3, min_units=1
    ... )
    >>> dataset = window_dataset(sequence, num_steps=5)
    >>> all((a == b).all() for a, b in zip(dataset.as_numpy_iterator(), sequence))
    True
    """
    steps = tf.data.Dataset.counter(sequence.first_step)
    if num_steps is not None:
        steps = steps.take(num_steps)

    def cut(step):
        batch = tf.numpy_function(
            lambda number: sequence.batch(int(number)), [step], tf.int32, stateful=False
        )
        return tf.ensure_shape(batch, sequence.batch_shape)

    return steps.map(cut).prefetch(tf.data.AUTOTUNE)
