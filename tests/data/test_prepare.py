"""Preparation: arrays on disk that mean the text they came from."""

import errno
import json
import os
import shutil
import types
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from glomo_keras.data import Vocabulary
from glomo_keras.data import load_prepared
from glomo_keras.data import prepare as prepare_module
from glomo_keras.data import prepare_corpus
from glomo_keras.data import provisional_ids
from glomo_keras.data import split_units
from glomo_keras.data.prepared import read_metadata

WORDS = ["Alpha", "beta", "GAMMA", "delta", "alpha", "Beta", "naïve", "日"]


@pytest.fixture
def corpus(tmp_path):
    """23 documents of 3 to 25 words, and one line that is no unit at all."""
    random = np.random.default_rng(7)
    documents = [
        " ".join(random.choice(WORDS, size=size, p=np.arange(8, 0, -1) / 36))
        for size in range(3, 26)
    ]
    path = tmp_path / "text.txt"
    path.write_text("\n\n".join([*documents, "\u200b"]), "utf-8")
    return f"files:{path}", documents


def texts_of(prepared, split):
    ids = getattr(prepared, f"{split}_ids")
    offsets = getattr(prepared, f"{split}_offsets")
    words = [prepared.units[i] for i in ids]
    pairs = zip(offsets[:-1], offsets[1:], strict=True)
    return [" ".join(words[start:limit]) for start, limit in pairs]


@pytest.mark.parametrize("batch_characters", [1, 200, 1_000_000])
def test_ids_decode_to_the_text(corpus, tmp_path, monkeypatch, batch_characters):
    spec, documents = corpus
    monkeypatch.setattr(provisional_ids, "_BATCH_CHARACTERS", batch_characters)
    monkeypatch.setattr(prepare_module, "_CHUNK_UNITS", 37)
    metadata = prepare_corpus(spec, tmp_path / "out", valid_fraction=0.2, log=str)
    prepared = load_prepared(tmp_path / "out")
    assert prepared.metadata == metadata
    train, valid = texts_of(prepared, "train"), texts_of(prepared, "valid")
    assert len(valid) == 5 and len(train) == 19
    lowered = [document.lower() for document in documents]
    # The last document, of an invisible character, has no units.
    assert sorted([*train, *valid]) == sorted([*lowered, ""])
    assert train == [text for text in [*lowered, ""] if text in train]  # in order
    assert metadata["units"]["train"] == len(prepared.train_ids)
    assert metadata["documents"] == {"train": 19, "valid": 5}
    assert metadata["skipped_lines"] == {"train": 0}


def test_vocabulary_is_of_the_training_text_and_does_not_depend_on_batches(
    corpus, tmp_path, monkeypatch
):
    spec, _ = corpus
    arguments = dict(valid_fraction=0.3, vocabulary_size=6, log=str)
    prepare_corpus(spec, tmp_path / "a", **arguments)
    monkeypatch.setattr(provisional_ids, "_BATCH_CHARACTERS", 11)
    metadata = prepare_corpus(spec, tmp_path / "b", **arguments)
    for name in (
        "vocabulary.txt",
        "train_ids.npy",
        "valid_ids.npy",
        "train_offsets.npy",
    ):
        first, second = ((tmp_path / part / name).read_bytes() for part in "ab")
        assert first == second
    vocabulary = Vocabulary.load(tmp_path / "b" / "vocabulary.txt")
    prepared = load_prepared(tmp_path / "b")
    assert prepared.units == list(vocabulary.units) and vocabulary.lowercase
    whole = load_prepared(_prepare(spec, tmp_path / "c", valid_fraction=0.3))
    counted = Vocabulary.from_texts(texts_of(whole, "train"), 6, lowercase=True)
    assert vocabulary.units == counted.units
    for split in ("train", "valid"):
        ids = getattr(prepared, f"{split}_ids")
        assert metadata["coverage"][split] == pytest.approx((ids != 1).mean(), abs=1e-6)
        assert 0.5 < metadata["coverage"][split] < 1


