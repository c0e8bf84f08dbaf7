"""Units: the round trip through byte and character offsets, on odd text."""

import json

import numpy as np
import pytest
import tensorflow as tf

from glomo_keras.data import character_offsets
from glomo_keras.data import split_units
from glomo_keras.data import valid_text

WORDS = {
    "Hello, world!": ["Hello", ",", "world", "!"],
    "Don't say 'no' to O'Brien's o’clock.": (
        ["Don't", "say", "'", "no", "'", "to", "O'Brien's", "o’clock", "."]
    ),
    "e.g. (1999), 10,000": (
        ["e", ".", "g", ".", "(", "1999", ")", ",", "10", ",", "000"]
    ),
    "batch_size != __init__": ["batch_size", "!", "=", "__init__"],
    # Nothing may join across a space: a point, then a number.
    "is 5. 7 are": ["is", "5", ".", "7", "are"],
    "naïve cafe\u0301 x²": ["naïve", "cafe\u0301", "x²"],
    "日本語のテストデータ": ["日", "本", "語", "の", "テストデータ"],
    "مرحبا، بالعالم": ["مرحبا", "،", "بالعالم"],
    "שלום עולם": ["שלום", "עולם"],
    "हिन्दी भाषा": ["हिन्दी", "भाषा"],
    "می\u200cخواهم": ["می\u200cخواهم"],
    "👩\u200d👩\u200d👧 😀😀 👍🏽 ❤\ufe0f": [
        "👩\u200d👩\u200d👧",
        "😀",
        "😀",
        "👍🏽",
        "❤\ufe0f",
    ],
    "nul\0in\0": ["nul", "in"],
    "a\u00a0b\u3000c\u2028d\x85e\tf\r\ng\u200bh": list("abcdefgh"),
    "\ufeffmark": ["mark"],
    "\ufffd": ["\ufffd"],
    "": [],
    " \t\u00a0\n ": [],
}


def decoded(units):
    return [unit.decode() for unit in units.numpy()]


@pytest.mark.parametrize("text", WORDS)
def test_units_are_the_expected_words(text):
    assert decoded(split_units([text]).units[0]) == WORDS[text]


def test_offsets_lead_back_to_the_text():
    texts = list(WORDS)
    split = split_units(texts)
    first = character_offsets(texts, split.starts)
    last = character_offsets(texts, split.limits)
    assert split.starts.dtype == split.limits.dtype == first.dtype == tf.int64
    for row, text in enumerate(texts):
        starts, limits = split.starts[row].numpy(), split.limits[row].numpy()
        data = text.encode()
        units = [data[i:j] for i, j in zip(starts, limits, strict=True)]
        assert units == list(split.units[row].numpy())
        characters = zip(first[row].numpy(), last[row].numpy(), strict=True)
        assert [text[i:j].encode() for i, j in characters] == units


def test_graph_mode_gives_the_same():
    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string)])
    def in_graph(texts):
        split = split_units(texts)
        return split, character_offsets(texts, split.limits)

    texts = tf.constant(list(WORDS))
    split, characters = in_graph(texts)
    eager = split_units(texts)
    for from_graph, expected in zip(split, eager, strict=True):
        assert from_graph.to_list() == expected.to_list()
    assert characters.to_list() == character_offsets(texts, eager.limits).to_list()

    split, characters = in_graph(tf.constant([], tf.string))
    assert split.units.to_list() == characters.to_list() == []


@pytest.mark.parametrize(
    "data, text",
    [
        (b"caf\xe9 au lait", "caf\ufffd au lait"),
        (b"\xff\xfeab", "\ufffd\ufffdab"),
        (b"cut \xe6\x97", "cut \ufffd"),
        (b"\xed\xa0\x80 surrogate", None),
    ],
)
def test_invalid_utf8_is_replaced_and_offsets_refer_to_the_replacement(data, text):
    valid = valid_text([data])[0].numpy()
    assert valid.decode().count("\ufffd") >= 1
    if text is not None:
        assert valid.decode() == text
    split = split_units([data])
    starts, limits = split.starts[0].numpy(), split.limits[0].numpy()
    units = [valid[i:j] for i, j in zip(starts, limits, strict=True)]
    assert units == list(split.units[0].numpy())
    assert units[-1].decode() in ("lait", "ab", "\ufffd", "surrogate")
    characters = character_offsets([data], split.limits)[0].numpy()
    assert characters[-1] == len(valid.decode())


def test_a_megabyte_of_text_and_a_megabyte_without_a_space():
    num_words = 200_003
    split = split_units(["word, " * num_words, "", "a" * 1_000_003])
    assert split.units.row_lengths().numpy().tolist() == [2 * num_words, 0, 1]
    assert split.limits[0][-1].numpy() == 6 * num_words - 1
    assert split.limits[2].numpy().tolist() == [1_000_003]


def test_character_offsets_after_a_long_text():
    texts = ["é" * 10_007 + " x", "é y"]
    limits = split_units(texts).limits
    assert limits.to_list() == [[20_014, 20_016], [2, 4]]
    expected = [[10_007, 10_009], [1, 3]]
    assert character_offsets(texts, limits).to_list() == expected


@pytest.mark.parametrize(
    "text",
    [
        json.loads('"bad \\ud83d film"'),
        "\udc80",
        "é\ud800\ud800 \udfffé",
        "\ud83d\ude00 halves",  # a pair of halves is no character either
    ],
)
def test_lone_surrogates_are_replaced_and_offsets_stay_those_of_the_text(text):
    replaced = "".join(c if c.isalpha() or c == " " else "\ufffd" for c in text)
    for texts in ([text], (text,), np.array([text]), np.array([text, b"a"], object)):
        assert valid_text(texts)[0].numpy().decode() == replaced
        split = split_units(texts)
        first = character_offsets(texts, split.starts)[0].numpy()
        last = character_offsets(texts, split.limits)[0].numpy()
        assert [replaced[i:j] for i, j in zip(first, last, strict=True)] == decoded(
            split.units[0]
        )
    assert last[-1] == len(text)


def test_what_is_no_string_is_named():
    with pytest.raises(TypeError, match="must be strings. Received: None"):
        split_units(["a", None])
    with pytest.raises(TypeError, match="must be strings. Received: 3"):
        split_units([3])
    starts = split_units(["one text"]).starts
    for use in (split_units, lambda text: character_offsets(text, starts)):
        with pytest.raises(
            ValueError, match="list of strings.* one string: 'one text'"
        ):
            use("one text")
    with pytest.raises(ValueError, match="list of strings.* one string: 'a'"):
        split_units(np.array("a"))


@pytest.mark.parametrize("texts", [[["nested"]], [["a"], ["b", "c"]]])
def test_other_ranks_are_refused(texts):
    with pytest.raises(ValueError, match=r"`texts` must be .* shape \(batch,\)"):
        split_units(texts)
