"""Units: the words of a text, with the bytes and characters they come from."""

import typing

import numpy as np
import tensorflow as tf
import tensorflow_text as tf_text

from glomo_keras.strings import check_string_list
from glomo_keras.strings import replace_surrogates

# Invisible spaces (zero width space, byte order mark) separate like the others.
_SEPARATOR = r"\p{Z}\p{Cc}\x{200B}\x{FEFF}"
# Scripts written without spaces: words are not marked, so a unit is a run of
# kana or one ideograph. (U+30FC, the long vowel mark, is in no script.)
_SPACELESS = r"\p{Han}\p{Hiragana}\p{Katakana}\x{30FC}"
# Letters, marks, digits, and the joiners that live inside words.
_LETTER = rf"(?:[^{_SEPARATOR}\p{{P}}\p{{S}}{_SPACELESS}]|_)"
_UNIT = "|".join(
    [
        rf"{_LETTER}+(?:['’]{_LETTER}+)*",
        r"[\p{Katakana}\x{30FC}]+",
        r"\p{Hiragana}+",
        # Any other character alone, with its marks, skin tone or joined emoji.
        rf"[^{_SEPARATOR}](?:\p{{M}}|[\x{{1F3FB}}-\x{{1F3FF}}]|\x{{200D}}\p{{S}})*",
    ]
)


class Units(typing.NamedTuple):
    """Units of a batch of texts, and the bytes `[start, limit)` they come from.

    Attributes:
        units: ragged string tensor `(batch, num_units)`.
        starts: ragged int64 tensor `(batch, num_units)`, first byte of the unit.
        limits: ragged int64 tensor `(batch, num_units)`, byte after the unit.
    """

    units: tf.RaggedTensor
    starts: tf.RaggedTensor
    limits: tf.RaggedTensor


def string_tensor(texts):
    """Return strings as a string tensor, or as a ragged one where lists differ.

    Args:
        texts: string tensor, array, string, or nested lists of strings.

    Returns:
        `tf.Tensor` or `tf.RaggedTensor`. A surrogate, which UTF-8 cannot hold, is
        replaced by U+FFFD.

    Raises:
        TypeError: for what is no string.

    Example:

    >>> string_tensor([["a", "b"], []]).to_list()
    [[b'a', b'b'], []]
    """
    if isinstance(texts, tf.RaggedTensor):
        return texts
    try:
        return tf.convert_to_tensor(texts, tf.string)
    except (TypeError, ValueError):  # of lists that differ, or of a surrogate
        if isinstance(texts, np.ndarray):
            texts = texts.tolist()
        return tf.ragged.constant(_without_surrogates(texts), tf.string)


def _without_surrogates(texts):
    if isinstance(texts, list | tuple):
        return [_without_surrogates(text) for text in texts]
    if isinstance(texts, str | bytes):
        return replace_surrogates(texts)
    raise TypeError(f"Texts and units must be strings. Received: {texts!r:.60}.")


def valid_text(texts):
    r"""Return `texts` as the UTF-8 that byte offsets of units refer to.

    Each byte sequence that is not UTF-8, and each lone surrogate of a Python string,
    becomes the replacement character U+FFFD. Texts that are UTF-8 already come back
    unchanged.

    Args:
        texts: string tensor (or strings) of any shape.

    Returns:
        String tensor of the same shape.

    Example:

    >>> valid_text([b"caf\xe9"])[0].numpy().decode() == "caf\ufffd"
    True
    """
    return tf.strings.unicode_transcode(
        string_tensor(texts),
        "UTF-8",
        "UTF-8",
        errors="replace",
        replacement_char=0xFFFD,
    )


def split_units(texts):
    """Split texts into units: words, numbers and single punctuation marks.

    Units are runs of letters, marks, digits and underscores, with apostrophes
    inside them ("don't" is one unit); every other character that is not a space
    or a control character is a unit of its own. Emoji keep their modifiers.
    Scripts without spaces give runs of kana and single ideographs. The case is
    kept. Runs in a graph, so that training, transfer and serving share it.

    Bytes that are not UTF-8, and lone surrogates, are replaced first, see
    `valid_text`: the unit of text `t` is `valid_text(t)[start:limit]`.

    Args:
        texts: string tensor `(batch,)`, or a list of strings.

    Returns:
        `Units`, a named tuple of ragged tensors `(units, starts, limits)`.

    Raises:
        ValueError: if `texts` is not of rank 1, or one string in place of a list.
        TypeError: if it holds something else than strings.

    Example:

    >>> units, starts, limits = split_units(["Don't panic, Ford!"])
    >>> [unit.decode() for unit in units[0].numpy()]
    ["Don't", 'panic', ',', 'Ford', '!']
    >>> starts[0].numpy().tolist()
    [0, 6, 11, 13, 17]
    """
    check_string_list("texts", texts)
    texts = string_tensor(texts)
    if texts.shape.rank is not None and texts.shape.rank != 1:
        raise ValueError(
            "`texts` must be a string tensor of shape (batch,). Received a tensor "
            f"of shape {texts.shape}. Use tf.reshape(texts, (-1,))."
        )
    # The splitter would stop at a NUL; a space takes as many bytes.
    texts = tf.strings.regex_replace(valid_text(texts), r"\x00", " ")
    return Units(
        *tf_text.regex_split_with_offsets(
            texts,
            delim_regex_pattern=rf"[{_SEPARATOR}]+|{_UNIT}",
            keep_delim_regex_pattern=_UNIT,
        )
    )


def character_offsets(texts, byte_offsets):
    """Turn byte offsets into offsets in characters (Unicode code points).

    Args:
        texts: string tensor `(batch,)`, as given to `split_units`.
        byte_offsets: ragged int tensor `(batch, num_units)`: `starts` or `limits`.

    Returns:
        Ragged int64 tensor `(batch, num_units)`; Python strings are indexed by it.

    Raises:
        ValueError: if `texts` is one string in place of a list.

    Example:

    >>> text = "naïve café!"
    >>> units, starts, limits = split_units([text])
    >>> limits[0].numpy().tolist()
    [6, 12, 13]
    >>> character_offsets([text], limits)[0].numpy().tolist()
    [5, 10, 11]
    """
    check_string_list("texts", texts)
    _, character_starts = tf.strings.unicode_decode_with_offsets(
        valid_text(texts), "UTF-8"
    )
    # One sorted row for the whole batch: each text gets its own range of keys.
    stride = 1 + tf.maximum(
        tf.reduce_max(tf.concat([[0], character_starts.flat_values], axis=0)),
        tf.reduce_max(
            tf.concat([[0], tf.cast(byte_offsets.flat_values, tf.int64)], axis=0)
        ),
    )
    keys = character_starts.flat_values + stride * character_starts.value_rowids()
    rows = byte_offsets.value_rowids()
    queries = tf.cast(byte_offsets.flat_values, tf.int64) + stride * rows
    positions = tf.searchsorted(keys, queries, out_type=tf.int64)
    return byte_offsets.with_flat_values(
        positions - tf.gather(character_starts.row_splits, rows)
    )
