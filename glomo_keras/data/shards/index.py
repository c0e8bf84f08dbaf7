"""What a folder of shards holds: written last, read and checked first."""

import collections
import pathlib
import re
import typing

import numpy as np

from glomo_keras.data.classes import classes_of_counts
from glomo_keras.data.classes import kept_classes
from glomo_keras.data.numpy_files import open_arrays
from glomo_keras.data.prepared import CLASSES_NAME
from glomo_keras.data.prepared import METADATA_FILE
from glomo_keras.data.prepared import SPLITS
from glomo_keras.data.prepared import VOCABULARY_FILE
from glomo_keras.data.prepared import named_files
from glomo_keras.data.prepared import read_metadata
from glomo_keras.data.prepared import read_units
from glomo_keras.data.shards.steps import num_neighbours
from glomo_keras.files import atomic_write
from glomo_keras.files import write_json

FORMAT = "shards 1"  # a change of the files' meaning prepares again
NEIGHBOURS_FILE = "neighbours.npz"
_SHARD_SUFFIX = ".array_record"
_CHUNK_NAME = r"\d{5,}-\d{6,}"  # see `Chunk.name`
REPLACED_NAMES = re.compile(
    rf"(train|valid)-{_CHUNK_NAME}{re.escape(_SHARD_SUFFIX)}"
    rf"|rejected-{_CHUNK_NAME}\.jsonl|{CLASSES_NAME.pattern}"
    rf"|{re.escape(VOCABULARY_FILE)}|{re.escape(NEIGHBOURS_FILE)}"
)
WRITTEN_NAMES = re.compile(rf"{re.escape(METADATA_FILE)}|{REPLACED_NAMES.pattern}")


class Shard(typing.NamedTuple):
    """A file of windows.

    Attributes:
        path: `pathlib.Path`.
        source: string, the spec of what its documents come from.
        windows: list of ints, how many it has of each length, in this order.
    """

    path: pathlib.Path
    source: str
    windows: list


class ShardedCorpus(typing.NamedTuple):
    """A corpus that `prepare_shards` has prepared.

    Attributes:
        directory: `pathlib.Path`.
        train: list of `Shard`.
        valid: the same for validation.
        units: list of strings by id; 0 is padding, 1 is unknown.
        metadata: dict, what `metadata.json` holds.
    """

    directory: pathlib.Path
    train: list
    valid: list
    units: list
    metadata: dict


class CorpusCounts:
    """Counts of units and of what stands beside them, added up over chunks.

    Attributes:
        unit_counts: int64 array `(vocabulary_size,)`.
        beside: int64 array `(2, vocabulary_size, num_neighbours)`.
    """

    def __init__(self, vocabulary_size):
        self.unit_counts = np.zeros(vocabulary_size, np.int64)
        shape = (2, vocabulary_size, num_neighbours(vocabulary_size))
        self.beside = np.zeros(shape, np.int64)

    def add(self, written):
        """Add a `WrittenChunk`."""
        self.unit_counts += written.unit_counts
        self.beside.reshape(-1)[written.neighbours] += written.neighbour_counts

    def merge(self, other):
        """Add other `CorpusCounts`."""
        self.unit_counts += other.unit_counts
        self.beside += other.beside


def is_sharded(directory):
    """Return whether a folder holds shards that are finished."""
    metadata = read_metadata(directory)
    return metadata is not None and metadata["settings"].get("format") == FORMAT


def load_shards(directory):
    """Load what `prepare_shards` wrote: its description, without TensorFlow.

    Args:
        directory: path.

    Returns:
        `ShardedCorpus`, a named tuple.

    Raises:
        FileNotFoundError: if the directory holds no finished shards, or one has gone.
        ValueError: if a file in it is damaged; names the file.
    """
    directory = pathlib.Path(directory)
    if not is_sharded(directory):
        raise FileNotFoundError(
            f"{directory} holds no finished shards ({METADATA_FILE} is missing, "
            "damaged, or that of something else). Run `prepare_shards` on it first."
        )
    metadata = read_metadata(directory)
    units = read_units(directory, metadata)
    shards = {}
    for split in SPLITS:
        shards[split] = []
        for described in metadata["shards"][split]:
            path = directory / described["file"]
            num_bytes = path.stat().st_size
            if num_bytes != described["bytes"]:
                raise ValueError(
                    f"{path} is damaged: it must have {described['bytes']:,} bytes, "
                    f"and has {num_bytes:,}. Prepare the shards again."
                )
            shard = Shard(path, described["source"], described["windows"])
            shards[split].append(shard)
    return ShardedCorpus(directory, **shards, units=units, metadata=metadata)


