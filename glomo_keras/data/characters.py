"""Words as the ids of their characters, in a TensorFlow graph."""

import tensorflow as tf

from glomo_keras.checks import check_positive_integers
from glomo_keras.data.units import string_tensor
from glomo_keras.ops.characters import AFTER_WORD
from glomo_keras.ops.characters import BEGIN_WORD
from glomo_keras.ops.characters import END_WORD


def character_ids(words, max_characters=50):
    """Turn words into the ids of their bytes, between a begin and an end mark.

    A character is a byte of UTF-8; its id is one more, so that 0 is padding. A word
    that is too long loses its last bytes. Runs in a graph.

    Args:
        words: string tensor (or nested lists of strings) of any shape, or a ragged one;
            empty strings are padding. A lone surrogate becomes U+FFFD.
        max_characters: int, ids of a word, both marks included.

    Returns:
        Int32 tensor `(..., max_characters)`: all 0 for an empty string.

    Raises:
        ValueError: if `max_characters` leaves no room for a character.

    Example:

    >>> character_ids([["a", ""]], max_characters=5).numpy().tolist()
    [[[259, 98, 260, 261, 261], [0, 0, 0, 0, 0]]]

    Reference: Peters et al., 2018 (arXiv 1802.05365), the released program.
    """
    check_positive_integers(max_characters=max_characters)
    if max_characters < 3:
        raise ValueError(
            "`max_characters` must be at least 3: two marks and one character. "
            f"Received: max_characters={max_characters}."
        )
    words = string_tensor(words)
    if isinstance(words, tf.RaggedTensor):
        words = words.to_tensor("")
    num_bytes = int(max_characters) - 2
    codes = tf.io.decode_raw(words, tf.uint8, fixed_length=num_bytes)
    codes = tf.cast(codes, tf.int32) + 1
    lengths = tf.minimum(tf.strings.length(words), num_bytes)[..., None]
    places = tf.range(num_bytes + 1)
    ends = tf.fill(tf.concat([tf.shape(words), [1]], 0), AFTER_WORD)
    ids = tf.concat([codes, ends], axis=-1)
    ids = tf.where(places < lengths, ids, AFTER_WORD)
    ids = tf.where(places == lengths, END_WORD, ids)
    ids = tf.concat([tf.fill(tf.shape(ends), BEGIN_WORD), ids], axis=-1)
    return tf.where(lengths > 0, ids, 0)
