"""Layers of the downstream models against plain loops."""

import numpy as np
from experiment.text.reading_layers import CharacterNetwork
from experiment.text.reading_layers import TrilinearScores
from keras import ops


def test_characters_are_convolved_and_the_highest_place_is_kept():
    random = np.random.default_rng(0)
    layer = CharacterNetwork(filters=3, kernel_size=2, dim=4)
    characters = random.integers(0, 256, (2, 5, 6))
    layer(characters)
    layer.set_weights([random.normal(size=w.shape) for w in layer.weights])
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
        np.testing.assert_allclose(result[text, unit], expected, rtol=1e-5, atol=1e-5)


def test_scores_start_as_products_beside_a_share_of_either():
    random = np.random.default_rng(0)
    first, second = random.normal(size=(2, 5, 4)), random.normal(size=(2, 3, 4))
    layer = TrilinearScores()
    scores = ops.convert_to_numpy(layer(first, second))
    u, v = map(ops.convert_to_numpy, (layer.first_kernel, layer.second_kernel))
    expected = first @ np.swapaxes(second, 1, 2)
    expected += first @ u + np.swapaxes(second @ v, 1, 2)
    np.testing.assert_allclose(scores, expected, rtol=1e-5, atol=1e-5)
