"""Chunks, counts and windows: each step of a preparation by itself."""

import collections
import errno
import itertools
import json

import numpy as np
import pytest
from array_record.python import array_record_module

from glomo_keras.data.shards import chunks
from glomo_keras.data.shards import steps
from glomo_keras.data.shards.records import decode_documents
from glomo_keras.data.shards.records import decode_ids
from glomo_keras.data.shards.records import encode_records
from glomo_keras.data.shards.steps import choose_lengths
from glomo_keras.data.shards.steps import place_windows
from glomo_keras.data.shards.unit_counts import UnitCounts


def read(text, tmp_path, num_characters=1_000):
    path = tmp_path / "text.txt"
    path.write_bytes(text)
    (source,) = chunks.find_sources(f"files:{path}")
    return list(chunks.read_chunks(source, num_characters))


def test_a_chunk_ends_after_the_document_that_fills_it(tmp_path):
    parts = read(b"one\ntwo\n\n= A title =\nthree\n\n\nfour", tmp_path, 7)
    documents = [chunk.documents for chunk in parts]
    assert documents == [[(0, "one two")], [(1, "three"), (2, "four")]]
    assert [chunk.name for chunk in parts] == ["00000-000000", "00000-000001"]


def test_bad_documents_are_set_aside(tmp_path, monkeypatch):
    monkeypatch.setattr(chunks, "MAX_CHARACTERS", 20)
    text = (
        b"good\n\nca\xf6l\nnot\n\na\0b\n\n"
        + b"x" * 10
        + b"\n"
        + b"y" * 10
        + b"\n\nlast"
    )
    (chunk,) = read(text, tmp_path)
    assert chunk.documents == [(0, "good"), (4, "last")]
    rejected = [(r["document"], r["reason"], r["text"]) for r in chunk.rejected]
    assert rejected == [
        (1, "not UTF-8", r"ca\xf6l not"),
        (2, "a NUL byte", "a\0b"),
        (3, "over 20 characters without a blank line", "x" * 10),
    ]
    assert all(r["source"] == chunk.source.spec for r in chunk.rejected)


def test_files_are_sources_and_say_of_which_split(tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.txt").write_text(name)
    pattern = f"files:{tmp_path}/*.txt"
    drawn = chunks.find_sources(pattern)
    assert [source.spec[-5:] for source in drawn] == ["a.txt", "b.txt"]
    assert [source.split for source in drawn] == ["drawn"] * 2
    given = chunks.find_sources(f"files:{tmp_path}/b.txt", pattern)
    assert [source.split for source in given] == ["train", "valid", "valid"]
    assert [source.number for source in given] == [0, 1, 2]
    described = given[0].describe()
    assert described["bytes"] == 1 and described["split"] == "train"
    with pytest.raises(FileNotFoundError, match="No file matches"):
        chunks.find_sources("files:nothing.txt")


def test_a_data_set_is_one_source():
    (source,) = chunks.find_sources("planted")
    chunk = next(chunks.read_chunks(source, 1_000))
    assert len(chunk.documents[0][1].split()) == 64


@pytest.mark.parametrize("max_units", [3, 10, 1_000])
def test_counts_are_exact_wherever_they_are_kept(tmp_path, max_units):
    generator = np.random.default_rng(0)
    counts, expected = UnitCounts(tmp_path, max_units), collections.Counter()
    for _ in range(20):
        units = [b"%d" % unit for unit in generator.permutation(40)[:13]]
        numbers = generator.integers(0, 3, 13).tolist()
        counts.add(units, numbers)
        expected.update(dict(zip(units, numbers, strict=True)))
    ranked = sorted((-number, unit) for unit, number in expected.items() if number)
    assert counts.most_common(17) == [unit for _, unit in ranked[:17]]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("shift", [1, 5, 13])
def test_windows_are_full_and_miss_no_unit(shift):
    lengths = np.array([2, 13, 14, 0, 40, 3, 12])
    documents, starts, limits = place_windows(lengths, 13, shift, min_units=3)
    begins = np.cumsum(lengths) - lengths
    assert (starts >= begins[documents]).all()
    assert (limits <= (begins + lengths)[documents]).all()
    is_short = lengths[documents] < 13
    assert (limits - starts == np.where(is_short, lengths[documents], 13)).all()
    read = np.zeros(lengths.sum(), bool)
    for start, limit in zip(starts, limits, strict=True):
        read[start:limit] = True
    assert read[2:].all() and not read[:2].any()


@pytest.mark.parametrize("max_padding", [0, 0.03, 0.1, 0.3])
def test_lengths_are_the_fewest_that_keep_padding_small(max_padding):
    """Against all choices, one by one."""
    counts = np.random.default_rng(2).integers(0, 9, size=12)
    counts[[0, 1, 11]] = [0, 0, 0]  # the longest has 10 units

    def padding(lengths):
        places = np.searchsorted(lengths, np.arange(11))
        padded = (counts[:11] * np.array(lengths)[places]).sum()
        return 1 - (counts * np.arange(12)).sum() / padded

    lengths = choose_lengths(counts, max_padding)
    assert padding(lengths) <= max_padding + 1e-12 and lengths[-1] == 10
    fewer = itertools.combinations(range(1, 10), len(lengths) - 2)
    if len(lengths) > 1:
        assert min(padding([*chosen, 10]) for chosen in fewer) > max_padding
    same = itertools.combinations(range(1, 10), len(lengths) - 1)
    best = min(padding([*chosen, 10]) for chosen in same)
    assert padding(lengths) == pytest.approx(best)


def test_lengths_of_no_windows():
    assert choose_lengths(np.zeros(5, int), 0.1) == [1]


@pytest.mark.parametrize("dtype", ["<u2", "<i4"])
def test_records_are_what_was_encoded(dtype):
    ids = np.arange(2, 13).astype(dtype)
    records = list(encode_records(ids, [2**40, 5], [0, 4], [4, 11]))
    assert decode_documents(records) == [2**40, 5]
    expected = [[2, 3, 4, 5, 0, 0, 0, 0], [6, 7, 8, 9, 10, 11, 12, 0]]
    assert decode_ids(records, np.dtype(dtype), 8).tolist() == expected
    assert json.dumps(decode_documents(records))  # ints of Python


@pytest.mark.parametrize(
    "opened, number, message",
    [
        ("/dev/full", errno.ENOSPC, "No space left on device"),
        ("/no/such/folder", errno.EIO, "No such file"),
    ],
)
def test_a_shard_that_cannot_be_written_is_named(
    tmp_path, monkeypatch, opened, number, message
):
    writer = array_record_module.ArrayRecordWriter
    monkeypatch.setattr(
        array_record_module,
        "ArrayRecordWriter",
        lambda path, options: writer(opened, options),
    )
    path = tmp_path / "train-00000-000000.array_record"
    with pytest.raises(OSError, match=f"{message}.*{path.name}") as raised:
        steps._write_records(path, [bytes(1_000)] * 100)
    assert raised.value.errno == number and not list(tmp_path.iterdir())
