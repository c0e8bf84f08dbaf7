"""NumPy files of others: headers are checked before memory is taken for the arrays."""

import contextlib
import math
import zipfile
import zlib

import numpy as np

from glomo_keras.files import check_growth

_HEADER_READERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def map_array(path, dtype, layout):
    """Return the array of an .npy file as a read-only memory map.

    Args:
        path: path of the file.
        dtype: NumPy type that it must have, may be abstract: `np.integer`.
        layout: tuple, the name of every axis, or its size where only one is right.

    Raises:
        ValueError: if the file is no such array, is damaged or cut off.

    Example:

    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "ids.npy"
    >>> np.save(path, np.arange(3))
    >>> map_array(path, np.integer, ("num_units",)).tolist()
    [0, 1, 2]
    """
    with open(path, "rb") as file:
        _check_header(file, path.stat().st_size, path, dtype, layout)
    return np.load(path, mmap_mode="r", allow_pickle=False)


@contextlib.contextmanager
def open_arrays(path):
    """Open an .npz file to read some of its arrays.

    Args:
        path: path of the file.

    Yields:
        `ArrayArchive`.

    Raises:
        ValueError: if it is no .npz file, or is damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            yield ArrayArchive(path, archive)
    except (EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(
            f"{path} is no .npz file, or is damaged ({error}). Save it by numpy.savez, "
            "or fetch it again."
        ) from error


class ArrayArchive:
    """The arrays of an open .npz file.

    Attributes:
        names: sorted list of strings.
    """

    def __init__(self, path, archive):
        self.path = path
        self._archive = archive
        self._members = {
            member.filename.removesuffix(".npy"): member
            for member in archive.infolist()
        }
        self.names = sorted(self._members)

    def read(self, name, dtype, layout):
        """Return an array; `dtype` and `layout` are those of `map_array`."""
        member, source = self._members[name], f"{self.path}: `{name}`"
        check_growth(source, member.file_size, member.compress_size)
        with self._archive.open(member) as file:
            _check_header(file, member.file_size, source, dtype, layout)
        with self._archive.open(member) as file:
            return np.lib.format.read_array(file, allow_pickle=False)


def _check_header(file, num_bytes, source, dtype, layout):
    try:
        version = np.lib.format.read_magic(file)
        shape, _, array_dtype = _HEADER_READERS[version](file)
    except Exception as error:  # a header is an expression of Python, or anything
        raise ValueError(
            f"{source} is no array of NumPy, or is damaged. Save it by NumPy, or fetch "
            "it again."
        ) from error
    is_right = len(shape) == len(layout) and all(
        isinstance(axis, str) or axis == size
        for axis, size in zip(layout, shape, strict=True)
    )
    if not is_right or not np.issubdtype(array_dtype, dtype):
        axes = ", ".join(map(str, layout)) + ("," if len(layout) == 1 else "")
        raise ValueError(
            f"{source} must be an array of {dtype.__name__} and of shape ({axes}). "
            f"Received: {array_dtype} {shape}."
        )
    expected = file.tell() + math.prod(shape) * array_dtype.itemsize
    if num_bytes != expected:
        raise ValueError(
            f"{source} is damaged: an array {shape} of {array_dtype} takes "
            f"{expected:,} bytes, and there are {num_bytes:,}. Fetch or make it again."
        )
