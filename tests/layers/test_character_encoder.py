"""Vectors of words from their characters."""

import keras
import numpy as np
import pytest
import reference_elmo
from keras import ops

from glomo_keras.layers import CharacterEncoder


def make(random, dtype="float32"):
    encoder = CharacterEncoder(
        7, 19, 3, kernel_sizes=[1, 3], filters=[5, 11], num_highways=2, dtype=dtype
    )
    encoder.build((None, None, 5))
    for weight in encoder.weights:
        weight.assign(random.normal(size=weight.shape))
    return encoder


def test_equals_reference(precision, random):
    encoder = make(random, precision.dtype)

    def pair(layer):
        weights = layer.kernel, layer.bias
        return [np.asarray(ops.convert_to_numpy(w), "float64") for w in weights]

    ids = random.integers(1, 19, size=(2, 3, 5))
    ids[1, 2] = 0
    embedding = ops.convert_to_numpy(encoder.embedding.embeddings)
    expected = np.zeros((2, 3, 7))
    for place in np.ndindex(2, 3):
        if place != (1, 2):
            expected[place] = reference_elmo.word_vector(
                ids[place],
                np.asarray(embedding, "float64"),
                [pair(layer) for layer in encoder.convolutions],
                [
                    (pair(transform), pair(gate))
                    for transform, gate in zip(
                        encoder.transforms, encoder.gates, strict=True
                    )
                ],
                pair(encoder.projection),
            )
    precision.assert_close(encoder(ids), expected)
    mask = ops.convert_to_numpy(encoder.compute_mask(ids))
    assert mask.tolist() == [[True] * 3, [True, True, False]]


def test_words_shorter_than_a_kernel(random):
    encoder = CharacterEncoder(
        7, 19, 3, kernel_sizes=[1, 4], filters=[5, 11], activation=None
    )
    inputs = keras.Input((None, None), dtype="int32")
    model = keras.Model(inputs, encoder(inputs))
    short = random.integers(1, 19, size=(2, 3, 2)).astype("int32")
    with pytest.raises(ValueError, match=r"=\[1, 4\], max_characters=2. Pad .* 2 more"):
        model(short)
    padded = model(np.pad(short, [(0, 0), (0, 0), (0, 2)]))
    if keras.backend.backend() == "tensorflow":  # where sizes may be unknown
        import tensorflow as tf

        signature = [tf.TensorSpec((None, None, None), tf.int32)]
        found = tf.function(model, input_signature=signature)(short)
        np.testing.assert_allclose(found, padded, atol=1e-6)


def test_a_word_has_the_same_vector_everywhere(random):
    encoder = make(random)
    ids = random.integers(1, 19, size=(2, 3, 5))
    ids[1, 0] = ids[0, 2]
    vectors = ops.convert_to_numpy(encoder(ids))
    np.testing.assert_allclose(vectors[1, 0], vectors[0, 2], atol=1e-6)
