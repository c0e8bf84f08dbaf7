"""Vocabularies: order, look-up, the file, and export."""

import copy
import json
import pickle

import numpy as np
import pytest
import tensorflow as tf

from glomo_keras.data import Vocabulary

COUNTS = {"the": 7, "cat": 3, "The": 3, "ant": 3, "naïve": 2, "日": 1}


def test_order_is_by_count_then_by_unit():
    vocabulary = Vocabulary.from_counts(COUNTS)
    assert vocabulary.units == (
        *("[PAD]", "[UNK]", "the", "The", "ant", "cat", "naïve", "日"),
    )
    reversed_counts = dict(reversed(COUNTS.items()))
    assert Vocabulary.from_counts(reversed_counts).units == vocabulary.units


def test_lowercase_adds_counts_up_and_size_includes_reserved_ids():
    counts = {"Tie": 2, "tie": 2, "one": 3, "ÉTÉ": 1}
    vocabulary = Vocabulary.from_counts(counts, max_size=4, lowercase=True)
    assert vocabulary.units == ("[PAD]", "[UNK]", "tie", "one")
    whole = Vocabulary.from_counts(counts, lowercase=True)
    assert whole.units[2:] == ("tie", "one", "été")
    assert whole.lookup(["TIE", "Été", "two", ""]).numpy().tolist() == [2, 4, 1, 1]
    cased = Vocabulary.from_counts(counts)
    assert cased.lookup(["TIE", "Tie", "tie"]).numpy().tolist() == [1, 3, 4]


def test_lookup_keeps_raggedness_and_runs_in_a_graph():
    vocabulary = Vocabulary.from_counts(COUNTS)
    units = tf.ragged.constant([["the", "dog"], [], ["cat"]])

    ids = tf.function(vocabulary.lookup)(units)
    assert isinstance(ids, tf.RaggedTensor) and ids.dtype == tf.int32
    assert ids.to_list() == [[2, 1], [], [5]]


def test_encode_pads_masks_and_cuts():
    vocabulary = Vocabulary.from_counts(COUNTS)
    batch = vocabulary.encode(["The naïve cat", "", "Dog, the"])
    assert batch["unit_ids"].dtype == tf.int32
    assert batch["unit_ids"].numpy().tolist() == [[3, 6, 5], [0, 0, 0], [1, 1, 2]]
    assert batch["padding_mask"].dtype == tf.bool
    np.testing.assert_array_equal(batch["padding_mask"], batch["unit_ids"] != 0)
    assert [unit.decode() for unit in batch["units"][2].numpy()] == ["Dog", ",", "the"]

    for length, row in ((2, [3, 6]), (5, [3, 6, 5, 0, 0])):
        batch = vocabulary.encode(["The naïve cat"], length=length)
        assert batch["unit_ids"].numpy().tolist() == [row]
        assert batch["padding_mask"].numpy().tolist() == [[i != 0 for i in row]]


@pytest.mark.parametrize("texts", [[], [""], ["", " \t"]])
def test_encode_of_nothing_is_one_column_of_padding(texts):
    vocabulary = Vocabulary.from_counts(COUNTS)
    for encode in (vocabulary.encode, tf.function(vocabulary.encode)):
        batch = encode(tf.constant(texts, tf.string))
        assert batch["unit_ids"].shape == batch["padding_mask"].shape == (len(texts), 1)
        assert not np.any(batch["unit_ids"]) and not np.any(batch["padding_mask"])


def test_decode_drops_padding_and_marks_the_unknown():
    vocabulary = Vocabulary.from_texts(["A cat. A 日."], lowercase=True)
    batch = vocabulary.encode(["A dog.", "cat"])
    assert vocabulary.decode(batch["unit_ids"]) == [["a", "[UNK]", "."], ["cat"]]
    assert vocabulary.decode(tf.ragged.constant([[3, 2], []], tf.int32)) == [
        ["a", "."],
        [],
    ]
    with pytest.raises(ValueError, match=r"in \[0, 6\).* from 2 to 6"):
        vocabulary.decode([[2, 6]])


