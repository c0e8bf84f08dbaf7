"""Endless batches of several lengths for TensorFlow."""

import itertools

import keras


def endless_dataset(batches, free_shape):
    """Return the batches of a sequence as a `tf.data.Dataset`.

    Of a `keras.utils.PyDataset` Keras takes the lengths of all batches from the first
    two; here the shapes are said.

    Args:
        batches: endless sequence of structures of arrays.
        free_shape: function of the shape of an array, that returns the one of all
            batches, with `None` where they differ.
    """
    import tensorflow as tf

    signature = keras.tree.map_structure(
        lambda array: tf.TensorSpec(free_shape(array.shape), array.dtype), batches[0]
    )
    return tf.data.Dataset.from_generator(
        lambda: map(batches.__getitem__, itertools.count()), output_signature=signature
    ).prefetch(tf.data.AUTOTUNE)
