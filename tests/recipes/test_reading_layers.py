"""Layers of the downstream models against plain loops."""

import numpy as np
from experiment.text.reading_layers import CharacterNetwork
from keras import ops


def test_characters_are_convolved_and_the_highest_place_is_kept():
    layer = CharacterNetwork(filters=3, kernel_size=2, dim=4)
    characters = np.random.default_rng(0).integers(0, 256, (2, 5, 6))
    result = ops.convert_to_numpy(layer(characters))

    embeddings, kernel, bias = (ops.convert_to_numpy(w) for w in layer.weights)
    kernel = kernel.reshape(2, 4, 3)
    for text, unit in np.ndindex(2, 5):
        letters = embeddings[characters[text, unit]]
        places = [
            np.einsum("kd,kdf->f", letters[first : first + 2], kernel) + bias
            for first in range(5)
        ]
        expected = np.maximum(np.max(places, axis=0), 0)
        np.testing.assert_allclose(result[text, unit], expected, rtol=1e-5, atol=1e-7)
