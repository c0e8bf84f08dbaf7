"""Whole preparations: what is written, by whom, after a kill, and what is refused."""

import collections
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import prepare_corpus as recipe
import pytest
from array_record.python.array_record_data_source import ArrayRecordDataSource
from sharded_corpus import SETTINGS
from sharded_corpus import contents
from sharded_corpus import make_documents
from sharded_corpus import prepare

from glomo_keras.data import load_prepared
from glomo_keras.data import load_shards
from glomo_keras.data import prepare_corpus
from glomo_keras.data import prepared_classes
from glomo_keras.data import shard_classes
from glomo_keras.data.shards import chunks
from glomo_keras.data.shards import prepare as prepare_module
from glomo_keras.data.shards import processes as module
from glomo_keras.data.shards.records import decode_documents

RECIPE = Path(recipe.__file__)
COMMAND = [f"--{name.replace('_', '-')}={value}" for name, value in SETTINGS.items()]


def records_of(folder, split):
    """All records of a split, with the number of their source."""
    for path in sorted(folder.glob(f"{split}-*.array_record")):
        source = int(path.name.split("-")[1])
        for record in ArrayRecordDataSource([str(path)]):
            (number,) = decode_documents([record])
            yield (source, number), np.frombuffer(record, "<u2", offset=8).tolist()


def test_shards_hold_the_windows_of_all_documents(documents, shards):
    """Written anew in plain Python: units are words and full stops."""
    corpus = load_shards(shards)
    texts = {
        (source, number): text.lower().replace(".", " .").split()
        for source, part in enumerate(documents)
        for number, text in enumerate(part)
    }
    written = {split: list(records_of(shards, split)) for split in ("train", "valid")}
    keys = {split: {key for key, _ in part} for split, part in written.items()}
    assert not keys["train"] & keys["valid"]
    long = {key for key, units in texts.items() if len(units) >= 3}
    assert keys["train"] | keys["valid"] == long
    assert 5 < len(keys["valid"]) < 50  # a fifth of 114, by chance

    # Short documents are of either split: only their number is known here.
    train_units = [unit for key in sorted(keys["train"]) for unit in texts[key]]
    counts = collections.Counter(train_units)
    ids = {unit: place for place, unit in enumerate(corpus.units)}
    ranked = [counts[unit] for unit in corpus.units[2:]]
    assert len(corpus.units) == 47 and sum(ranked) > 0.8 * len(train_units)
    assert corpus.metadata["units"]["train"] >= len(train_units)

    for split, shift in (("train", 5), ("valid", 13)):
        expected = []
        for key in keys[split]:
            row = [ids.get(unit, 1) for unit in texts[key]]
            last = max(len(row) - 13, 0)
            starts = [start for start in range(0, last, shift)] + [last]
            expected += [(key, row[start : start + 13]) for start in starts]
        assert sorted(written[split]) == sorted(expected)
        lengths = [len(row) for _, row in expected]
        places = np.searchsorted(corpus.metadata["lengths"], lengths)
        windows = np.bincount(places, minlength=3).tolist()
        assert corpus.metadata["windows"][split] == windows


def test_vocabulary_and_classes_are_those_of_arrays(spec, tmp_path):
    """Of one chunk, in which texts stand side by side as they do in an array."""
    first = spec.split(",")[0]
    settings = SETTINGS | dict(valid_fraction=0, chunk_characters=10**6)
    prepare(first, tmp_path / "shards", **settings)
    arrays = tmp_path / "arrays"
    prepare_corpus(first, arrays, vocabulary_size=47, valid_fraction=0, log=str)
    expected, corpus = load_prepared(arrays), load_shards(tmp_path / "shards")
    assert corpus.units == expected.units
    assert corpus.metadata["units"] == expected.metadata["units"]
    assert corpus.metadata["coverage"] == expected.metadata["coverage"]
    for number in (11, 7):  # made at once, and on demand
        np.testing.assert_array_equal(
            shard_classes(tmp_path / "shards", number, log=str),
            prepared_classes(arrays, number, log=str),
        )
        assert (tmp_path / "shards" / f"classes_{number}.npy").exists()


