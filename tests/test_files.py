"""Files are written whole or not at all, and folders have one worker."""

import argparse
import errno
import json
import pathlib
import subprocess
import sys
import types

import pytest

from glomo_keras import files
from glomo_keras.locking import held_alone


def test_a_file_is_replaced_once_it_is_whole(tmp_path):
    path = tmp_path / "a.weights.h5"
    path.write_text("old")
    with files.atomic_write(path) as temporary:
        assert temporary.name.endswith("a.weights.h5") and temporary.parent == tmp_path
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["a.weights.h5"]


def test_an_error_leaves_the_old_file_alone(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(OSError, match="full"), files.atomic_write(path) as temporary:
        temporary.write_text("ne")
        raise OSError("full")
    assert path.read_text() == "old" and len(list(tmp_path.iterdir())) == 1


def test_a_folder_is_replaced_once_it_is_whole(tmp_path):
    path = tmp_path / "arrays"
    with files.atomic_folder(path) as temporary:
        (temporary / "one").write_text("1")
    with pytest.raises(ValueError), files.atomic_folder(path) as temporary:
        (temporary / "two").write_text("2")
        raise ValueError
    assert [p.name for p in path.iterdir()] == ["one"]
    with files.atomic_folder(path) as temporary:
        (temporary / "three").write_text("3")
    assert [p.name for p in path.iterdir()] == ["three"]
    assert [p.name for p in tmp_path.iterdir()] == ["arrays"]


def test_a_folder_stays_where_its_place_cannot_be_taken(tmp_path, monkeypatch):
    path = tmp_path / "arrays"
    with files.atomic_folder(path) as temporary:
        (temporary / "one").write_text("1")
    rename = pathlib.Path.rename

    def fail(self, target):
        if (self / "two").exists():
            raise OSError("no")
        return rename(self, target)

    monkeypatch.setattr(pathlib.Path, "rename", fail)
    with pytest.raises(OSError, match="no"), files.atomic_folder(path) as temporary:
        (temporary / "two").write_text("2")
    assert [p.name for p in path.iterdir()] == ["one"]
    assert [p.name for p in tmp_path.iterdir()] == ["arrays"]


def test_what_json_cannot_hold_replaces_nothing(tmp_path):
    path = tmp_path / "a.json"
    files.write_json(path, {"b": "\u65e5", "a": 1})
    assert json.loads(path.read_bytes()) == {"a": 1, "b": "\u65e5"}
    with pytest.raises(TypeError):
        files.write_json(path, {"a": object()})
    assert json.loads(path.read_bytes())["a"] == 1


def test_what_a_killed_process_left_is_known(tmp_path):
    program = (
        "import os, sys\n"
        "from glomo_keras.files import atomic_write\n"
        "with atomic_write(sys.argv[1]) as temporary:\n"
        "    temporary.write_text('half')\n"
        "    os._exit(9)\n"
    )
    subprocess.run([sys.executable, "-c", program, tmp_path / "a.txt"])
    (left,) = tmp_path.iterdir()
    assert files.is_unfinished(left) and not files.is_unfinished(tmp_path / "a.txt")
    (tmp_path / "b.txt").write_text("whole")
    (tmp_path / ".writing-7-folder").mkdir()
    files.remove_unfinished(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["b.txt"]


def test_a_disk_without_room_is_told_before_anything_is_written(tmp_path, monkeypatch):
    files.check_free_space(tmp_path, 1)
    usage = types.SimpleNamespace(free=1_500_000)
    monkeypatch.setattr(files.shutil, "disk_usage", lambda folder: usage)
    files.check_free_space(tmp_path, 400_000)
    with pytest.raises(OSError, match="too little free space") as error:
        files.check_free_space(tmp_path, 500_000)
    assert error.value.errno == errno.ENOSPC


def test_a_second_process_is_told_who_holds_a_folder(tmp_path):
    program = (
        "import sys\n"
        "from glomo_keras.locking import held_alone\n"
        "for _ in range(2):\n"
        "    try:\n"
        "        with held_alone(sys.argv[1]):\n"
        "            print('mine', flush=True)\n"
        "    except Exception as error:\n"
        "        print(type(error).__name__, error, flush=True)\n"
        "    sys.stdin.readline()\n"
    )
    with held_alone(tmp_path):
        process = subprocess.Popen(
            [sys.executable, "-c", program, tmp_path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert "is in use by process " in process.stdout.readline()
    shown, _ = process.communicate("go on\n", timeout=300)
    assert shown == "mine\n" and process.returncode == 0


@pytest.mark.parametrize("content", [b"{", b"", b"\xff{", b"[" * 10**5])
def test_a_damaged_json_file_is_named(tmp_path, content):
    path = tmp_path / "settings.json"
    with pytest.raises(FileNotFoundError):
        files.read_json(path)
    path.write_bytes(content)
    with pytest.raises(ValueError, match="settings.json is damaged: it is no JSON"):
        files.read_json(str(path))


def test_a_command_line_names_a_path():
    assert files.named_path("a/b") == pathlib.Path("a/b")
    with pytest.raises(
        argparse.ArgumentTypeError, match="must be a path. Received: ''"
    ):
        files.named_path("")
