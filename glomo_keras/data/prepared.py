"""A corpus that `prepare_corpus` has turned into arrays, read with NumPy only."""

import pathlib
import typing

import numpy as np

from glomo_keras.data.numpy_files import map_array
from glomo_keras.files import read_json
from glomo_keras.vocabulary_file import parse_vocabulary

METADATA_FILE = "metadata.json"
VOCABULARY_FILE = "vocabulary.txt"
CLASSES_FILE = "classes_{}.npy"
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


def _describes_text(metadata):
    return isinstance(metadata.get("vocabulary_size"), int) and all(
        isinstance(metadata.get(part), dict)
        for part in ("documents", "units", "coverage")
    )
