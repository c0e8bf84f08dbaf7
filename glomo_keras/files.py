"""Files that are written whole or not at all."""

import argparse
import contextlib
import errno
import json
import os
import pathlib
import secrets
import shutil

_UNFINISHED = ".writing-"
_SPARE_BYTES = 2**20  # what a file system and a file format add
# A few bytes can unpack to as much as there is memory.
_MAX_GROWTH = 100
_SAFE_BYTES = 2**30


@contextlib.contextmanager
def atomic_write(path):
    """Replace a file by what is written in the context, once that is on disk.

    A process that is killed leaves the old file or the new one, never half of one; an
    error in the context leaves the old one and nothing else.

    Args:
        path: path of the file, in a folder that exists.

    Yields:
        `pathlib.Path` beside it to write to. It ends in the name of the file, by whose
        suffixes Keras and NumPy tell formats.

    Example:

    >>> import tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "numbers.txt"
    >>> with atomic_write(path) as temporary:
    ...     _ = temporary.write_text("1 2 3")
    >>> path.read_text()
    '1 2 3'
    """
    path = pathlib.Path(path)
    temporary = _temporary_beside(path)
    try:
        yield temporary
        _sync_file(temporary)
        os.replace(temporary, path)
        _sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(path):
    """Put a folder in its place once everything was written into it and is on disk.

    A folder that is there already is replaced; it stays where anything fails.

    Args:
        path: path of the folder, in one that exists.

    Yields:
        `pathlib.Path` of an empty folder beside it.

    Example:

    >>> import tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "arrays"
    >>> with atomic_folder(path) as temporary:
    ...     _ = (temporary / "numbers.txt").write_text("1 2 3")
    >>> os.listdir(path)
    ['numbers.txt']
    """
    path = pathlib.Path(path)
    temporary = _temporary_beside(path)
    temporary.mkdir()
    replaced = _temporary_beside(path)
    try:
        yield temporary
        for file in temporary.rglob("*"):
            if file.is_file():
                _sync_file(file)
        if path.exists():
            path.rename(replaced)
        try:
            temporary.rename(path)
        except OSError:
            if replaced.exists():
                replaced.rename(path)
            raise
        _sync_folder(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(replaced, ignore_errors=True)


def named_path(text):
    """Return the path that a command line names.

    An empty one, of a variable that the shell does not know, would be the folder that
    the program is started in.

    Args:
        text: string.

    Returns:
        `pathlib.Path`.

    Raises:
        argparse.ArgumentTypeError: if it is empty.

    Example:

    >>> named_path("runs/first").name
    'first'
    """
    if not text:
        raise argparse.ArgumentTypeError("must be a path. Received: ''")
    return pathlib.Path(text)


def write_text(path, text):
    """Replace a file by a text, in UTF-8; see `atomic_write`."""
    with atomic_write(path) as temporary:
        temporary.write_bytes(text.encode("utf-8"))


def write_json(path, value):
    """Replace a file by a value as JSON; see `atomic_write`.

    Raises:
        TypeError: if JSON cannot hold the value; nothing is written then.
    """
    write_text(path, json.dumps(value, indent=2) + "\n")


def read_json(path):
    """Return the value in a JSON file.

    Args:
        path: path of the file.

    Returns:
        What JSON can hold: a dict for most files.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no JSON; names the file.

    Example:

    >>> import tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "numbers.json"
    >>> write_json(path, {"numbers": [1, 2]})
    >>> read_json(path)
    {'numbers': [1, 2]}
    """
    path = pathlib.Path(path)
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"{path} is damaged: it is no JSON file ({error}). Copy or make it again."
        ) from error


def is_unfinished(path):
    """Return whether a path is what a killed `atomic_write` or `atomic_folder` left."""
    return pathlib.Path(path).name.startswith(_UNFINISHED)


def remove_unfinished(folder):
    """Remove what killed writers left in a folder that nobody else writes to.

    Args:
        folder: path of a folder that exists, held alone or under its lock.
    """
    for path in pathlib.Path(folder).iterdir():
        if is_unfinished(path):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def check_free_space(folder, num_bytes):
    """Raise where a file system has no room for a file.

    HDF5 ends the process where the disk is full, so that there is no error to catch.

    Args:
        folder: path of a folder that exists.
        num_bytes: int, size of the file, in bytes.

    Raises:
        OSError: if there is too little room (`errno.ENOSPC`).
    """
    free = shutil.disk_usage(folder).free
    needed = num_bytes + num_bytes // 8 + _SPARE_BYTES
    if free < needed:
        raise OSError(
            errno.ENOSPC,
            f"There is too little free space: {needed:,} bytes are needed, and "
            f"{free:,} are free. Nothing was written. Make room, or give another "
            "folder",
            str(folder),
        )


def check_growth(source, unpacked_bytes, packed_bytes):
    """Raise if something packed would take memory out of all proportion.

    Args:
        source: string, what messages call it.
        unpacked_bytes, packed_bytes: ints.

    Raises:
        ValueError: if it takes over a gigabyte, and a hundred times what it has packed.
    """
    if unpacked_bytes > max(_SAFE_BYTES, _MAX_GROWTH * packed_bytes):
        raise ValueError(
            f"{source} would unpack from {packed_bytes:,} bytes to {unpacked_bytes:,}, "
            "which no real data do. Save it without compression if it is right."
        )


def _temporary_beside(path):
    return path.with_name(
        f"{_UNFINISHED}{os.getpid()}-{secrets.token_hex(4)}-{path.name}"
    )


def _sync_file(path):
    with path.open("rb+") as file:  # systems may want the right to write
        os.fsync(file.fileno())


def _sync_folder(folder):
    """Have the new name itself on disk, where the system can be asked for that."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
