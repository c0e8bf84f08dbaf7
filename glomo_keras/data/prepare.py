"""A corpus turned into arrays of unit ids on disk, for training without TensorFlow."""

import importlib.metadata
import numbers
import pathlib
import re
import tempfile
import time

import numpy as np

from glomo_keras.checks import check_positive_integers
from glomo_keras.data.corpora import read_documents
from glomo_keras.data.prepared import CLASSES_NAME
from glomo_keras.data.prepared import METADATA_FILE
from glomo_keras.data.prepared import SPLITS
from glomo_keras.data.prepared import VOCABULARY_FILE
from glomo_keras.data.prepared import VOCABULARY_NAME
from glomo_keras.data.prepared import check_unclaimed
from glomo_keras.data.prepared import find_preparation
from glomo_keras.data.prepared import load_prepared
from glomo_keras.data.prepared import named_files
from glomo_keras.data.prepared import own_files
from glomo_keras.data.provisional_ids import ProvisionalIds
from glomo_keras.data.vocabulary import Vocabulary
from glomo_keras.files import atomic_write
from glomo_keras.files import check_free_space
from glomo_keras.files import is_unfinished
from glomo_keras.files import write_json
from glomo_keras.locking import locked

_FORMAT = 1  # part of the settings: a change of the files' meaning prepares again
_ARRAYS = ("ids", "offsets")
_LARGE_FILES = tuple(f"_{kind}.npy" for kind in _ARRAYS)
_WRITTEN = re.compile(
    rf"(train|valid)_(ids|offsets)\.npy|{CLASSES_NAME.pattern}"
    rf"|{VOCABULARY_NAME.pattern}|{re.escape(METADATA_FILE)}"
)
_CHUNK_UNITS = 4_000_000  # that are translated to final ids at once


def prepare_corpus(
    spec,
    directory,
    vocabulary_size=20_000,
    lowercase=True,
    valid_fraction=0.02,
    valid_spec=None,
    limit=None,
    seed=0,
    log=print,
    max_document_units=None,
    min_valid_units=None,
):
    r"""Split a corpus into units, build its vocabulary and write arrays of ids.

    Text is read once, in batches of documents. The files are `train_ids.npy`,
    `train_offsets.npy`, `valid_ids.npy`, `valid_offsets.npy` (see `load_prepared`),
    `vocabulary.txt` and `metadata.json`, which is written last. The vocabulary is
    counted on the training documents alone. A directory that already holds the same
    corpus with the same settings is left as it is; any other preparation in it is
    replaced. The corpus is the same if the checksums of its sources are, see
    `Documents`. A second process that prepares in the same directory waits.

    Args:
        spec: string, see `read_documents`.
        directory: path, made if it is missing.
        vocabulary_size: int, ids at most, padding and unknown included.
        lowercase: bool, whether units are lowered before they are looked up.
        valid_fraction: float in [0, 1), share of the documents drawn for validation
            (at least one unless it is 0). Not used with `valid_spec`.
        valid_spec: string or `None`, a corpus of its own for validation.
        limit: int or `None`. Reading of `spec` stops after the document that reaches
            so many units.
        seed: int, of the draw of validation documents.
        log: function that takes lines of progress.
        max_document_units: int or `None`. Longer documents are cut into documents of
            about the same length, so that validation can be drawn from a single text.
        min_valid_units: int or `None`. Shorter documents, such as headings, are not
            drawn for validation, unless fewer than two are as long.

    Returns:
        Dict, the metadata: `settings`, `units`, `documents`, `coverage` (share of
        units that are in the vocabulary) by split, `vocabulary_size`,
        `skipped_lines`, `versions`, `seconds`.

    Raises:
        ValueError: if an argument is out of range, the corpus is empty or has no unit,
            or it has too few documents to draw from; or if `directory` holds a
            `metadata.json` or classes of units that are no preparation's.
        TypeError: if one is of another type.
        OSError: if a file cannot be read, or the disk is full: `metadata.json` is not
            there then, and nothing half-written.

    Example:

    >>> import pathlib, tempfile
    >>> from glomo_keras.data import load_prepared
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> text = "A first text.\n\nA second, longer text."
    >>> _ = (folder / "text.txt").write_text(text)
    >>> metadata = prepare_corpus(
    ...     f"files:{folder / 'text.txt'}", folder, valid_fraction=0.5, log=str
    ... )
    >>> metadata["documents"]
    {'train': 1, 'valid': 1}
    >>> len(load_prepared(folder).train_ids) == metadata["units"]["train"]
    True
    """
    if not isinstance(valid_fraction, numbers.Real):
        raise TypeError(
            f"`valid_fraction` must be a number. Received: {valid_fraction!r}."
        )
    if not 0 <= valid_fraction < 1:
        raise ValueError(
            f"`valid_fraction` must be in [0, 1). Received: {valid_fraction}."
        )
    check_positive_integers(vocabulary_size=vocabulary_size)
    check_positive_integers(
        or_none=True,
        limit=limit,
        max_document_units=max_document_units,
        min_valid_units=min_valid_units,
    )
    if vocabulary_size < 3:
        raise ValueError(
            "`vocabulary_size` must leave room for padding, unknown and one unit. "
            f"Received: {vocabulary_size}. Use 3 or more."
        )
    directory = pathlib.Path(directory)
    written = own_files(directory, _WRITTEN)  # which a pattern may match
    corpora = {"train": read_documents(spec, written)}
    if valid_spec is not None:
        corpora["valid"] = read_documents(valid_spec, written)
    settings = {
        "format": _FORMAT,
        "spec": spec,
        "valid_spec": valid_spec,
        "sources": {split: corpus.sources for split, corpus in corpora.items()},
        "vocabulary_size": int(vocabulary_size),
        "lowercase": bool(lowercase),
        "valid_fraction": None if valid_spec else float(valid_fraction),
        "limit": None if limit is None else int(limit),
        "seed": int(seed),
    }
    for name, value in (
        ("max_document_units", max_document_units),
        ("min_valid_units", min_valid_units),
    ):
        if value is not None:  # as it was before there was the setting
            settings[name] = int(value)
    directory.mkdir(parents=True, exist_ok=True)
    with locked(directory):
        finished = find_preparation(directory)
        if finished is None:
            _check_replaceable(directory)
        else:
            if finished["settings"] == settings and _is_whole(directory, log):
                log(f"{directory} already holds this corpus with these settings.")
                return finished
            log(f"{directory} holds another preparation, which is replaced.")
        _clear(directory)
        return _prepare(corpora, directory, settings, log)


