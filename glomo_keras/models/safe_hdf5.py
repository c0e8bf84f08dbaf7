"""HDF5 files of others: they read nothing but themselves, and no more than expected.

A file can name other files of the machine, whose content would then pass as weights,
and declare arrays of any size in a few bytes.
"""

import contextlib
import pathlib

import h5py
import numpy as np

from glomo_keras.files import check_growth


@contextlib.contextmanager
def open_hdf5(path):
    """Open an HDF5 file for reading, once all that it holds is its own.

    Args:
        path: path of the file.

    Yields:
        `h5py.File`.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no HDF5 file, is damaged, or has links, external or virtual
            data; names the file.

    Example:

    >>> import tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "weights.h5"
    >>> with h5py.File(path, "w") as file:
    ...     file["link"] = h5py.ExternalLink("/etc/hostname", "/")
    >>> with open_hdf5(path) as file:
    ...     pass  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ValueError: .../weights.h5 must hold all of its arrays itself: '/link' is an
    ExternalLink. Give a file without links, external and virtual data.
    """
    path = pathlib.Path(path)
    if not path.exists():
        raise FileNotFoundError(f"There is no file {path}.")
    if not h5py.is_hdf5(path):
        raise ValueError(
            f"{path} must be an HDF5 file. Give the file that was published or saved."
        )
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise ValueError(
            f"{path} is damaged: {error}. Copy or download it again."
        ) from error
    with file:
        try:
            _check_objects(file, path)
        except (KeyError, OSError, RuntimeError) as error:
            raise ValueError(
                f"{path} is damaged: {error}. Copy or download it again."
            ) from error
        yield file


def read_array(file, name, shape):
    """Read an array whose shape is known before.

    Args:
        file: `h5py.File` that `open_hdf5` opened.
        name: string, its path in the file.
        shape: tuple of ints.

    Returns:
        NumPy array.

    Raises:
        KeyError: if there is no such array.
        ValueError: if it has another shape, is not of finite numbers, or cannot be
            read.
    """
    if name not in file or not isinstance(file[name], h5py.Dataset):
        raise KeyError(name)
    dataset = file[name]
    if dataset.shape != tuple(shape):
        raise ValueError(
            f"{file.filename} must have {name} of the shape {tuple(shape)}. Received "
            f"the shape {dataset.shape}. Give the files of one model."
        )
    if dataset.dtype.kind not in "fiu":
        raise ValueError(
            f"{file.filename} must have numbers in {name}. Received the dtype "
            f"{dataset.dtype}. Give the file that was published or saved."
        )
    try:
        array = dataset[()]
    except (OSError, RuntimeError) as error:
        raise ValueError(
            f"{file.filename} is damaged in {name}: {error}. Copy or download it again."
        ) from error
    with np.errstate(over="ignore"):
        is_finite = np.isfinite(array.astype("float32")).all()
    if not is_finite:
        raise ValueError(
            f"{file.filename} must have finite numbers in {name}. It has NaN or "
            "numbers too large for float32. Give the file that was published or saved."
        )
    return array


def array_shapes(file):
    """Return the shapes of all arrays of a file.

    Args:
        file: `h5py.File` that `open_hdf5` opened.

    Returns:
        Dict from names to tuples of ints.
    """
    return {name: item.shape or () for name, item in _objects(file) if _is_data(item)}


def _check_objects(file, path):
    for name, item in _objects(file):
        problem = None
        if isinstance(item, h5py.SoftLink | h5py.ExternalLink):
            problem = f"is {_article(type(item).__name__)}"
        elif _is_data(item) and item.external:
            problem = "has external data"
        elif _is_data(item) and item.is_virtual:
            problem = "has virtual data"
        if problem:
            raise ValueError(
                f"{path} must hold all of its arrays itself: {name!r} {problem}. Give "
                "a file without links, external and virtual data."
            )
        if _is_data(item):
            check_growth(f"{path}: {name!r}", item.nbytes, item.id.get_storage_size())


def _objects(file):
    """Paths and objects of a file, links in place of what they lead to."""
    seen, groups = set(), [file]
    while groups:
        group = groups.pop()
        address = h5py.h5o.get_info(group.id).addr
        if address in seen:  # groups may hold each other
            continue
        seen.add(address)
        for key in group:
            name = f"{group.name.rstrip('/')}/{key}"
            link = group.get(key, getlink=True)
            item = group[key] if isinstance(link, h5py.HardLink) else link
            if isinstance(item, h5py.Group):
                groups.append(item)
            else:
                yield name, item


def _is_data(item):
    return isinstance(item, h5py.Dataset)


def _article(noun):
    return f"{'an' if noun[0] in 'AEIOU' else 'a'} {noun}"
