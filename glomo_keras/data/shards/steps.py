"""The steps of a preparation, each of one chunk: what runs it does not matter."""

import collections
import dataclasses
import errno
import functools
import hashlib
import itertools
import json
import pathlib

import numpy as np

from glomo_keras.data.classes import NUM_NEIGHBOURS
from glomo_keras.data.classes import neighbour_keys
from glomo_keras.data.prepared import VOCABULARY_FILE
from glomo_keras.data.shards.records import encode_records
from glomo_keras.files import atomic_write
from glomo_keras.files import write_text
from glomo_keras.vocabulary_file import parse_vocabulary

_BATCH_CHARACTERS = 1_000_000  # that are split at once
_NUM_NAMED = 3  # documents that an error names
_ARRAYS = ("ids", "lengths", "numbers", "is_valid", "window_lengths")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ShardSettings:
    """What decides the content of shards, beside the texts; see `prepare_shards`."""

    vocabulary_size: int
    lowercase: bool
    valid_fraction: float
    seed: int
    window: int
    shift: int
    min_units: int
    max_padding: float
    chunk_characters: int


@dataclasses.dataclass(frozen=True)
class SplitChunk:
    """The units of a chunk.

    Attributes:
        name: string, see `Chunk`.
        source: int, number of the source.
        units: list of bytes, different ones, as they are looked up.
        counts: list of ints, how often each is in documents to train on.
        ids: int32 array `(num_units,)`, places in `units`, of all documents.
        lengths: int64 array `(num_documents,)`, units of every document.
        numbers: int64 array `(num_documents,)`, of the documents in the source.
        is_valid: bool array `(num_documents,)`, whether one is for validation.
        window_lengths: int64 array `(window + 1,)`, how many windows have each length.
        rejected: list of dicts, see `Chunk`.
    """

    name: str
    source: int
    units: list
    counts: list
    ids: np.ndarray
    lengths: np.ndarray
    numbers: np.ndarray
    is_valid: np.ndarray
    window_lengths: np.ndarray
    rejected: list

    def save(self, path):
        """Write a file, whole or not at all."""
        # Units hold no line ends.
        texts = {"units": b"\n".join(self.units), "rejected": _dump(self.rejected)}
        arrays = {name: np.frombuffer(text, np.uint8) for name, text in texts.items()}
        arrays["source"] = np.int64(self.source)
        arrays["counts"] = np.array(self.counts, np.int64)
        for name in _ARRAYS:
            arrays[name] = getattr(self, name)
        with atomic_write(path) as temporary:
            np.savez(temporary, **arrays)

    @classmethod
    def load(cls, path):
        """Read the file of `save`, named after the chunk."""
        with np.load(path, allow_pickle=False) as arrays:
            texts = {name: arrays[name].tobytes() for name in ("units", "rejected")}
            return cls(
                name=pathlib.Path(path).stem,
                source=int(arrays["source"]),
                units=texts["units"].split(b"\n") if texts["units"] else [],
                counts=arrays["counts"].tolist(),
                rejected=json.loads(texts["rejected"]),
                **{name: arrays[name] for name in _ARRAYS},
            )


@dataclasses.dataclass(frozen=True)
class WrittenChunk:
    """What was written of a chunk, and what its units add to counts of the corpus.

    Attributes:
        summary: dict for JSON: `name`, `source`, `rejected`, `reasons` (the number
            rejected by reason), and of each split `documents`, `units`, `known`,
            `short`, `windows` (by length) and `bytes`.
        unit_counts: int64 array `(vocabulary_size,)`, of the documents to train on.
        neighbours, neighbour_counts: int64 arrays, places in a flat array
            `(2, vocabulary_size, num_neighbours)` of what stands beside units, in
            rising order, and the numbers there.
    """

    summary: dict
    unit_counts: np.ndarray
    neighbours: np.ndarray
    neighbour_counts: np.ndarray

    def save(self, path):
        """Write a file, whole or not at all."""
        with atomic_write(path) as temporary:
            np.savez(
                temporary,
                summary=np.frombuffer(_dump(self.summary), np.uint8),
                unit_counts=self.unit_counts,
                neighbours=self.neighbours,
                neighbour_counts=self.neighbour_counts,
            )

    @classmethod
    def load(cls, path):
        """Read the file of `save`."""
        with np.load(path, allow_pickle=False) as arrays:
            summary = json.loads(arrays["summary"].tobytes())
            names = ("unit_counts", "neighbours", "neighbour_counts")
            return cls(summary, *(arrays[name] for name in names))