def _check_replaceable(directory):
    """Raise if a preparation would replace what is not one's."""
    check_unclaimed(directory, CLASSES_NAME)
    arrays = [directory / f"{s}_{kind}.npy" for s in SPLITS for kind in _ARRAYS]
    if not all(path.exists() for path in arrays):  # after which it is written
        check_unclaimed(directory, VOCABULARY_NAME)


def _is_whole(directory, log):
    try:
        load_prepared(directory)
    except (FileNotFoundError, ValueError) as error:
        log(f"A file is missing or damaged: {error}")
        return False
    return True


def _clear(directory):
    """Remove what a killed preparation left, which may be large, and an old one."""
    for path in directory.iterdir():
        if is_unfinished(path) and path.name.endswith(_LARGE_FILES):
            path.unlink()
    for path in named_files(directory, CLASSES_NAME):
        path.unlink()
    # Last: without it nobody could tell that the classes were not the user's.
    (directory / METADATA_FILE).unlink(missing_ok=True)


def _prepare(corpora, directory, settings, log):
    started = time.monotonic()
    with tempfile.TemporaryFile(dir=directory) as file:
        stream = ProvisionalIds(file, log)
        stream.read(corpora["train"], settings["limit"])
        lengths = _cut(stream.document_lengths, settings)
        if "valid" in corpora:
            num_train = len(lengths)
            stream.read(corpora["valid"])
            lengths = _cut(stream.document_lengths, settings)
            is_valid = np.arange(len(lengths)) >= num_train
        else:
            is_valid = np.zeros(len(lengths), dtype=bool)
            is_valid[_draw(lengths, settings)] = True
        provisional_ids = stream.ids()
        is_valid_unit = np.repeat(is_valid, lengths)
        counts = _count(provisional_ids, is_valid_unit, len(stream.distinct))
        if not counts.any():
            raise ValueError(
                f"{settings['spec']!r} has no unit to train on. Received: "
                f"{len(lengths) - is_valid.sum():,} documents to train on and "
                f"{is_valid.sum():,} for validation. Give texts of words, or a smaller "
                "`valid_fraction`."
            )
        words = [unit.decode() for unit in stream.distinct]
        vocabulary = Vocabulary.from_counts(
            {
                word: int(count)
                for word, count in zip(words, counts, strict=True)
                if count
            },
            max_size=settings["vocabulary_size"],
            lowercase=settings["lowercase"],
        )
        dtype = np.uint16 if len(vocabulary) <= 2**16 else np.int32
        final_ids = vocabulary.lookup(words).numpy().astype(dtype)
        metadata = {
            "settings": settings,
            "vocabulary_size": len(vocabulary),
            "documents": {},
            "units": {},
            "coverage": {},
        }
        for split in SPLITS:
            is_chosen = is_valid == (split == "valid")
            ends = np.cumsum(lengths[is_chosen])
            offsets = np.concatenate([[0], ends]).astype(np.int64)
            with atomic_write(directory / f"{split}_offsets.npy") as temporary:
                np.save(temporary, offsets)
            num_known = _write_ids(
                directory / f"{split}_ids.npy",
                provisional_ids,
                np.repeat(is_chosen, lengths),
                final_ids,
            )
            metadata["documents"][split] = len(ends)
            metadata["units"][split] = int(offsets[-1])
            metadata["coverage"][split] = round(num_known / max(1, int(offsets[-1])), 6)
        # After the arrays: alone it may be the user's, see `_check_replaceable`.
        vocabulary.save(directory / VOCABULARY_FILE)
    metadata |= {
        "skipped_lines": {
            split: corpus.counts.skipped_lines for split, corpus in corpora.items()
        },
        "versions": {
            name: importlib.metadata.version(name)
            for name in ("keras", "tensorflow", "tensorflow-text", "numpy")
        },
        "seconds": round(time.monotonic() - started, 1),
    }
    write_json(directory / METADATA_FILE, metadata)
    for split, units in metadata["units"].items():
        log(
            f"{split}: {metadata['documents'][split]:,} documents, {units:,} units, "
            f"{metadata['coverage'][split]:.1%} of them in the vocabulary of "
            f"{len(vocabulary):,}"
        )
    return metadata


