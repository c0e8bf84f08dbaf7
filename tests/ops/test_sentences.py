"""Sentences within sequences, and those that follow them."""

import keras
import numpy as np
import pytest
from keras import ops

from glomo_keras.ops.sentences import mean_features
from glomo_keras.ops.sentences import next_sentences

# Two sequences: "a b . c d e . f" and ". g ! h" with padding; 2 and 3 end sentences.
IDS = np.array([[5, 6, 2, 7, 8, 9, 2, 10], [2, 11, 3, 12, 0, 0, 0, 0]])
MASK = IDS != 0


def found_in(direction, num_sentences=3, steps=3, ids=IDS, mask=MASK):
    found = next_sentences(ids, [2, 3], num_sentences, steps, direction, mask)
    units, real, members = map(ops.convert_to_numpy, found)
    sentences = []
    for row in range(len(ids)):
        pairs = []
        for k in range(real.shape[1]):
            if real[row, k].any():
                followed = ids[row][members[row, k]].tolist()
                pairs.append((followed, units[row, k][real[row, k]].tolist()))
            else:
                assert not members[row, k].any()
        sentences.append(pairs)
    return sentences


def test_forward_by_pencil():
    assert found_in("forward") == [
        [([5, 6, 2], [2, 7, 8, 9]), ([7, 8, 9, 2], [2, 10])],
        [([2], [2, 11, 3]), ([11, 3], [3, 12])],
    ]


def test_backward_by_pencil():
    # The first unit of a sentence, after the units before it; the nearest come last.
    assert found_in("backward") == [
        [([10], [8, 9, 2, 10]), ([7, 8, 9, 2], [5, 6, 2, 7])],
        [([12], [11, 3, 12]), ([11, 3], [2, 11])],
    ]


def test_the_first_ones_and_the_nearest_units_are_kept():
    assert found_in("forward", 1, 2)[0] == [([5, 6, 2], [2, 7, 8])]
    assert found_in("backward", 1, 2)[0] == [([10], [9, 2, 10])]


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_texts_without_a_second_sentence_have_none(direction):
    ids = np.array([[5, 6, 7, 2], [5, 6, 7, 8], [0, 0, 0, 0]])
    assert found_in(direction, ids=ids, mask=ids != 0) == [[], [], []]
    assert found_in(direction, ids=ids[:, :1], mask=None) == [[], [], []]


def test_means():
    members = np.array([[[1, 0, 1], [0, 0, 0]]], bool)
    features = np.array([[[1.0, 2.0], [7.0, 7.0], [2.0, 6.0]]])
    means = ops.convert_to_numpy(mean_features(ops.array(features), members))
    np.testing.assert_allclose(means, [[[1.5, 4.0], [0.0, 0.0]]])


def test_means_of_many_in_sixteen_bits():
    ones = ops.ones((1, 3001, 1), "bfloat16")
    mean = mean_features(ones, np.ones((1, 1, 3001), bool))
    assert float(mean[0, 0, 0]) == 1.0
    assert keras.backend.standardize_dtype(mean.dtype) == "bfloat16"


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="`direction` must be"):
        next_sentences(IDS, [2], 3, 3, "sideways")
    with pytest.raises(ValueError, match="`num_sentences` must be"):
        next_sentences(IDS, [2], 0, 3)
    with pytest.raises(ValueError, match="`unit_ids` must have shape"):
        next_sentences(IDS[0], [2], 3, 3)
