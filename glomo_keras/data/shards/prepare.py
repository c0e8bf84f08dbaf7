"""A corpus turned into shards, by this process and others, or by Apache Beam."""

import dataclasses
import numbers
import pathlib
import shutil

from glomo_keras.checks import check_positive_integers
from glomo_keras.data.prepared import METADATA_FILE
from glomo_keras.data.prepared import check_unclaimed
from glomo_keras.data.prepared import find_preparation
from glomo_keras.data.prepared import own_files
from glomo_keras.data.prepared import read_metadata
from glomo_keras.data.shards.chunks import find_sources
from glomo_keras.data.shards.index import FORMAT
from glomo_keras.data.shards.index import REPLACED_NAMES
from glomo_keras.data.shards.index import WRITTEN_NAMES
from glomo_keras.data.shards.index import clear_shards
from glomo_keras.data.shards.index import load_shards
from glomo_keras.data.shards.processes import STAGES
from glomo_keras.data.shards.processes import WORK
from glomo_keras.data.shards.processes import run_processes
from glomo_keras.data.shards.steps import ShardSettings
from glomo_keras.files import is_unfinished
from glomo_keras.files import read_json
from glomo_keras.files import remove_unfinished
from glomo_keras.files import write_json
from glomo_keras.locking import locked


def prepare_shards(
    spec,
    directory,
    vocabulary_size=30_000,
    lowercase=True,
    valid_fraction=0.02,
    valid_spec=None,
    window=64,
    shift=None,
    min_units=20,
    max_padding=0.1,
    num_classes=500,
    seed=0,
    chunk_characters=8_000_000,
    workers=1,
    beam_options=None,
    log=print,
):
    r"""Split a corpus into windows of unit ids, in files that training reads.

    Text is read once, in chunks of documents; memory does not grow with the corpus.
    A chunk is split into units, which are counted; once the vocabulary is known, its
    windows are written, as records of ArrayRecord, sorted by length, so that batches
    hardly have padding. How often frequent units stand beside others is counted on
    the way, for classes of units. The files are the same, byte for byte, for any
    number of `workers` and with Beam:

        train-SSSSS-CCCCCC.array_record   of chunk C of source S
        valid-SSSSS-CCCCCC.array_record   its documents for validation
        rejected-SSSSS-CCCCCC.jsonl       documents that cannot be read, if there are
        vocabulary.txt                    by frequency in the documents to train on
        neighbours.npz, classes_500.npy   what classes are made of, and they
        metadata.json                     the index, written last

    A directory that already holds the same corpus with the same settings is left as it
    is, and where a preparation was killed it goes on after its last chunk (with Beam:
    begins anew). A second process that prepares in the same directory waits.

    Documents are drawn for validation by their content, so that copies of one are not
    on both sides. Those that are not UTF-8, hold NUL bytes or have over 20,000,000
    characters are counted and set aside: a blank line ends a document. Examples of
    tensorflow-datasets that are not UTF-8 are skipped with a warning.

    Args:
        spec: string, see `read_documents`. Each of several files is a source.
        directory: path, made if it is missing. With workers of Beam on other machines
            they must see it.
        vocabulary_size: int, ids at most, padding and unknown included.
        lowercase: bool, whether units are lowered before they are looked up.
        valid_fraction: float in [0, 1), share of the documents that is drawn for
            validation. Not used with `valid_spec`.
        valid_spec: string or `None`, a corpus of its own for validation.
        window: int, units of a window.
        shift: int or `None`, units from one window to the next in documents to train
            on: at most `window`. `None` is half a window.
        min_units: int, shorter documents have no windows.
        max_padding: float in [0, 1), share of padding in batches. Short documents are
            padded to one of as few lengths as it takes: each is compiled for.
        num_classes: int or `None`, classes of units that are made at once; see
            `shard_classes`.
        seed: int, of the draw of validation documents.
        chunk_characters: int, of the documents of a chunk, about.
        workers: int, processes; 1 is this process alone.
        beam_options: list of strings or `None`. With a list, the steps are a pipeline
            of Apache Beam, which takes these options: `["--runner=FlinkRunner"]`.
        log: function that takes lines of progress.

    Returns:
        Dict, the metadata: `settings`, `documents`, `units`, `short_documents`,
        `windows` (by padded length), `coverage` and `shards` by split,
        `vocabulary_size`, `lengths`, `rejected_documents`, and `rejected_reasons`,
        their number by reason.

    Raises:
        ValueError: if an argument is out of range, or no document is left to train on;
            or if `directory` holds a `metadata.json`, a folder `work` or shards that
            are no preparation's.
        TypeError: if one is of another type.
        ImportError: if array_record is not installed, or Beam and it is asked for.
        OSError: if a file has gone or is damaged, or the disk is full.

    Example:

    >>> import tempfile
    >>> from glomo_keras.data import load_shards
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> text = "A first text of a few words.\n\nA second one, which is longer."
    >>> _ = (folder / "text.txt").write_text(text)
    >>> metadata = prepare_shards(
    ...     f"files:{folder / 'text.txt'}", folder / "shards", valid_fraction=0,
    ...     window=4, min_units=3, num_classes=None, log=str,
    ... )
    >>> metadata["units"]["train"], metadata["windows"]["train"]
    (16, [6])
    """
    settings = _check_settings(
        vocabulary_size=vocabulary_size,
        lowercase=lowercase,
        valid_fraction=0.0 if valid_spec else valid_fraction,
        seed=seed,
        window=window,
        shift=shift,
        min_units=min_units,
        max_padding=max_padding,
        chunk_characters=chunk_characters,
    )
    check_positive_integers(workers=workers)
    check_positive_integers(or_none=True, num_classes=num_classes)
    if num_classes is not None and num_classes < 3:
        raise ValueError(
            "`num_classes` must leave room for unknown units, for frequent ones and "
            f"for one class more. Received: {num_classes}. Use 3 or more, or None."
        )
    _check_installed("array_record", "shards")
    if beam_options is not None:
        _check_installed("apache_beam", "beam")
    directory = pathlib.Path(directory)
    num_classes = None if num_classes is None else int(num_classes)
    # A pattern may match what is written.
    sources = find_sources(spec, valid_spec, own_files(directory, WRITTEN_NAMES))
    described = {
        "format": FORMAT,
        "spec": spec,
        "valid_spec": valid_spec,
        "sources": [source.describe() for source in sources],
        **dataclasses.asdict(settings),
        "num_classes": num_classes,
    }
    directory.mkdir(parents=True, exist_ok=True)
    with locked(directory):
        _check_replaceable(directory)
        if _is_finished(directory, described, log):
            if _is_own_work(directory / WORK):  # of one that was killed at its end
                _remove_work(directory / WORK)
            return read_metadata(directory)
        _begin(directory, described, log)
        if beam_options is None:
            run_processes(
                sources, settings, directory, described, num_classes, workers, log
            )
        else:
            from glomo_keras.data.shards.beam import run_pipeline

            run_pipeline(
                sources, settings, directory, described, num_classes, beam_options
            )
        _remove_work(directory / WORK)
    metadata = read_metadata(directory)
    for split, units in metadata["units"].items():
        log(
            f"{split}: {metadata['documents'][split]:,} documents, {units:,} units, "
            f"{metadata['coverage'][split]:.1%} of them in the vocabulary of "
            f"{metadata['vocabulary_size']:,}; {sum(metadata['windows'][split]):,} "
            f"windows in {len(metadata['shards'][split]):,} shards"
        )
    if metadata["rejected_documents"]:
        reasons = ", ".join(
            f"{reason}: {number:,}"
            for reason, number in sorted(metadata["rejected_reasons"].items())
        )
        log(
            f"{metadata['rejected_documents']:,} documents were set aside"
            f"{f' ({reasons})' if reasons else ''}, in "
            f"{directory / 'rejected-*.jsonl'}"
        )
    return metadata


