"""The numbering of characters that published ELMo models were trained with."""

import numpy as np
from keras import ops

from glomo_keras.checks import check_rank

# A byte b of a word has the id b + 1, so that 0 is padding.
BEGIN_SENTENCE, END_SENTENCE = 257, 258
BEGIN_WORD, END_WORD, AFTER_WORD = 259, 260, 261
NUM_CHARACTERS = 262


def add_sentence_marks(character_ids):
    """Put the marks of a sentence's begin and end around its words.

    Args:
        character_ids: int tensor `(batch, length, max_characters)`, words whose ids
            are all 0 being padding.

    Returns:
        Int tensor `(batch, length + 2, max_characters)`. The end mark stands after the
        last real word.

    Raises:
        ValueError: if the rank is another, or there is no room for a mark.

    Example:

    >>> words = np.zeros((1, 2, 5), "int32")
    >>> words[0, 0] = [259, 98, 260, 261, 261]  # "a"
    >>> keras.ops.convert_to_numpy(add_sentence_marks(words))[0].tolist()
    ... # doctest: +NORMALIZE_WHITESPACE
    [[259, 257, 260, 261, 261], [259, 98, 260, 261, 261],
     [259, 258, 260, 261, 261], [0, 0, 0, 0, 0]]

    Reference: Peters et al., 2018 (arXiv 1802.05365), the released program.
    """
    character_ids = ops.cast(character_ids, "int32")
    shape = check_rank("character_ids", character_ids, "batch, length, max_characters")
    if shape[-1] is None or shape[-1] < 3:
        raise ValueError(
            "`character_ids` must have a known number of characters, at least 3: two "
            f"marks and one character. Received a shape: {shape}."
        )
    real = ops.any(ops.not_equal(character_ids, 0), axis=-1)
    numbers = ops.arange(1, ops.shape(real)[1] + 1, dtype="int32")
    last = ops.max(ops.where(real, numbers, 0), axis=1, initial=0)
    marked = ops.pad(character_ids, [[0, 0], [1, 1], [0, 0]])
    places = ops.arange(ops.shape(marked)[1], dtype="int32")[None, :, None]
    for place, mark in (
        (ops.zeros_like(last), BEGIN_SENTENCE),
        (last + 1, END_SENTENCE),
    ):
        word = ops.convert_to_tensor(_mark(mark, character_ids.shape[-1]))
        marked = ops.where(places == place[:, None, None], word, marked)
    return marked


def _mark(mark, max_characters):
    """Return a mark: a word of one character that no text has."""
    word = np.full(max_characters, AFTER_WORD, "int32")
    word[:3] = BEGIN_WORD, mark, END_WORD
    return word
