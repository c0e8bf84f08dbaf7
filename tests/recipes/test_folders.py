"""Folders that programs write: who holds them, and what is read back."""

import json

import keras
import numpy as np
import pytest
from experiment import folders
from experiment.process import UsageError
from keras import ops

from glomo_keras.locking import held_alone


def test_a_folder_is_made_and_held(tmp_path):
    folder = tmp_path / "deep" / "run"
    with folders.hold(folder):
        with pytest.raises(RuntimeError, match="in use"), held_alone(folder):
            pass
        with pytest.raises(UsageError, match="run is in use by process"):
            with folders.hold(folder):
                pass
    with folders.hold(folder):
        pass


def test_errors_within_are_not_taken_for_that_of_the_lock(tmp_path):
    with pytest.raises(RuntimeError) as raised, folders.hold(tmp_path):
        raise RuntimeError("of the work")
    assert not isinstance(raised.value, UsageError)


def test_lines_survive_a_torn_one(tmp_path, capsys):
    path = tmp_path / "runs.jsonl"
    assert folders.read_lines(path) == []
    folders.append_lines(path, {"a": 1}, {"a": 2})
    path.write_bytes(path.read_bytes()[:-3])
    assert folders.read_lines(path) == [{"a": 1}]
    assert "line 2, was not written to its end" in capsys.readouterr().out
    folders.append_lines(path, {"a": "é"})
    assert folders.read_lines(path) == [{"a": 1}, {"a": "é"}]
    path.write_bytes(path.read_bytes()[:-1])  # as some editors leave it
    folders.append_lines(path, {"a": 3})
    assert [line["a"] for line in folders.read_lines(path)] == [1, "é", 3]
    assert path.read_bytes().count(b"\n") == 3


def test_lines_are_appended_all_or_none(tmp_path):
    path = tmp_path / "runs.jsonl"
    with pytest.raises(TypeError):
        folders.append_lines(path, {"a": 1}, {"a": object()})
    assert folders.read_lines(path) == []


@pytest.mark.parametrize("line", [b"{", b"[1]", b"\xff", b""])
def test_a_damaged_line_is_named(tmp_path, line):
    path = tmp_path / "runs.jsonl"
    path.write_bytes(b'{"a": 1}\n' + line + b'\n{"a": 2}\n')
    with pytest.raises(UsageError, match="runs.jsonl, line 2, is damaged"):
        folders.read_lines(path)
    with pytest.raises(UsageError):
        folders.append_lines(path, {})


@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b"\xff"])
def test_damaged_json_is_named(tmp_path, content):
    path = tmp_path / "settings.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match="settings.json is missing or damaged"):
        folders.read_json(path)
    path.write_text(json.dumps({"a": "é"}), encoding="utf-8")
    assert folders.read_json(path) == {"a": "é"}


def test_arrays_come_back_as_they_were_saved(tmp_path):
    tree = {
        "weights": [ops.convert_to_tensor([[1.5, -2.0]], dtype="bfloat16")],
        "seeds": np.array([1, 2**32 - 1], "uint32"),
        "stopped": np.array(True),
    }
    tree = keras.tree.map_structure(np.asarray, tree)
    path = tmp_path / "state.npz"
    folders.save_arrays(path, tree)
    like = keras.tree.map_structure(np.zeros_like, tree)
    received = folders.load_arrays(path, like)
    keras.tree.assert_same_structure(received, tree)
    for saved, array in zip(
        keras.tree.flatten(received), keras.tree.flatten(tree), strict=True
    ):
        assert saved.dtype == array.dtype
        np.testing.assert_array_equal(saved, array)


def test_nothing_goes_on_from_a_folder_whose_removal_was_killed(tmp_path, monkeypatch):
    folder = tmp_path / "run"
    folder.mkdir()

    def be_killed(folder):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(folders.shutil, "rmtree", be_killed)
        with pytest.raises(KeyboardInterrupt):
            folders.remove_folder(folder)
    assert not folder.exists()
    folder.mkdir()
    folders.remove_folder(folder)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", ["torn", b"", [np.ones(2)], [np.ones(3), 1]])
def test_damaged_arrays_are_named(tmp_path, content):
    path = tmp_path / "state.npz"
    like = [np.ones(3), np.ones(2)]
    if isinstance(content, list):
        folders.save_arrays(path, content)
    else:
        folders.save_arrays(path, like)
        path.write_bytes(path.read_bytes()[:-9] if content == "torn" else content)
    with pytest.raises(UsageError, match="state.npz is damaged"):
        folders.load_arrays(path, like)
