"""Reads a corpus that `prepare_corpus` has turned into arrays: NumPy only."""

import json
import pathlib
import typing

import numpy as np

from glomo_keras.vocabulary_file import parse_vocabulary

METADATA_FILE = "metadata.json"
VOCABULARY_FILE = "vocabulary.txt"


class PreparedCorpus(typing.NamedTuple):
    """Arrays of a prepared corpus.

    Attributes:
        train_ids: int array `(num_units,)`, a read-only memory map.
        train_offsets: int64 array `(num_documents + 1,)`; document d is
            `train_ids[train_offsets[d]:train_offsets[d + 1]]`.
        valid_ids, valid_offsets: the same for validation (may be empty).
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
    """Loads what `prepare_corpus` wrote, without TensorFlow.

    Args:
        directory: path of the prepared corpus.

    Returns:
        `PreparedCorpus`, a named tuple.

    Raises:
        FileNotFoundError: if the directory holds no finished preparation.
    """
    directory = pathlib.Path(directory)
    metadata = read_metadata(directory)
    if metadata is None:
        raise FileNotFoundError(
            f"{directory} holds no finished preparation ({METADATA_FILE} is missing "
            "or damaged). Run `prepare_corpus` on it first."
        )
    path = directory / VOCABULARY_FILE
    units, _ = parse_vocabulary(path.read_bytes(), path)
    arrays = {
        f"{split}_{part}": np.load(directory / f"{split}_{part}.npy", mmap_mode="r")
        for split in ("train", "valid")
        for part in ("ids", "offsets")
    }
    return PreparedCorpus(**arrays, units=units, metadata=metadata)


def read_metadata(directory):
    """Metadata of a finished preparation, or None."""
    try:
        text = (pathlib.Path(directory) / METADATA_FILE).read_text("utf-8")
        return json.loads(text)
    except (FileNotFoundError, ValueError):
        return None
