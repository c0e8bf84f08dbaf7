"""Words as ids of their characters."""

import numpy as np
import pytest
import reference_elmo
import tensorflow as tf

from glomo_keras.data import character_ids

WORDS = ["cat", "é", "extraordinarily", "nul\0byte", "\U0001f600", "sixchars"]


@pytest.mark.parametrize("max_characters", [3, 10, 50])
def test_equals_reference(max_characters):
    result = character_ids(WORDS, max_characters).numpy()
    expected = [reference_elmo.characters_of(word, max_characters) for word in WORDS]
    np.testing.assert_array_equal(result, expected)
    assert result.dtype == np.int32


def test_shapes_padding_and_graphs():
    texts = [["a", "cat"], [], ["b"]]
    ragged = tf.ragged.constant(texts)
    np.testing.assert_array_equal(character_ids(texts, 7), character_ids(ragged, 7))
    function = tf.function(lambda words: character_ids(words, 7))
    result = function(ragged).numpy()
    assert result.shape == (3, 2, 7)
    assert not result[1].any() and not result[2, 1].any()
    np.testing.assert_array_equal(result[2, 0], character_ids("b", 7))
    assert character_ids(tf.constant([], tf.string)).shape == (0, 50)


def test_surrogates_are_replacement_characters():
    expected = character_ids(["\ufffd", "b\ufffd"])
    np.testing.assert_array_equal(character_ids(["\ud83d", "b\udc80"]), expected)
    words = [["\ud83d"], ["b\udc80", "a"]]
    np.testing.assert_array_equal(character_ids(words)[:, 0], expected)


def test_there_must_be_room():
    with pytest.raises(ValueError, match="max_characters=2"):
        character_ids(["a"], 2)
    assert character_ids(["a"], np.int64(5)).shape == (1, 5)