def split_chunk(chunk, settings):
    """Return the `SplitChunk` of a `Chunk`."""
    from glomo_keras.data.units import split_units  # TensorFlow

    places, ids, lengths = {}, [], []  # place of every different unit
    for batch in _batches(chunk.documents):
        units = split_units([text for _, text in batch]).units
        lengths.append(units.row_lengths().numpy())
        ids.append(_number_units(units.flat_values, places, settings.lowercase))
    splits = {"train": itertools.repeat(False), "valid": itertools.repeat(True)}
    drawn = (_is_drawn(text, settings) for _, text in chunk.documents)
    is_valid = splits.get(chunk.source.split, drawn)
    numbers = [number for number, _ in chunk.documents]
    lengths = _joined(lengths, np.int64)
    is_valid = np.fromiter(itertools.islice(is_valid, len(numbers)), bool)
    ids = _joined(ids, np.int32)
    train_ids = ids[np.repeat(~is_valid, lengths)]
    return SplitChunk(
        name=chunk.name,
        source=chunk.source.number,
        units=list(places),
        counts=np.bincount(train_ids, minlength=len(places)).tolist(),
        ids=ids,
        lengths=lengths,
        numbers=np.array(numbers, np.int64),
        is_valid=is_valid,
        window_lengths=sum(
            np.bincount(limits - starts, minlength=settings.window + 1)
            for _, (_, starts, limits) in _windows(lengths, is_valid, settings)
        ),
        rejected=chunk.rejected,
    )


def shard_path(folder, part, name):
    """Return the path of the windows of a chunk, of `"train"` or `"valid"`."""
    return pathlib.Path(folder) / f"{part}-{name}.array_record"


def has_shards(summary, folder):
    """Return whether a folder still has the shards of a `WrittenChunk.summary`."""
    for part in ("train", "valid"):
        path = shard_path(folder, part, summary["name"])
        num_bytes = summary[part]["bytes"]
        if num_bytes and not (path.is_file() and path.stat().st_size == num_bytes):
            return False
    return True


def write_chunk(split, vocabulary, padded_lengths, settings, folder):
    """Write the windows of a `SplitChunk` as shards.

    Args:
        split: `SplitChunk`.
        vocabulary: bytes, the content of its file.
        padded_lengths: list of ints, see `choose_lengths`.
        settings: `ShardSettings`.
        folder: path.

    Returns:
        `WrittenChunk`.

    Raises:
        OSError: if a file cannot be written; of a shard, nothing is left.
    """
    places = _vocabulary_places(vocabulary)
    vocabulary_size = len(places) + 2
    final = np.array([places.get(unit, 1) for unit in split.units], np.int32)
    ids = final[split.ids] if len(final) else split.ids
    summary = {"name": split.name, "source": split.source}
    summary["rejected"] = len(split.rejected)
    reasons = (document["reason"] for document in split.rejected)
    summary["reasons"] = dict(collections.Counter(reasons))
    if split.rejected:
        lines = "".join(f"{json.dumps(document)}\n" for document in split.rejected)
        write_text(pathlib.Path(folder) / f"rejected-{split.name}.jsonl", lines)
    parts = _windows(split.lengths, split.is_valid, settings)
    for part, (documents, starts, limits) in parts:
        is_chosen = split.is_valid == (part == "valid")
        part_ids = ids[np.repeat(is_chosen, split.lengths)]
        lengths = split.lengths[is_chosen]
        buckets = np.searchsorted(padded_lengths, limits - starts)
        order = np.argsort(buckets, kind="stable")
        path = shard_path(folder, part, split.name)
        num_bytes = 0
        if len(order):
            records = encode_records(
                part_ids.astype(id_dtype(vocabulary_size)),
                split.numbers[is_chosen][documents[order]],
                starts[order],
                limits[order],
            )
            num_bytes = _write_records(path, records)
        summary[part] = {
            "documents": len(lengths),
            "units": len(part_ids),
            "known": int((part_ids != 1).sum()),
            "short": int((lengths < settings.min_units).sum()),
            "windows": np.bincount(buckets, minlength=len(padded_lengths)).tolist(),
            "bytes": num_bytes,
        }
        if part == "train":
            counts = np.bincount(part_ids, minlength=vocabulary_size)
            before, after = neighbour_keys(part_ids, num_neighbours(vocabulary_size))
            after += vocabulary_size * num_neighbours(vocabulary_size)
            keys = np.concatenate([before, after])
            neighbours = np.unique(keys, return_counts=True)
    return WrittenChunk(summary, counts, *neighbours)