def test_copies_of_a_document_are_on_one_side(tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("\n\n".join(["the same text , twice"] * 50 + ["and another text"]))
    for seed in range(5):
        folder = tmp_path / str(seed)
        settings = SETTINGS | dict(valid_fraction=0.5, seed=seed, num_classes=None)
        try:
            metadata = prepare(f"files:{text}", folder, **settings)
        except ValueError as error:  # both are drawn
            assert "no document to train on" in str(error)
        else:
            assert metadata["documents"]["train"] in (1, 50, 51)


def test_files_are_the_same_for_any_number_of_workers(spec, shards, tmp_path):
    prepare(spec, tmp_path, workers=2, **SETTINGS)
    assert contents(tmp_path) == contents(shards)


@pytest.mark.beam
def test_files_are_the_same_by_beam(spec, shards, tmp_path):
    pytest.importorskip("apache_beam")
    prepare(spec, tmp_path, beam_options=[], **SETTINGS)
    assert contents(tmp_path) == contents(shards)


@pytest.mark.parametrize("step, number", [("split_chunk", 4), ("write_chunk", 3)])
def test_it_goes_on_after_its_last_chunk(
    spec, shards, tmp_path, monkeypatch, step, number
):
    whole, done = getattr(module, step), []

    def fail(*arguments):
        if len(done) == number:
            raise OSError(28, "No space left on device")
        done.append(arguments[0].name)
        return whole(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(module, step, fail)
        with pytest.raises(OSError, match="No space left"):
            prepare(spec, tmp_path, **SETTINGS)
    with pytest.raises(FileNotFoundError, match="holds no finished shards"):
        load_shards(tmp_path)
    later = []

    def note(*arguments):
        later.append(arguments[0].name)
        return whole(*arguments)

    monkeypatch.setattr(module, step, note)
    prepare(spec, tmp_path, **SETTINGS)
    assert contents(tmp_path) == contents(shards)
    assert len(done) == number and not set(done) & set(later)


def test_a_killed_program_with_workers_goes_on(spec, shards, tmp_path):
    """SIGKILL at some moment after the first chunk; its workers end with it."""
    command = [sys.executable, str(RECIPE), "--corpus", spec, *COMMAND]
    command += ["--workers", "2", "--output", str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    tasks = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    while not list((tmp_path / "work" / "split").glob("0*.npz")):
        assert process.poll() is None, "it has ended before"
        time.sleep(0.01)
    children = [int(child) for child in tasks.read_text().split()]
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert children
    deadline = time.monotonic() + 30
    while any(_is_alive(child) for child in children):
        assert time.monotonic() < deadline, "a worker lives on"
        time.sleep(0.05)
    assert not (tmp_path / "metadata.json").exists()
    prepare(spec, tmp_path, **SETTINGS)
    assert contents(tmp_path) == contents(shards)


def _is_alive(process_id):
    try:
        status = Path(f"/proc/{process_id}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def test_what_is_finished_stays_and_what_is_damaged_is_made_again(spec, tmp_path):
    prepare(spec, tmp_path, **SETTINGS)
    before = contents(tmp_path)
    times = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    lines = []
    prepare(spec, tmp_path, **(SETTINGS | dict(log=lines.append)))
    assert lines == [f"{tmp_path} already holds this corpus with these settings."]
    assert times == {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}

    shard = sorted(tmp_path.glob("train-*"))[1]
    shard.write_bytes(shard.read_bytes()[:-100])
    with pytest.raises(ValueError, match=f"{shard.name} is damaged"):
        load_shards(tmp_path)
    prepare(spec, tmp_path, **SETTINGS)
    assert contents(tmp_path) == before
    shard.unlink()
    with pytest.raises(FileNotFoundError, match=shard.name):
        load_shards(tmp_path)

    lines.clear()
    prepare(spec, tmp_path, **(SETTINGS | dict(seed=8, log=lines.append)))
    assert lines[0] == f"{tmp_path} holds another preparation, which is replaced."
    metadata = json.loads((tmp_path / "metadata.json").read_text())
    listed = {
        s["file"] for split in ("train", "valid") for s in metadata["shards"][split]
    }
    assert listed == {path.name for path in tmp_path.glob("*.array_record")}


@pytest.mark.parametrize(
    "files, message",
    [
        ({"work/thesis.tex": "mine"}, "work is something else"),
        ({"work": "mine"}, "work is something else"),
        ({"work/settings.json": "[1]", "work/a": ""}, "work is something else"),
        ({"metadata.json": '{"mine": 1}'}, "whose metadata.json is"),
        ({"train-00000-000000.array_record": ""}, "train-00000-000000.array_record"),
        ({"rejected-00001-000002.jsonl": ""}, "would replace: rejected-00001-000002"),
        ({"classes_2024.npy": ""}, "would replace: classes_2024.npy"),
        ({"vocabulary.txt": "mine"}, "would replace: vocabulary.txt"),
        ({"neighbours.npz": "mine"}, "would replace: neighbours.npz"),
    ],
)
def test_files_of_something_else_are_not_replaced(spec, tmp_path, files, message):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=f"`directory` must .*{message}.*Give another"):
        prepare(spec, tmp_path, **SETTINGS)
    paths = [path for path in tmp_path.rglob("*") if path.is_file()]
    found = {str(path.relative_to(tmp_path)): path.read_text() for path in paths}
    assert found == files


def test_what_is_beside_shards_stays_when_they_are_replaced(spec, tmp_path):
    names = ["rejected-papers.txt", "classes_mine.npy", "other.array_record"]
    for name in names:
        (tmp_path / name).write_text("mine")
    (tmp_path / "work").mkdir()  # as a kill may leave it
    prepare(spec, tmp_path, **SETTINGS)
    prepare(spec, tmp_path, **(SETTINGS | dict(seed=8)))
    assert {(tmp_path / name).read_text() for name in names} == {"mine"}


def test_a_kill_before_the_first_chunk_is_begun_anew(spec, shards, tmp_path):
    """Old shards are gone in part, and the settings are not written."""
    (tmp_path / "work" / "split").mkdir(parents=True)
    (tmp_path / "work" / "settings.json").write_text('{"format": "shards 0"}')
    (tmp_path / "valid-00009-000009.array_record").write_text("old")
    prepare(spec, tmp_path, **SETTINGS)
    assert contents(tmp_path) == contents(shards)


def test_what_is_written_is_no_text_of_the_corpus(tmp_path):
    (tmp_path / "a.txt").write_text("\n\n".join(make_documents(0, 9)))
    spec, lines = f"files:{tmp_path}/*.txt", []
    prepare(spec, tmp_path, **SETTINGS)
    prepare(spec, tmp_path, **(SETTINGS | dict(log=lines.append)))
    assert lines == [f"{tmp_path} already holds this corpus with these settings."]


def test_numbers_of_numpy_are_settings(spec, shards, tmp_path):
    numbers = {
        name: np.int64(value) for name, value in SETTINGS.items() if type(value) is int
    }
    prepare(spec, tmp_path, **(SETTINGS | numbers))
    assert contents(tmp_path) == contents(shards)


def stop(*_):
    raise KeyboardInterrupt


@pytest.mark.parametrize("damage", [Path.unlink, lambda p: p.write_text("")])
def test_a_shard_that_has_gone_is_written_again(
    spec, shards, tmp_path, monkeypatch, damage
):
    """Between a kill after the last chunk, and the call that goes on."""
    with monkeypatch.context() as patched:
        patched.setattr(module, "write_index", stop)
        with pytest.raises(KeyboardInterrupt):
            prepare(spec, tmp_path, **SETTINGS)
    damage(sorted(tmp_path.glob("train-*"))[0])
    prepare(spec, tmp_path, **SETTINGS)
    assert contents(tmp_path) == contents(shards)


def test_a_kill_at_the_end_leaves_nothing_for_ever(spec, shards, tmp_path, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(prepare_module, "_remove_work", stop)
        with pytest.raises(KeyboardInterrupt):
            prepare(spec, tmp_path, **SETTINGS)
    assert (tmp_path / "work").exists() and load_shards(tmp_path)
    copy = shutil.copytree(tmp_path, tmp_path / "copy")
    prepare(spec, copy, **SETTINGS)
    assert contents(copy) == contents(shards)
    # Of a shard that is damaged meanwhile, what is left is not trusted.
    (tmp_path / "train-00000-000000.array_record").write_text("")
    shutil.rmtree(copy)
    prepare(spec, tmp_path, **SETTINGS)
    assert contents(tmp_path) == contents(shards)


def test_a_title_that_is_not_utf8_ends_a_good_document(tmp_path):
    text = tmp_path / "text.txt"
    text.write_bytes(b"= Na\xefve =\none two three\n= Caf\xe9 =\nfour five six\n")
    source = chunks.Source(0, f"files:{text}", "train")
    (chunk,) = chunks.read_chunks(source, 1_000)
    assert chunk.documents == [(0, "one two three"), (1, "four five six")]
    assert not chunk.rejected


def test_bad_examples_of_a_data_set_are_set_aside(monkeypatch):
    texts = ["one two", "a\0b", "long " * 30]
    monkeypatch.setattr(chunks, "MAX_CHARACTERS", 100)
    monkeypatch.setattr(chunks, "read_documents", lambda spec: texts)
    (chunk,) = chunks.read_chunks(chunks.Source(0, "tfds:some", "train"), 1_000)
    assert chunk.documents == [(0, "one two")]
    reasons = [document["reason"] for document in chunk.rejected]
    assert reasons == ["a NUL byte", "over 100 characters"]


def test_bad_documents_are_counted_and_in_a_file(tmp_path):
    text = tmp_path / "text.txt"
    text.write_bytes(b"one two three\n\nna\xefve\n\nfour five six\n")
    lines = []
    metadata = prepare(
        f"files:{text}",
        tmp_path / "shards",
        **(SETTINGS | dict(valid_fraction=0, log=lines.append)),
    )
    assert metadata["rejected_documents"] == 1
    assert metadata["rejected_reasons"] == {"not UTF-8": 1}
    assert "1 documents were set aside (not UTF-8: 1), in" in lines[-1]
    (path,) = (tmp_path / "shards").glob("rejected-*.jsonl")
    (record,) = [json.loads(line) for line in path.read_text().splitlines()]
    assert record["document"] == 1 and record["reason"] == "not UTF-8"
    numbers = {key[1] for key, _ in records_of(tmp_path / "shards", "train")}
    assert numbers == {0, 2}


def test_a_file_without_a_blank_line_is_said_to_be_one_document(tmp_path, monkeypatch):
    monkeypatch.setattr(chunks, "MAX_CHARACTERS", 100)
    paths = [tmp_path / "long.txt", tmp_path / "short.txt"]
    paths[0].write_text("one sentence a line\n" * 9)
    paths[1].write_text("one two three\n\n" * 3)
    lines = []
    settings = SETTINGS | dict(valid_fraction=0, num_classes=None, log=lines.append)
    with pytest.raises(ValueError) as raised:
        prepare(f"files:{paths[0]}", tmp_path / "alone", **settings)
    reason = "over 100 characters without a blank line"
    assert f"document 0 of files:{paths[0]} ({reason})." in str(raised.value)
    assert "smaller" not in str(raised.value)  # than 0
    spec = f"files:{paths[0]},{paths[1]}"
    metadata = prepare(spec, tmp_path / "both", **settings)
    assert metadata["rejected_reasons"] == {reason: 1}
    assert f"1 documents were set aside ({reason}: 1), in" in lines[-1]


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        (dict(valid_fraction=1), ValueError, r"`valid_fraction` must be in \[0, 1\)"),
        (dict(valid_fraction="a"), TypeError, "`valid_fraction` must be a number"),
        (dict(shift=14), ValueError, "`shift` and `min_units` must be from 1 to"),
        (dict(min_units=14), ValueError, "min_units=14, window=13"),
        (dict(vocabulary_size=2), ValueError, "Use 3 or more"),
        (dict(max_padding=-0.1), ValueError, r"`max_padding` must be in \[0, 1\)"),
        (dict(num_classes=2), ValueError, "`num_classes` must leave room"),
        (dict(workers=0), ValueError, "`workers` must be a positive integer"),
        (dict(chunk_characters=1.5), TypeError, "`chunk_characters` must be"),
    ],
)
def test_wrong_arguments_are_refused(spec, tmp_path, arguments, error, message):
    with pytest.raises(error, match=message):
        prepare(spec, tmp_path / "shards", **(SETTINGS | arguments))
    assert not (tmp_path / "shards").exists()


@pytest.mark.parametrize(
    "name, options, extra",
    [("array_record", None, "shards"), ("apache_beam", ["--x"], "beam")],
)
def test_what_is_not_installed_is_named(
    spec, tmp_path, monkeypatch, name, options, extra
):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=rf'pip install "glomo_keras\[{extra}\]"'):
        prepare(spec, tmp_path, beam_options=options, **SETTINGS)


def test_the_program_writes_what_its_options_say(spec, shards, tmp_path, capsys):
    recipe.main(["--corpus", spec, "--output", str(tmp_path), *COMMAND])
    assert contents(tmp_path) == contents(shards)
    printed = capsys.readouterr().out
    assert re.search(
        r"split into units: .* chunks, source (\d+) of \1, .* a second\)", printed
    )
    assert re.search(r"written: (\d+) of \1 chunks, .* a second\)", printed)
    with pytest.raises(SystemExit, match="error: `shift` and `min_units` must be"):
        recipe.main(["--output", str(tmp_path), "--window", "3"])
    options = recipe.parse_options(
        ["--output", "x", "--beam", "--runner=DirectRunner", "--window", "3"]
    )
    assert options.beam == ["--runner=DirectRunner", "--window", "3"]
    assert options.window == 64


def test_case_is_kept_where_it_is_wanted(spec, tmp_path):
    prepare(spec, tmp_path, **SETTINGS, lowercase=False)
    assert {"W3", "w1"} <= set(load_shards(tmp_path).units)
