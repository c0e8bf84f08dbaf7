"""A corpus that `prepare_corpus` has turned into arrays, read with NumPy only."""

import os
import pathlib
import re
import typing

import numpy as np

from glomo_keras.data.numpy_files import map_array
from glomo_keras.files import read_json
from glomo_keras.vocabulary_file import parse_vocabulary

METADATA_FILE = "metadata.json"
VOCABULARY_FILE = "vocabulary.txt"
CLASSES_FILE = "classes_{}.npy"
CLASSES_NAME = re.compile(CLASSES_FILE.format(r"\d+"))
VOCABULARY_NAME = re.compile(re.escape(VOCABULARY_FILE))
SPLITS = ("train", "valid")


class PreparedCorpus(typing.NamedTuple):
    """Arrays of a prepared corpus.

    Attributes:
        train_ids: int array `(num_units,)`, a read-only memory map.
        train_offsets: int64 array `(num_documents + 1,)`; document d is
            `train_ids[train_offsets[d]:train_offsets[d + 1]]`.
        valid_ids: the same for validation (may be empty).
        valid_offsets: likewise.
        units: list of strings by id; 0 is padding, 1 is unknown.
        metadata: dict, what `metadata.json` holds.
    """

    train_ids: np.ndarray
    train_offsets: np.ndarray
    valid_ids: np.ndarray
    valid_offsets: np.ndarray
    units: list
    metadata: dict


def load_prepared(directory):
    """Load what `prepare_corpus` wrote, without TensorFlow.

    Args:
        directory: path of the prepared corpus.

    Returns:
        `PreparedCorpus`, a named tuple.

    Raises:
        FileNotFoundError: if the directory holds no finished preparation.
        ValueError: if a file in it is damaged; names the file.
    """
    directory = pathlib.Path(directory)
    metadata = read_metadata(directory)
    if metadata is None or not _describes_text(metadata):
        raise FileNotFoundError(
            f"{directory} holds no finished preparation ({METADATA_FILE} is missing "
            "or damaged). Run `prepare_corpus` on it first."
        )
    units = read_units(directory, metadata)
    arrays = {}
    for split in SPLITS:
        ids_path = directory / f"{split}_ids.npy"
        ids = map_array(ids_path, np.integer, ("num_units",))
        offsets_path = directory / f"{split}_offsets.npy"
        offsets = map_array(offsets_path, np.integer, ("num_documents + 1",))
        if (
            not len(offsets)
            or offsets[0] != 0
            or offsets[-1] != len(ids)
            or (np.diff(offsets) < 0).any()
        ):
            raise ValueError(
                f"{offsets_path} must rise from 0 to the {len(ids):,} units of "
                f"{ids_path.name}. Received: {offsets[:3].tolist()}... Run "
                "`prepare_corpus` again."
            )
        arrays |= {f"{split}_ids": ids, f"{split}_offsets": offsets}
    return PreparedCorpus(**arrays, units=units, metadata=metadata)


def read_units(directory, metadata):
    """Return the units of a prepared corpus, by id.

    Raises:
        ValueError: if the file is damaged, or has others than the metadata say.
    """
    path = directory / VOCABULARY_FILE
    units, _ = parse_vocabulary(path.read_bytes(), path)
    if len(units) != metadata["vocabulary_size"]:
        raise ValueError(
            f"{path} must have {metadata['vocabulary_size']:,} units, as "
            f"{METADATA_FILE} says. It has {len(units):,}. Prepare the corpus again."
        )
    return units


def read_metadata(directory):
    """Return the metadata of arrays that are finished, or `None`.

    It is the dict in `metadata.json`, whose `settings` are a dict.
    """
    path = pathlib.Path(directory) / METADATA_FILE
    try:
        metadata = read_json(path)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    is_dict = isinstance(metadata, dict)
    return metadata if is_dict and isinstance(metadata.get("settings"), dict) else None


def find_preparation(directory):
    """Return the metadata of a preparation of texts, or `None` if none is finished.

    Raises:
        ValueError: if `metadata.json` is there, and is damaged or of something else: it
            is not to be replaced.
    """
    directory = pathlib.Path(directory)
    metadata = read_metadata(directory)
    if metadata is not None and "spec" in metadata["settings"]:
        return metadata
    if os.path.lexists(directory / METADATA_FILE):
        raise ValueError(
            "`directory` must be empty, or hold an earlier preparation, which is "
            f"replaced. Received: {directory}, whose {METADATA_FILE} is damaged, or "
            "that of something else. Give another folder, or remove this file if you "
            "do not need it."
        )
    return None


def named_files(directory, pattern):
    """Return the paths of the files whose whole name fits a pattern, in order."""
    return sorted(
        path
        for path in pathlib.Path(directory).iterdir()
        if pattern.fullmatch(path.name) and path.is_file()
    )


def own_files(directory, pattern):
    """Return the `named_files` of a preparation; none where there is no preparation."""
    directory = pathlib.Path(directory)
    if not directory.is_dir() or find_preparation(directory) is None:
        return []
    return named_files(directory, pattern)


def check_unclaimed(directory, pattern):
    """Raise if there are files that a preparation would replace, of which none is.

    Raises:
        ValueError: if there is one; names it.
    """
    found = named_files(directory, pattern)
    if found:
        raise ValueError(
            "`directory` must be empty, or hold an earlier preparation, which is "
            f"replaced. Received: {directory}, which holds no preparation, and a file "
            f"that one would replace: {found[0].name}. Give another folder, or remove "
            "this file if you do not need it."
        )


def _describes_text(metadata):
    return isinstance(metadata.get("vocabulary_size"), int) and all(
        isinstance(metadata.get(part), dict)
        for part in ("documents", "units", "coverage")
    )