def name_rejected(split):
    """Return strings that name the first documents of a `SplitChunk` set aside."""
    return [
        f"document {document['document']} of {document['source']} "
        f"({document['reason']})"
        for document in split.rejected[: _NUM_NAMED + 1]
    ]


def write_vocabulary(units, settings, directory, rejected=()):
    """Write vocabulary.txt; return its content.

    Args:
        units: list of bytes, the most frequent first.
        settings: `ShardSettings`.
        directory: path.
        rejected: iterable of strings of `name_rejected`, of all chunks.

    Raises:
        ValueError: if there is no unit.
    """
    from glomo_keras.data.vocabulary import Vocabulary  # TensorFlow

    if not units:
        rejected = sorted(rejected)
        named = ", ".join(rejected[:_NUM_NAMED])
        if len(rejected) > _NUM_NAMED:
            named += " and more"
        aside = f" Set aside, counted from 0: {named}." if named else ""
        smaller = ", or a smaller `valid_fraction`" if settings.valid_fraction else ""
        raise ValueError(
            f"The corpus has no document to train on that has units.{aside} Give UTF-8 "
            f"text with blank lines between documents{smaller}. Received: "
            f"valid_fraction={settings.valid_fraction}."
        )
    vocabulary = Vocabulary([unit.decode() for unit in units], settings.lowercase)
    vocabulary.save(pathlib.Path(directory) / VOCABULARY_FILE)
    return vocabulary.file_content()