@pytest.mark.parametrize("limit", [None, 1, 40, 41])
def test_a_long_document_is_read_in_parts(tmp_path, monkeypatch, limit):
    path = tmp_path / "text.txt"
    long = "Don't  stop : naïve \u200b日本 the_end .\n" * 5
    path.write_text(f"one\n\n{long}\n\ntwo three\n\n{long}\n\nfour", "utf-8")
    arguments = dict(max_document_units=7, limit=limit, valid_fraction=0, log=str)
    prepare_corpus(f"files:{path}", tmp_path / "whole", **arguments)
    split, sizes = provisional_ids.split_units, []

    def note(texts):
        sizes.append(max(map(len, texts)))
        return split(texts)

    monkeypatch.setattr(provisional_ids, "split_units", note)
    monkeypatch.setattr(provisional_ids, "_BATCH_CHARACTERS", 20)
    prepare_corpus(f"files:{path}", tmp_path / "parts", **arguments)
    assert max(sizes) < 20 + len("the_end")
    for name in ("vocabulary.txt", "train_ids.npy", "train_offsets.npy"):
        first, second = (tmp_path / part / name for part in ("whole", "parts"))
        assert first.read_bytes() == second.read_bytes()


def _prepare(spec, directory, **arguments):
    prepare_corpus(spec, directory, log=str, **arguments)
    return directory


def test_cased_and_lookup_agree_with_the_vocabulary(corpus, tmp_path):
    spec, _ = corpus
    prepared = load_prepared(
        _prepare(spec, tmp_path / "out", lowercase=False, valid_fraction=0)
    )
    assert {"Alpha", "alpha", "GAMMA"} < set(prepared.units)
    assert prepared.units[0] == "[PAD]" and not len(prepared.valid_ids)
    vocabulary = Vocabulary.load(tmp_path / "out" / "vocabulary.txt")
    texts = texts_of(prepared, "train")
    ids = vocabulary.lookup(split_units(texts).units).flat_values.numpy()
    np.testing.assert_array_equal(prepared.train_ids, ids)
    assert prepared.train_ids.dtype == np.uint16


def test_large_vocabularies_get_int32(tmp_path):
    path = tmp_path / "many.txt"
    path.write_text(" ".join(f"w{i}" for i in range(70_001)) + "\n\nend")
    directory = _prepare(
        f"files:{path}", tmp_path / "out", valid_fraction=0, vocabulary_size=100_000
    )
    prepared = load_prepared(directory)
    assert prepared.train_ids.dtype == np.int32
    assert len(set(prepared.train_ids.tolist())) == 70_002 == len(prepared.units) - 2


def test_a_validation_corpus_of_its_own(corpus, tmp_path):
    spec, documents = corpus
    other = tmp_path / "valid.txt"
    other.write_text("Alpha unseen\n\nbeta")
    directory = _prepare(spec, tmp_path / "out", valid_spec=f"files:{other}")
    prepared = load_prepared(directory)
    assert texts_of(prepared, "valid") == ["alpha [UNK]", "beta"]
    assert len(texts_of(prepared, "train")) == len(documents) + 1
    assert prepared.metadata["settings"]["valid_fraction"] is None
    assert prepared.metadata["coverage"] == {"train": 1.0, "valid": 0.666667}


@pytest.mark.parametrize("limit, expected", [(1, 1), (3, 1), (4, 2), (7, 2), (50, 8)])
@pytest.mark.parametrize("batch_characters", [1, 1_000_000])
def test_limit_ends_with_the_document_that_reaches_it(
    corpus, tmp_path, monkeypatch, limit, expected, batch_characters
):
    # Documents of 3, 4, 5, ... units.
    monkeypatch.setattr(provisional_ids, "_BATCH_CHARACTERS", batch_characters)
    directory = _prepare(corpus[0], tmp_path / "out", limit=limit, valid_fraction=0)
    prepared = load_prepared(directory)
    assert np.diff(prepared.train_offsets).tolist() == [*range(3, 3 + expected)]


