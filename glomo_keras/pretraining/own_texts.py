"""Texts of a user's own, of any length and form, as arrays and windows to train on."""

import warnings

import numpy as np

from glomo_keras.data.prepared import VOCABULARY_FILE
from glomo_keras.data.prepared import load_prepared
from glomo_keras.data.prepared import read_metadata
from glomo_keras.data.text_files import describe_source
from glomo_keras.data.text_files import find_files
from glomo_keras.data.windows import WindowSequence
from glomo_keras.data.windows import fixed_windows

LEAST_UNITS = 1_000
_BEGINNING = 1_000_000  # characters, in which there are more units
_VALID_FRACTION = 0.05  # less of a small text would be a few windows
_MAX_DOCUMENT_UNITS = 500  # so that a single long text has some for validation
_MIN_UNITS = 20  # of shorter documents a window would be mostly padding
_FEWEST_UNITS = 2  # of which one can be predicted
_VALID_WINDOWS = 64


def find_texts(patterns):
    """Return the absolute paths of texts, as strings.

    Args:
        patterns: list of paths or patterns.

    Raises:
        FileNotFoundError: if one matches no file, or a folder.
        ValueError: if one holds a double quote.
    """
    for pattern in patterns:
        if '"' in str(pattern):
            raise ValueError(
                f"Names of texts must be without double quotes. Received: {pattern}. "
                "Rename the file."
            )
    # In quotes: a path may hold spaces and commas.
    paths = [path for pattern in patterns for path in find_files(f'"{pattern}"')]
    return [str(path.absolute()) for path in dict.fromkeys(paths)]


def describe_texts(paths):
    """Return what identifies texts, wherever they lie: a list of dicts for JSON.

    Raises:
        ValueError: if one is empty.
    """
    sources = [describe_source(f'"{path}"') for path in paths]
    for path, source in zip(paths, sources, strict=True):
        if not source["bytes"]:
            raise ValueError(f"{path} is empty. Leave it out.")
    return sources


def prepare_texts(paths, directory, vocabulary_size, lowercase, log):
    """Write the arrays of texts, unless they are there.

    Args:
        paths: list of absolute paths.
        directory: path of the arrays.
        vocabulary_size: int, at most.
        lowercase: bool.
        log: function that takes lines of progress.

    Raises:
        ValueError: if a text is no text, or there is too little of it.
        OSError: if a file cannot be read or written.
    """
    from glomo_keras.data.prepare import prepare_corpus  # TensorFlow

    spec = "files:" + " ".join(f'"{path}"' for path in paths)
    with warnings.catch_warnings():
        skipped = {"message": ".*: skipped ", "category": UserWarning}
        warnings.filterwarnings("ignore", **skipped)
        _check_enough(spec)
        warnings.filterwarnings("always", **skipped)
        warnings.showwarning = lambda message, *rest, **more: log(str(message))
        prepare_corpus(
            spec,
            directory,
            vocabulary_size,
            lowercase,
            _VALID_FRACTION,
            log=lambda line: log(line.removeprefix(f"{spec}: ")),
            max_document_units=_MAX_DOCUMENT_UNITS,
            min_valid_units=_MIN_UNITS,
        )


def are_prepared(directory, sources, vocabulary_size, lowercase):
    """Return whether there are arrays of texts, as `prepare_texts` makes them.

    Args:
        directory: path of the arrays.
        sources: list of dicts, of `describe_texts`.
        vocabulary_size: int.
        lowercase: bool.
    """
    metadata = read_metadata(directory)
    wanted = sources, vocabulary_size, lowercase
    try:
        load_prepared(directory)
        made_by = metadata["settings"]
        found = made_by["sources"]["train"], made_by["vocabulary_size"]
        return (*found, made_by["lowercase"]) == wanted
    except (FileNotFoundError, KeyError, TypeError, ValueError):
        return False


class OwnTexts:
    """Arrays of texts, and their windows.

    Attributes:
        corpus: `PreparedCorpus`.
        vocabulary: path of the file of the vocabulary.
        windows: `WindowSequence`, to train on.
        valid: int array `(num_windows, window)`, to measure on.
    """

    def __init__(self, settings):
        self.corpus = corpus = load_prepared(settings.prepared)
        self.vocabulary = settings.prepared / VOCABULARY_FILE
        min_units = _shortest_document(corpus)
        self.windows = WindowSequence(
            corpus.train_ids,
            corpus.train_offsets,
            settings.batch_size,
            window=settings.window,
            shift=settings.shift,
            min_units=min_units,
            seed=settings.seed,
        )
        self.valid = fixed_windows(
            corpus.valid_ids,
            corpus.valid_offsets,
            _VALID_WINDOWS,
            window=settings.window,
            min_units=min_units,
        )


def _check_enough(spec):
    """Raise ValueError where there is hardly a text, once as much of it is read."""
    from glomo_keras.data.corpora import read_documents
    from glomo_keras.data.units import split_units

    beginnings, characters = [], 0
    for document in read_documents(spec):
        beginnings.append(document[:_BEGINNING])
        characters += len(document)
        if characters >= _BEGINNING:
            break
    num_units = len(split_units(beginnings).units.flat_values)
    if num_units >= LEAST_UNITS:
        return
    raise ValueError(
        f"The texts have {num_units:,} units, words and marks, which is too little to "
        f"learn from. Give {LEAST_UNITS:,} or more."
    )


def _shortest_document(corpus):
    """Return from how many units on documents are read.

    Short ones, such as headings, are left out, unless the texts consist of them.
    """
    lengths = np.diff(corpus.train_offsets), np.diff(corpus.valid_offsets)
    for least in (_MIN_UNITS, _FEWEST_UNITS):
        shares = [part[part >= least].sum() / max(1, part.sum()) for part in lengths]
        if min(shares) >= 0.5:
            return least
    raise ValueError(
        "Most documents of the texts have a single unit, of which nothing can be "
        "predicted. A blank line ends a document: leave such lines out."
    )