@pytest.mark.parametrize("lowercase", [False, True])
def test_file_round_trip(tmp_path, lowercase):
    path = tmp_path / "vocabulary.txt"
    vocabulary = Vocabulary.from_counts(COUNTS, lowercase=lowercase)
    vocabulary.save(path)
    lines = path.read_text("utf-8").split("\n")
    assert lines[0] == ("[PAD] lowercase=true" if lowercase else "[PAD]")
    assert lines[1:3] == ["[UNK]", "the"] and lines[-1] == ""
    loaded = Vocabulary.load(path)
    assert loaded.units == vocabulary.units and loaded.lowercase == lowercase
    texts = ["The cat naïve 日 dog [PAD]", "THE"]
    expected = vocabulary.encode(texts)["unit_ids"].numpy()
    np.testing.assert_array_equal(loaded.encode(texts)["unit_ids"], expected)
    assert [file.name for file in tmp_path.iterdir()] == ["vocabulary.txt"]


def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "vocabulary.txt"
    Vocabulary(["old"]).save(path)

    def fail(*args):
        raise OSError("disk full")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        Vocabulary(["new"]).save(path)
    assert path.read_text() == "[PAD]\n[UNK]\nold\n"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    "data, message",
    [
        (b"", r"line 1 must be '\[PAD\]'"),
        (b"the\ncat\n", r"line 1 must be '\[PAD\]'.* Received: 'the'"),
        (b"[PAD] uppercase\n[UNK]\n", "line 1 must be"),
        (b"[PAD]\ncat\n", r"line 2 must be '\[UNK\]'. Received: \['cat'\]"),
        (b"[PAD]\n", "line 2 must be"),
        (b"[PAD]\n[UNK]\ncat\nthe\ncat\n", "line 5 repeats the unit 'cat'"),
        (b"[PAD]\n[UNK]\n\ncat\n", "line 3 must be a unit without white space"),
        (b"[PAD]\n[UNK]\ncat\r\n", "line 3 must be a unit without white space"),
        (b"[PAD]\n[UNK]\ncaf\xe9\n", "byte 15 is not UTF-8"),
        (b"[PAD]\n[UNK]\nthe\n[PAD]\n", r"line 4 repeats the unit '\[PAD\]'"),
        (b"[PAD]\n[UNK]\nthe\0\n", "is UTF-16, UTF-32 or binary"),
        ("[PAD]\n[UNK]\nthe\n".encode("utf-16"), "is UTF-16, UTF-32 or binary"),
        ("[PAD]\n[UNK]\nthe\n".encode("utf-16-be"), "is UTF-16, UTF-32 or binary"),
        ("[PAD]\n[UNK]\nthe\n".encode("utf-32"), "is UTF-16, UTF-32 or binary"),
        (b"[PAD] \n[UNK]\nthe\n", "line 1 must be"),
        (
            b"[PAD] lowercase=true\n[UNK]\nthe\nThe\n",
            "line 4 must be in lower case.* Received: 'The'. Give 'the'",
        ),
    ],
)
def test_a_malformed_file_is_named_with_its_line(tmp_path, data, message):
    path = tmp_path / "broken.txt"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=f"broken.txt .*{message}"):
        Vocabulary.load(path)


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match=r"`units`\[1\] repeats the unit 'a'"):
        Vocabulary(["a", "a"])
    with pytest.raises(ValueError, match=r"`units`\[0\] must be a unit"):
        Vocabulary(["two words"])
    with pytest.raises(ValueError, match="`max_size` must leave room"):
        Vocabulary.from_counts(COUNTS, max_size=2)
    with pytest.raises(TypeError, match=r"`units`\[1\] must be a string.*None"):
        Vocabulary(["a", None])
    with pytest.raises(TypeError, match="`counts` must be a mapping.*from_texts"):
        Vocabulary.from_counts(["the", "cat"])
    for length in (0, -1):
        with pytest.raises(ValueError, match="`length` must be a positive integer"):
            Vocabulary(["a"]).encode(["a"], length=length)