def _cut(lengths, settings):
    """Return the lengths of documents, of which the long ones are cut evenly."""
    most = settings.get("max_document_units")
    if most is None:
        return lengths
    pieces = np.maximum(1, -(-lengths // most))
    documents = np.repeat(np.arange(len(lengths)), pieces)
    ranks = np.arange(len(documents)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    share, rest = np.divmod(lengths, pieces)
    return share[documents] + (ranks < rest[documents])


def _draw(lengths, settings):
    """Return the places of the documents for validation."""
    valid_fraction = settings["valid_fraction"]
    if valid_fraction == 0:
        return []
    if len(lengths) < 2:
        raise ValueError(
            f"{settings['spec']!r} has a single document, of which no validation "
            "documents can be drawn. Separate documents by blank lines, give "
            "`valid_spec` or a smaller `max_document_units`, or set valid_fraction=0."
        )
    documents = np.flatnonzero(lengths >= settings.get("min_valid_units", 0))
    if len(documents) < 2:
        documents = np.arange(len(lengths))
    num_valid = max(1, round(valid_fraction * len(documents)))
    generator = np.random.default_rng(settings["seed"])
    return generator.permutation(documents)[: min(len(documents) - 1, num_valid)]


def _chunks(length):
    for start in range(0, length, _CHUNK_UNITS):
        yield slice(start, start + _CHUNK_UNITS)


def _count(provisional_ids, is_valid_unit, num_distinct):
    counts = np.zeros(num_distinct, np.int64)
    for chunk in _chunks(len(provisional_ids)):
        train_ids = provisional_ids[chunk][~is_valid_unit[chunk]]
        counts += np.bincount(train_ids, minlength=num_distinct)
    return counts


def _write_ids(path, provisional_ids, is_chosen, final_ids):
    """Write the final ids of the chosen units; return how many are known."""
    num_chosen, num_known = int(is_chosen.sum()), 0
    check_free_space(path.parent, num_chosen * final_ids.itemsize)
    with atomic_write(path) as temporary:
        # Written, not mapped: a map of a file on a full disk ends the process.
        with temporary.open("wb") as file:
            header = {
                "descr": np.lib.format.dtype_to_descr(final_ids.dtype),
                "fortran_order": False,
                "shape": (num_chosen,),
            }
            np.lib.format.write_array_header_1_0(file, header)
            for chunk in _chunks(len(provisional_ids)):
                part = final_ids[provisional_ids[chunk][is_chosen[chunk]]]
                file.write(part.tobytes())
                num_known += int((part != 1).sum())
    return num_known
