"""Layers of the downstream models against plain loops."""

import numpy as np
from experiment.text.reading_layers import BidirectionalAttention
from experiment.text.reading_layers import CharacterNetwork
from experiment.text.reading_layers import SelfAttention
from experiment.text.reading_layers import TrilinearScores
from experiment.text.reading_layers import masked_pooling
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


def test_padding_changes_no_attention(random):
    first, second = random.normal(size=(2, 5, 4)), random.normal(size=(2, 3, 4))
    masks = np.arange(5)[None] < [[5], [2]], np.arange(3)[None] < [[3], [1]]
    to_self, to_other = SelfAttention(), BidirectionalAttention(7)

    def outputs(first, second):
        attended = to_self(first, mask=masks[0]), to_other(first, second, *masks)
        attended = [ops.convert_to_numpy(x)[masks[0]] for x in attended]
        pooled = masked_pooling(ops.convert_to_tensor(first), masks[0])
        return [*attended, ops.convert_to_numpy(pooled)]

    expected = outputs(first, second)
    filled = [
        np.where(mask[..., None], features, 9.0)
        for mask, features in zip(masks, (first, second), strict=True)
    ]
    for one, other in zip(outputs(*filled), expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