def place_windows(document_lengths, window, shift, min_units):
    """Place windows on documents that lie one after another in a flat array.

    They start every `shift` units, but for the last one of a document, which ends with
    it: only documents that are shorter than a window have one that is not full.

    Args:
        document_lengths: int array `(num_documents,)`.
        window, shift: ints, units of a window and from one to the next.
        min_units: int, shorter documents have no windows.

    Returns:
        Tuple of int64 arrays `(num_windows,)`: document, first place, place after the
        last.

    Example:

    >>> documents, starts, limits = place_windows(np.array([2, 9, 3]), 4, 3, 3)
    >>> documents.tolist(), starts.tolist(), limits.tolist()
    ([1, 1, 1, 2], [2, 5, 7, 11], [6, 9, 11, 14])
    """
    lengths = np.asarray(document_lengths, np.int64)
    begins = np.cumsum(lengths) - lengths
    rests = np.maximum(lengths - window, 0)
    num_windows = np.where(lengths >= min_units, 1 - (-rests // shift), 0)
    documents = np.repeat(np.arange(len(lengths)), num_windows)
    ranks = np.arange(len(documents)) - np.repeat(
        np.cumsum(num_windows) - num_windows, num_windows
    )
    starts = begins[documents] + np.minimum(ranks * shift, rests[documents])
    limits = np.minimum(starts + window, (begins + lengths)[documents])
    return documents, starts, limits


def choose_lengths(window_lengths, max_padding):
    """Choose the fewest lengths that windows are padded to for little padding.

    Args:
        window_lengths: int array `(window + 1,)`, how many windows have each length.
        max_padding: float in [0, 1), share of padding in all padded windows.

    Returns:
        List of ints, in rising order; the last is that of the longest windows.

    Example:

    >>> choose_lengths(np.array([0, 0, 5, 1, 0, 0, 90]), max_padding=0.1)
    [6]
    >>> choose_lengths(np.array([0, 0, 5, 1, 0, 0, 9]), max_padding=0.1)
    [2, 6]
    """
    counts = np.asarray(window_lengths, np.int64)
    places = np.arange(len(counts))
    longest = int(places[counts > 0].max(initial=1))
    below = np.cumsum(counts)
    # cost[i, j]: units of the windows that are longer than i, padded to j.
    cost = (below[None, :] - below[:, None]) * places[None, :]
    is_shorter = places[:, None] < places[None, :]
    cost = np.where(is_shorter, cost, np.inf)
    allowed = (counts * places).sum() / (1 - max_padding)
    best, before = cost[0], []
    while best[longest] > allowed:
        totals = best[:, None] + cost
        before.append(totals.argmin(axis=0))
        best = totals.min(axis=0)
    lengths = [longest]
    for chosen in reversed(before):
        lengths.append(int(chosen[lengths[-1]]))
    return lengths[::-1]


def num_neighbours(vocabulary_size):
    """Return how many units are counted as neighbours."""
    return min(NUM_NEIGHBOURS, vocabulary_size)


def id_dtype(vocabulary_size):
    """Return the type of ids in records: little-endian, of 2 bytes or 4."""
    return np.dtype("<u2" if vocabulary_size <= 2**16 else "<i4")


def _windows(lengths, is_valid, settings):
    """Return the windows of both splits, see `place_windows`, each with its name."""
    parts = []
    for part, shift in (("train", settings.shift), ("valid", settings.window)):
        chosen = lengths[is_valid == (part == "valid")]
        windows = place_windows(chosen, settings.window, shift, settings.min_units)
        parts.append((part, windows))
    return parts


def _batches(documents):
    batch, characters = [], 0
    for document in documents:
        batch.append(document)
        characters += len(document[1])
        if characters >= _BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


def _number_units(units, places, lowercase):
    """Return the place of every unit, and give a place to those that have none."""
    import tensorflow as tf

    from glomo_keras.data.lower_case import lower

    units, ids = tf.unique(units)
    if lowercase:
        units = lower(units)
    numbers = np.fromiter(
        (places.setdefault(unit, len(places)) for unit in units.numpy()), np.int32
    )
    return numbers[ids.numpy()] if len(numbers) else np.zeros(0, np.int32)


def _is_drawn(text, settings):
    """Whether a document is for validation: by its content, so that copies are too."""
    key = settings.seed.to_bytes(8, "little", signed=True)
    digest = hashlib.blake2b(text.encode(), digest_size=8, key=key).digest()
    return int.from_bytes(digest, "little") < settings.valid_fraction * 2**64


def _joined(arrays, dtype):
    return np.concatenate([np.zeros(0, dtype), *arrays]).astype(dtype, copy=False)


def _dump(value):
    return json.dumps(value).encode()


@functools.lru_cache(maxsize=1)
def _vocabulary_places(content):
    units, _ = parse_vocabulary(content, "vocabulary.txt")
    return {unit.encode(): place for place, unit in enumerate(units[2:], start=2)}


def _write_records(path, records):
    from array_record.python.array_record_module import ArrayRecordWriter

    with atomic_write(path) as temporary:
        # Every record is found by itself. Ids hardly get smaller by compression.
        try:
            writer = ArrayRecordWriter(str(temporary), "group_size:1,uncompressed")
            for record in records:
                writer.write(record)
            writer.close()
        except RuntimeError as error:  # so it says what the system says
            is_full = "No space left" in str(error)
            number = errno.ENOSPC if is_full else errno.EIO
            raise OSError(number, str(error), str(path)) from error
    return path.stat().st_size