def _check_settings(*, shift, vocabulary_size, **others):
    """Return `ShardSettings` of arguments that are right."""
    shares = {name: others.pop(name) for name in ("valid_fraction", "max_padding")}
    for name, share in shares.items():
        if not isinstance(share, numbers.Real):
            raise TypeError(f"`{name}` must be a number. Received: {share!r}.")
        if not 0 <= share < 1:
            raise ValueError(f"`{name}` must be in [0, 1). Received: {share}.")
    names = ("window", "min_units", "chunk_characters")
    check_positive_integers(
        vocabulary_size=vocabulary_size, **{name: others[name] for name in names}
    )
    check_positive_integers(or_none=True, shift=shift)
    if vocabulary_size < 3:
        raise ValueError(
            "`vocabulary_size` must leave room for padding, unknown and one unit. "
            f"Received: {vocabulary_size}. Use 3 or more."
        )
    window = others["window"]
    shift = max(1, window // 2) if shift is None else shift
    if shift > window or others["min_units"] > window:
        raise ValueError(
            "`shift` and `min_units` must be from 1 to `window`. Received: "
            f"shift={shift}, min_units={others['min_units']}, window={window}."
        )
    return ShardSettings(
        vocabulary_size=int(vocabulary_size),
        shift=int(shift),
        lowercase=bool(others.pop("lowercase")),
        **{name: float(share) for name, share in shares.items()},
        **{name: int(value) for name, value in others.items()},
    )


def _check_installed(module, extra):
    try:
        __import__(module)
    except ImportError as error:
        raise ImportError(
            f"{module} is not installed, which this takes. Use "
            f'`pip install "glomo_keras[{extra}]"`.'
        ) from error


def _check_replaceable(directory):
    """Raise if a preparation would remove what is not one's."""
    work = directory / WORK
    is_begun = _is_own_work(work)
    if not is_begun and work.exists() and not _is_empty(work):
        raise ValueError(
            f"`directory` must hold no {WORK!r}, other than that of an earlier "
            f"preparation, which is replaced. Received: {directory}, where {work} is "
            "something else. Give another folder, or rename that one."
        )
    if find_preparation(directory) is None and not is_begun:
        check_unclaimed(directory, REPLACED_NAMES)


def _is_own_work(work):
    try:
        return read_json(work / "settings.json")["format"].startswith("shards ")
    except (AttributeError, KeyError, OSError, TypeError, ValueError):
        return False


def _is_empty(work):
    return work.is_dir() and all(map(is_unfinished, work.iterdir()))


def _remove_work(work):
    # Last what tells that it is a preparation's, for one who is killed here.
    for name in STAGES:
        shutil.rmtree(work / name, ignore_errors=True)
    shutil.rmtree(work)


def _is_finished(directory, described, log):
    metadata = read_metadata(directory)
    if metadata is None:
        return False
    if metadata["settings"] != described:
        log(f"{directory} holds another preparation, which is replaced.")
        return False
    try:
        load_shards(directory)
    except (FileNotFoundError, ValueError) as error:
        log(f"A file is missing or damaged: {error}")
        return False
    log(f"{directory} already holds this corpus with these settings.")
    return True


def _begin(directory, described, log):
    """Keep the chunks of a preparation that was killed, if it was of the same."""
    work, is_new = directory / WORK, True
    if _is_own_work(work) and read_json(work / "settings.json") == described:
        # What is left of one that was finished is of shards that are damaged.
        is_new = (directory / METADATA_FILE).exists()
    if not is_new:
        log(f"{work} holds a part of this preparation, which goes on.")
    else:
        work.mkdir(exist_ok=True)
        # Whoever is killed from here on leaves what is known as a preparation's.
        write_json(work / "settings.json", {"format": FORMAT})
        clear_shards(directory)
        for name in STAGES:
            shutil.rmtree(work / name, ignore_errors=True)
            (work / name).mkdir()
        write_json(work / "settings.json", described)
    for folder in (directory, *(work / name for name in STAGES)):
        remove_unfinished(folder)
