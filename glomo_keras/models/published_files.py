"""The two files of a published ELMo, in a folder or a ZIP archive."""

import contextlib
import pathlib
import shutil
import tempfile
import zipfile
import zlib

from glomo_keras.files import check_free_space
from glomo_keras.files import check_growth

_OTHER_PROGRAM = ("encoder.pkl", "token_embedder.pkl")


@contextlib.contextmanager
def find_published_files(path):
    """Find the options and the weights of a published ELMo.

    Args:
        path: path of a folder, or of a ZIP archive, as model repositories publish them.

    Yields:
        Tuple of two `pathlib.Path`, of an `options.json` and of the HDF5 file. Those of
        an archive are gone when the context is left.

    Raises:
        FileNotFoundError: if there is no such path.
        ValueError: if it is neither, or holds not one of each file.

    Example:

    >>> with find_published_files("missing.zip") as files:
    ...     pass
    Traceback (most recent call last):
    FileNotFoundError: [Errno 2] No such file or directory: 'missing.zip'
    """
    path = pathlib.Path(path)
    if path.is_dir():
        names = [file.name for file in path.iterdir()]
        yield tuple(path / name for name in _choose(path, names))
        return
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise ValueError(
            f"{path} must be a folder or a ZIP archive with an options.json and a file "
            "of weights (.hdf5). Received another file. The two files can be given "
            "apart: load_published_elmo(options_file, weights_file)."
        ) from error
    with archive, tempfile.TemporaryDirectory() as folder:
        yield tuple(
            _unpack(archive, name, pathlib.Path(folder))
            for name in _choose(path, archive.namelist())
        )


def _choose(path, names):
    """Return the names of options and weights."""
    # What a Mac puts beside the files of an archive.
    names = [n for n in names if not pathlib.PurePath(n).name.startswith("._")]
    if any(pathlib.PurePath(name).name in _OTHER_PROGRAM for name in names):
        raise ValueError(
            f"{path} holds a model of ELMoForManyLangs (a pickled PyTorch module with "
            "words beside characters), which is another network and is not supported. "
            "Give one of AllenNLP or bilm-tf: options.json and weights in HDF5."
        )
    found = []
    for kind, endings in (
        ("an options.json", ("options.json",)),
        ("weights (.hdf5)", (".hdf5", ".h5")),
    ):
        fitting = [name for name in names if name.endswith(endings)]
        exact = [name for name in fitting if pathlib.PurePath(name).name in endings]
        fitting = exact if len(exact) == 1 else fitting
        if len(fitting) != 1:
            raise ValueError(
                f"{path} must hold {kind}, one alone. Received: "
                f"{', '.join(sorted(fitting or names)[:8]) or 'no file'}. Or give the "
                "two files apart: load_published_elmo(options_file, weights_file)."
            )
        found += fitting
    return found


def _unpack(archive, name, folder):
    """Write a file of an archive under a name of ours; return the path."""
    entry = archive.getinfo(name)
    source = f"{archive.filename}, {name},"
    check_growth(source, entry.file_size, entry.compress_size)
    check_free_space(folder, entry.file_size)
    path = folder / ("options.json" if name.endswith(".json") else "weights.hdf5")
    try:
        with archive.open(entry) as packed, path.open("wb") as file:
            shutil.copyfileobj(packed, file)
    except (EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(
            f"{source} cannot be read: {error}. Download the archive again."
        ) from error
    return path