def test_long_documents_are_cut_evenly(corpus, tmp_path):
    spec, documents = corpus  # of 3, 4, ..., 25 words
    arguments = dict(valid_fraction=0.2, max_document_units=7, log=str)
    metadata = prepare_corpus(spec, tmp_path / "out", **arguments)
    assert metadata["settings"]["max_document_units"] == 7
    prepared = load_prepared(tmp_path / "out")
    texts = [*texts_of(prepared, "train"), *texts_of(prepared, "valid")]
    words = [document.lower().split() for document in documents]
    expected = [""]
    for document in words:
        parts = np.array_split(document, -(-len(document) // 7))
        expected += [" ".join(part) for part in parts]
    assert sorted(texts) == sorted(expected)
    assert metadata["documents"]["valid"] == round(0.2 * len(expected))
    assert prepare_corpus(spec, tmp_path / "out", **arguments) == metadata
    whole = prepare_corpus(spec, tmp_path / "whole", log=str)
    assert "max_document_units" not in whole["settings"]


def test_short_documents_are_not_drawn_for_validation(tmp_path):
    texts = ["heading", "a text of six words here"] * 9
    (tmp_path / "texts.txt").write_text("\n\n".join(texts))

    def draw(**arguments):
        spec = f"files:{tmp_path / 'texts.txt'}"
        prepare_corpus(spec, tmp_path, valid_fraction=0.5, log=str, **arguments)
        return texts_of(load_prepared(tmp_path), "valid")

    assert "heading" in draw()
    assert draw(min_valid_units=6) == texts[1:9:2]
    assert "heading" in draw(min_valid_units=7)  # there is none as long


def test_the_parts_of_a_text_are_no_validation_corpus(tmp_path):
    for name in ("train", "valid"):
        (tmp_path / f"{name}.txt").write_text(f"{name} " * 9)
    specs = [f"files:{tmp_path / name}.txt" for name in ("train", "valid")]
    prepare_corpus(
        specs[0], tmp_path, valid_spec=specs[1], max_document_units=4, log=str
    )
    prepared = load_prepared(tmp_path)
    assert texts_of(prepared, "train") == ["train train train"] * 3
    assert np.diff(prepared.valid_offsets).tolist() == [3, 3, 3]


def test_the_draw_is_by_seed(corpus, tmp_path):
    draws = []
    for name, seed in (("a", 3), ("b", 3), ("c", 5)):
        directory = _prepare(corpus[0], tmp_path / name, seed=seed, valid_fraction=0.2)
        draws.append(texts_of(load_prepared(directory), "valid"))
    assert draws[0] == draws[1] != draws[2]


def test_finished_work_is_kept_and_other_settings_replace_it(corpus, tmp_path):
    spec, _ = corpus
    lines, directory = [], tmp_path / "out"
    first = prepare_corpus(spec, directory, log=lines.append)
    assert any("documents" in line and "a second" in line for line in lines)
    before = {path.name: path.stat().st_mtime_ns for path in directory.iterdir()}
    assert set(before) == {
        *("train_ids.npy", "train_offsets.npy", "valid_ids.npy", "valid_offsets.npy"),
        *("vocabulary.txt", "metadata.json"),
    }
    lines.clear()
    assert prepare_corpus(spec, directory, log=lines.append) == first
    assert len(lines) == 1 and "already holds" in lines[0]
    assert before == {
        path.name: path.stat().st_mtime_ns for path in directory.iterdir()
    }

    second = prepare_corpus(spec, directory, vocabulary_size=4, log=lines.append)
    assert "replaced" in lines[1]
    assert second["vocabulary_size"] == 4 == len(load_prepared(directory).units)

    path = tmp_path / "text.txt"
    path.write_text(path.read_text("utf-8") + "\n\nalpha beta", "utf-8")
    third = prepare_corpus(spec, directory, vocabulary_size=4, log=lines.append)
    assert sum(third["documents"].values()) == 1 + sum(second["documents"].values())


def test_changed_files_are_never_reused(corpus, tmp_path):
    spec, _ = corpus
    path, directory = tmp_path / "text.txt", tmp_path / "out"
    valid = tmp_path / "valid.txt"
    valid.write_text("alpha beta\n\nbeta")
    arguments = dict(valid_spec=f"files:{valid}", log=str)
    first = prepare_corpus(spec, directory, **arguments)
    for changed, old, new in (
        (path, "delta", "DELTA"),  # as many bytes
        (path, "DELTA", "delta"),
        (valid, "alpha", "alphA"),
    ):
        times = changed.stat()
        changed.write_text(changed.read_text("utf-8").replace(old, new), "utf-8")
        os.utime(changed, ns=(times.st_atime_ns, times.st_mtime_ns))
        lines = []
        arguments["log"] = lines.append
        metadata = prepare_corpus(spec, directory, **arguments)
        assert "is replaced" in lines[0]
        assert metadata["settings"] != first["settings"] or changed == path
    os.utime(path)  # another time, the same content
    lines.clear()
    assert prepare_corpus(spec, directory, **arguments) == metadata
    assert len(lines) == 1 and "already holds" in lines[0]


@pytest.mark.parametrize(
    "name, damage, message",
    [
        ("train_ids.npy", lambda data: data[:-2], "train_ids.npy is damaged"),
        ("valid_ids.npy", lambda data: data[:-2] + b"xyz", "valid_ids.npy is damaged"),
        ("train_ids.npy", lambda data: b"text", "train_ids.npy is no array of NumPy"),
        ("train_ids.npy", lambda data: data.replace(b"<u2", b"<f2"), "of integer"),
        ("train_ids.npy", lambda data: data.replace(b"<u2", b"|O8"), "of integer"),
        ("train_ids.npy", lambda data: b"", "train_ids.npy is no array of NumPy"),
        ("vocabulary.txt", lambda data: data[:-9], "vocabulary.txt must have"),
        ("vocabulary.txt", lambda data: data[3:], "vocabulary.txt line 1"),
        (
            "train_offsets.npy",
            lambda data: data[:-8] + bytes(8),
            "train_offsets.npy must rise from 0 to the",
        ),
    ],
)
def test_damaged_files_are_named_and_made_again(
    corpus, tmp_path, name, damage, message
):
    directory = _prepare(corpus[0], tmp_path / "out")
    path = directory / name
    content = path.read_bytes()
    path.write_bytes(damage(content))
    with pytest.raises(ValueError, match=message):
        load_prepared(directory)
    lines = []
    prepare_corpus(corpus[0], directory, log=lines.append)
    assert name in lines[0] and "is replaced" in lines[1]
    assert path.read_bytes() == content


def test_what_a_kill_left_is_removed(corpus, tmp_path):
    directory = tmp_path / "out"
    directory.mkdir()
    for name in (".writing-1-ab-train_ids.npy", ".writing-1-ab-notes.txt", "mine.npy"):
        (directory / name).write_text("")
    _prepare(corpus[0], directory)
    names = {path.name for path in directory.iterdir()}
    assert {".writing-1-ab-notes.txt", "mine.npy", "metadata.json"} < names
    assert ".writing-1-ab-train_ids.npy" not in names


@pytest.mark.parametrize(
    "files, message",
    [
        ({"metadata.json": '{"format": 1, "config": {}}'}, "whose metadata.json is"),
        ({"metadata.json": '{"settings": {"mine": 1}}'}, "whose metadata.json is"),
        ({"metadata.json": '{"settings": '}, "whose metadata.json is damaged"),
        ({"classes_2024.npy": "mine"}, "would replace: classes_2024.npy. Give another"),
        ({"vocabulary.txt": "mine"}, "would replace: vocabulary.txt. Give another"),
    ],
)
def test_files_of_something_else_are_not_replaced(corpus, tmp_path, files, message):
    directory = tmp_path / "out"
    directory.mkdir()
    files = {**files, "classes_mine.npy": "mine"}
    for name, text in files.items():
        (directory / name).write_text(text)
    with pytest.raises(ValueError, match=f"`directory` must be empty.*{message}"):
        prepare_corpus(corpus[0], directory, log=str)
    assert files == {path.name: path.read_text() for path in directory.iterdir()}


def test_what_is_written_is_no_text_of_the_corpus(tmp_path):
    """Texts and arrays in one folder, the texts named by a pattern."""
    (tmp_path / "a.txt").write_text("one two\n\nthree four\n\nfive six")
    spec = f"files:{tmp_path}/*"
    _prepare(spec, tmp_path, valid_fraction=0)
    files = {path: path.read_bytes() for path in tmp_path.iterdir()}
    lines = []
    prepare_corpus(spec, tmp_path, valid_fraction=0, log=lines.append)
    assert lines == [f"{tmp_path} already holds this corpus with these settings."]
    assert files == {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(FileNotFoundError, match="but those that are written of a"):
        prepare_corpus(f"files:{tmp_path}/vocab*", tmp_path, log=str)


def test_a_kill_before_the_metadata_is_no_work_of_the_user(corpus, tmp_path):
    directory = _prepare(corpus[0], tmp_path / "out")
    (directory / "metadata.json").unlink()
    _prepare(corpus[0], directory)
    assert load_prepared(directory).units


def test_a_preparation_is_replaced_with_its_classes_alone(corpus, tmp_path):
    directory = _prepare(corpus[0], tmp_path / "out")
    for name in ("classes_7.npy", "classes_mine.npy"):
        (directory / name).write_text("")
    _prepare(corpus[0], directory, seed=3)
    assert not (directory / "classes_7.npy").exists()
    assert (directory / "classes_mine.npy").exists()


def test_a_full_disk_is_said_before_ids_are_written(corpus, tmp_path, monkeypatch):
    full = types.SimpleNamespace(free=1_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: full)
    with pytest.raises(OSError, match="too little free space") as raised:
        prepare_corpus(corpus[0], tmp_path / "out", log=str)
    assert raised.value.errno == errno.ENOSPC
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"train_offsets.npy"}


def test_two_processes_prepare_once(corpus, tmp_path):
    directory, lines = tmp_path / "out", []
    with ThreadPoolExecutor(3) as pool:
        runs = [
            pool.submit(prepare_corpus, corpus[0], directory, log=lines.append)
            for _ in range(3)
        ]
    assert runs[0].result() == runs[1].result() == runs[2].result()
    assert sum("already holds" in line for line in lines) == 2


def test_numbers_of_numpy_are_settings(corpus, tmp_path):
    metadata = prepare_corpus(
        corpus[0],
        tmp_path / "out",
        vocabulary_size=np.int64(5),
        valid_fraction=np.float32(0.5),
        limit=np.int32(50),
        seed=np.int64(3),
        lowercase=np.bool_(True),
        log=str,
    )
    assert metadata == load_prepared(tmp_path / "out").metadata
    assert metadata["vocabulary_size"] == 5


def test_unfinished_work_is_not_loaded(corpus, tmp_path):
    directory = _prepare(corpus[0], tmp_path / "out")
    complete = (directory / "metadata.json").read_text("utf-8")
    for text in (
        '{"settings": ',
        "[]",
        "{}",
        "3",
        "[" * 100_000,
        '{"settings": []}',
        complete.replace('"units"', '"unit"'),
        complete.replace('"vocabulary_size": ', '"vocabulary_size": [], "x": '),
    ):
        (directory / "metadata.json").write_text(text)
        with pytest.raises(FileNotFoundError, match="no finished preparation"):
            load_prepared(directory)
        # Arrays of other programs have metadata of their own beside their settings.
        assert (read_metadata(directory) is None) == ('"settings": {' not in text)
    _prepare(corpus[0], directory)
    assert json.loads((directory / "metadata.json").read_text("utf-8"))["units"]
    with pytest.raises(FileNotFoundError, match="no finished preparation"):
        load_prepared(tmp_path / "nowhere")


def test_bad_lines_are_counted(tmp_path):
    path = tmp_path / "mixed.txt"
    path.write_bytes(b"One two.\n\ncaf\xe9\n\nThree four.")
    with pytest.warns(UserWarning, match="skipped 1 of 5"):
        metadata = prepare_corpus(f"files:{path}", tmp_path / "out", log=str)
    assert metadata["skipped_lines"] == {"train": 1}


def test_errors(corpus, tmp_path):
    spec, _ = corpus
    for arguments, message in (
        (dict(valid_fraction=1.0), r"`valid_fraction` must be in \[0, 1\)"),
        (dict(valid_fraction=-0.1), "`valid_fraction` must be"),
        (dict(limit=0), "`limit` must be a positive integer or None"),
        (dict(vocabulary_size=2), "`vocabulary_size` must leave room"),
        (dict(limit=1), "has a single document.*valid_fraction=0"),
    ):
        with pytest.raises(ValueError, match=message):
            prepare_corpus(spec, tmp_path / "out", log=str, **arguments)
    for arguments, message in (
        (dict(vocabulary_size=9.0), "`vocabulary_size` must be a positive integer"),
        (dict(valid_fraction="0.1"), "`valid_fraction` must be a number"),
    ):
        with pytest.raises(TypeError, match=message):
            prepare_corpus(spec, tmp_path / "out", log=str, **arguments)
    invisible = tmp_path / "invisible.txt"
    invisible.write_text("\u200b\n\n\u200b", "utf-8")
    for fraction in (0, 0.5):
        with pytest.raises(ValueError, match=r"invisible.txt' has no unit to train on"):
            _prepare(f"files:{invisible}", tmp_path / "out", valid_fraction=fraction)
    assert not (tmp_path / "out" / "vocabulary.txt").exists()
    empty = tmp_path / "empty.txt"
    empty.write_text("\n")
    with pytest.raises(ValueError, match="empty.txt' is empty"):
        prepare_corpus(f"files:{empty}", tmp_path / "out", log=str)