def shard_classes(directory, num_classes=500, log=print):
    """Load the classes of the units of shards, which are made if missing.

    They are made of counts that lie beside the shards, in seconds.

    Args:
        directory: path of what `prepare_shards` wrote.
        num_classes: int, see `unit_classes`.
        log: function that takes lines of progress.

    Returns:
        Int32 array `(vocabulary_size,)`.

    Raises:
        FileNotFoundError: if the directory holds no finished shards.
        ValueError: if a file is damaged, or `num_classes` too small.
    """
    corpus = load_shards(directory)
    return kept_classes(
        directory,
        len(corpus.units),
        num_classes,
        lambda: classes_of_counts(*_read_counts(corpus), num_classes),
        log,
    )


def train_counts(corpus):
    """Return how often every unit is in the documents to train on: int64 array."""
    return _read_counts(corpus)[0]


def write_index(directory, described, summaries, counts, lengths, num_classes):
    """Write what is of the whole corpus, `metadata.json` last.

    Args:
        directory: path, with the shards and the vocabulary.
        described: dict, the settings, with `sources`: a dict for each.
        summaries: list of dicts, of every `WrittenChunk`.
        counts: `CorpusCounts`.
        lengths: list of ints, that windows are padded to.
        num_classes: int or None, classes of units to be made.

    """
    directory = pathlib.Path(directory)
    summaries = sorted(summaries, key=lambda summary: summary["name"])
    vocabulary_size = len(counts.unit_counts)
    flat = counts.beside.reshape(-1)
    places = np.flatnonzero(flat)
    with atomic_write(directory / NEIGHBOURS_FILE) as temporary:
        np.savez(
            temporary, units=counts.unit_counts, places=places, counts=flat[places]
        )
    if num_classes is not None:
        kept_classes(
            directory,
            vocabulary_size,
            num_classes,
            lambda: classes_of_counts(counts.unit_counts, counts.beside, num_classes),
            log=lambda line: None,
        )
    metadata = {
        "settings": described,
        "vocabulary_size": vocabulary_size,
        "lengths": lengths,
        "rejected_documents": sum(summary["rejected"] for summary in summaries),
    }
    reasons = collections.Counter()
    for summary in summaries:
        reasons.update(summary.get("reasons", {}))  # chunks of older code have none
    metadata["rejected_reasons"] = dict(reasons)
    for name in ("documents", "units", "short"):
        metadata[name] = {
            split: sum(summary[split][name] for summary in summaries)
            for split in SPLITS
        }
    metadata["short_documents"] = metadata.pop("short")
    metadata["coverage"], metadata["windows"], metadata["shards"] = {}, {}, {}
    for split in SPLITS:
        known = sum(summary[split]["known"] for summary in summaries)
        units = max(1, metadata["units"][split])
        metadata["coverage"][split] = round(known / units, 6)
        windows = np.array([summary[split]["windows"] for summary in summaries])
        metadata["windows"][split] = windows.sum(axis=0).tolist()
        metadata["shards"][split] = [
            {
                "file": f"{split}-{summary['name']}{_SHARD_SUFFIX}",
                "source": described["sources"][summary["source"]]["spec"],
                "windows": summary[split]["windows"],
                "bytes": summary[split]["bytes"],
            }
            for summary in summaries
            if summary[split]["bytes"]
        ]
    write_json(directory / METADATA_FILE, metadata)


def clear_shards(directory):
    """Remove shards and what belongs to them, the description first."""
    directory = pathlib.Path(directory)
    (directory / METADATA_FILE).unlink(missing_ok=True)
    for path in named_files(directory, REPLACED_NAMES):
        path.unlink()


def _read_counts(corpus):
    vocabulary_size = len(corpus.units)
    beside = CorpusCounts(vocabulary_size).beside
    path = corpus.directory / NEIGHBOURS_FILE
    with open_arrays(path) as arrays:
        units = arrays.read("units", np.integer, (vocabulary_size,))
        places = arrays.read("places", np.integer, ("num_places",))
        counts = arrays.read("counts", np.integer, (len(places),))
    if len(places) and not 0 <= places.min() <= places.max() < beside.size:
        raise ValueError(
            f"{path} is damaged: it has places from {places.min()} to {places.max()}. "
            "Prepare the shards again."
        )
    beside.reshape(-1)[places] = counts
    return units, beside