def test_units_that_no_lowered_text_has_are_refused():
    for unit in ("The", "ÉTÉ", "naÏve", "ΣΑΣ", "ǅ"):
        with pytest.raises(ValueError, match=r"`units`\[1\] must be in lower case"):
            Vocabulary(["cat", unit], lowercase=True)
        assert Vocabulary(["cat", unit]).units[3] == unit


def test_what_is_lowered_is_lower_case():
    """Of every character: TensorFlow's tables may be older than those of Python."""
    characters = [chr(code) for code in range(1, 0x110000)]
    characters = [c for c in characters if c.isprintable() and not c.isspace()]
    vocabulary = Vocabulary.from_counts(dict.fromkeys(characters, 1), lowercase=True)
    ids = vocabulary.lookup(characters).numpy()
    assert ids.min() > 1 and len(set(ids.tolist())) == len(vocabulary) - 2


@pytest.mark.parametrize("text", ["the cat sat", b"the cat", ""])
@pytest.mark.parametrize("read", [Vocabulary, Vocabulary.from_texts])
def test_one_string_is_no_list(read, text):
    for scalar in (tf.constant("the cat"), np.array("the cat")):
        with pytest.raises(ValueError, match="must be a list of strings"):
            Vocabulary.from_texts(scalar)
    with pytest.raises(ValueError, match="must be a list of strings.*one string: .*"):
        read(text)
    with pytest.raises(ValueError, match="must be a list of strings.*one string: .*"):
        Vocabulary(["a"]).encode(text)


def test_integers_of_numpy_are_sizes():
    size, length = np.int64(4), np.int32(5)
    vocabulary = Vocabulary.from_counts(COUNTS, max_size=size)
    assert len(vocabulary) == 4
    assert vocabulary.encode(["the"], length=length)["unit_ids"].shape == (1, 5)


def test_surrogates_are_units_like_the_replacement_character():
    texts = [json.loads('"bad \\ud83d film"'), "\udc80 \ufffd"]
    vocabulary = Vocabulary.from_texts(texts)
    assert vocabulary.units[2:] == ("\ufffd", "bad", "film")
    assert vocabulary.encode(texts)["unit_ids"].numpy().tolist() == [
        [3, 2, 4],
        [2, 2, 0],
    ]
    assert vocabulary.lookup(["\ud83d"]).numpy().tolist() == [2]
    assert Vocabulary(["\ud83d"]).units[2] == "\ufffd"
    counted = Vocabulary.from_counts({chr(0xD83D): 1, "a": 2, chr(0xDC80): 2})
    assert counted.units[2:] == ("\ufffd", "a")


@pytest.mark.parametrize("lowercase", [False, True])
def test_copies_and_pickles_look_up_the_same(tmp_path, lowercase):
    path = tmp_path / "vocabulary.txt"
    Vocabulary.from_counts(COUNTS, lowercase=lowercase).save(path)
    loaded = Vocabulary.load(path)
    path.unlink()
    for copied in (copy.deepcopy(loaded), pickle.loads(pickle.dumps(loaded))):
        assert copied.units == loaded.units and copied.lowercase == lowercase
        assert copied.lookup(["The", "dog"]).numpy().tolist() == (
            [2, 1] if lowercase else [3, 1]
        )


def test_export_needs_no_file(tmp_path):
    source = tmp_path / "vocabulary.txt"
    Vocabulary.from_counts(COUNTS).save(source)
    vocabulary = Vocabulary.load(source)
    source.unlink()

    module = tf.Module()
    module.table = vocabulary.table
    module.serve = tf.function(
        lambda texts: vocabulary.encode(texts)["unit_ids"],
        input_signature=[tf.TensorSpec((None,), tf.string)],
    )
    tf.saved_model.save(module, str(tmp_path / "model"))
    loaded = tf.saved_model.load(str(tmp_path / "model"))
    ids = loaded.serve(tf.constant(["the cat", "dog"]))
    assert ids.numpy().tolist() == [[2, 5], [1, 0]]
