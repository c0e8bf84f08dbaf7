"""Folders that programs write: one process at a time, and files that are read back."""

import contextlib
import hashlib
import json
import os
import shutil
import zipfile

import keras
import numpy as np

from experiment.process import UsageError
from experiment.process import usage_errors
from glomo_keras.files import atomic_write
from glomo_keras.pretraining import run_folder


@contextlib.contextmanager
def hold(folder):
    """Make a folder and hold it, so that no other process works in it.

    Args:
        folder: `pathlib.Path`.

    Raises:
        UsageError: if another process holds it; names that process.
    """
    with contextlib.ExitStack() as stack:
        with usage_errors():
            stack.enter_context(run_folder.hold(folder))
        yield


def remove_folder(folder):
    """Remove a folder, aside: of a half removed one nothing would go on.

    Args:
        folder: `pathlib.Path`.
    """
    aside = folder.with_name(f"{folder.name}.removed")
    if aside.exists():
        shutil.rmtree(aside)
    folder.rename(aside)
    shutil.rmtree(aside)


def read_array_settings(folder):
    """Return the settings that the arrays of a folder were prepared with.

    Args:
        folder: `pathlib.Path`, with a `metadata.json`.

    Raises:
        UsageError: if the file is missing or damaged.
    """
    path = folder / "metadata.json"
    settings = read_json(path).get("settings")
    if not isinstance(settings, dict):
        raise UsageError(
            f"{path} is damaged: it has no `settings`. Remove {folder}; its arrays are "
            "prepared again."
        )
    return settings


def read_json(path):
    """Return the dict in a JSON file.

    Raises:
        UsageError: if the file is missing or damaged.
    """
    with usage_errors():
        return run_folder.read_object(path)


def read_lines(path):
    """Return the dicts of a file of JSON lines; an empty list where there is none.

    The last line may have been torn by a kill while it was written: it is left out.

    Raises:
        UsageError: if any other line is damaged.
    """
    return _records(path)[0]


def append_lines(path, *records):
    """Append dicts to a file of JSON lines at once, in place of a last torn line."""
    lines = b"".join(json.dumps(record).encode() + b"\n" for record in records)
    num_bytes = _records(path)[1]
    with path.open("ab+") as file:
        file.truncate(num_bytes)
        file.seek(max(0, num_bytes - 1))
        has_end = file.read(1) in (b"", b"\n")
        file.write(b"\n" * (not has_end) + lines)
        file.flush()
        os.fsync(file.fileno())  # what led to them may be removed after this


def _records(path):
    """Return the dicts of a file of JSON lines, and the bytes up to a torn line."""
    lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    records, num_bytes = [], 0
    for number, line in enumerate(lines, start=1):
        try:
            record = json.loads(line)
            if not isinstance(record, dict):
                raise ValueError(f"{record!r} is no object")
        except ValueError as error:
            if line.endswith(b"\n"):
                raise UsageError(
                    f"{path}, line {number}, is damaged ({error}). Remove the line."
                ) from error
            print(f"{path}, line {number}, was not written to its end: left out.")
            break
        records.append(record)
        num_bytes += len(line)
    return records, num_bytes


def identify_arrays(folder):
    """Return the checksum of all that decides the arrays of a folder."""
    described = json.dumps(read_array_settings(folder), sort_keys=True)
    return hashlib.sha256(described.encode()).hexdigest()[:16]


def save_arrays(path, tree):
    """Write the arrays of a tree; a kill leaves those that were there.

    Args:
        path: `pathlib.Path`, whose name ends in `.npz`.
        tree: nested structure of arrays.
    """
    with atomic_write(path) as temporary:
        np.savez(temporary, *map(np.asarray, keras.tree.flatten(tree)))


def load_arrays(path, like):
    """Return a tree of arrays that `save_arrays` wrote.

    Args:
        path: `pathlib.Path`.
        like: nested structure of arrays, with the shapes and dtypes of the saved ones.

    Raises:
        UsageError: if the file is damaged.
    """
    expected = keras.tree.flatten(like)
    try:
        with np.load(path) as file:
            # NumPy knows no bfloat16 and returns bytes.
            arrays = [
                file[f"arr_{number}"].view(array.dtype)
                for number, array in enumerate(expected)
            ]
        for saved, array in zip(arrays, expected, strict=True):
            if saved.shape != array.shape:
                raise ValueError(f"{saved.shape} in place of {array.shape}")
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise UsageError(
            f"{path} is damaged ({error}). Remove {path.parent}; the training begins "
            "anew."
        ) from error
    return keras.tree.pack_sequence_as(like, arrays)
