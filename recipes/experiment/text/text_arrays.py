"""Texts of a labelled task as arrays on disk, for a model and a graph predictor.

A text is split into units once. Everything else is looked up by unit: its id in the
vocabulary of the downstream model, its id in that of the graph predictor, its
characters. So both networks see the same units of the same text.
"""

import collections
import dataclasses
import hashlib
from pathlib import Path

import numpy as np

from experiment.devices import check_prepares_alone
from experiment.folders import read_array_settings
from experiment.process import UsageError
from experiment.text.word_features import parse_features
from glomo_keras.data.text_files import describe_source
from glomo_keras.files import atomic_folder
from glomo_keras.files import read_json
from glomo_keras.files import write_json
from glomo_keras.pretraining.run_folder import differences

CHARACTERS = 16  # bytes of a unit that a character network reads
_FORMAT = 2
_BATCH = 1_000  # texts that are split at once


@dataclasses.dataclass
class TaskTexts:
    """The arrays of a prepared task; index 0 of every table is padding.

    Attributes:
        units: list of str, distinct units as they are written.
        task_ids: int array `(num_units,)`, ids of the downstream model's vocabulary.
        graph_ids: int array `(num_units,)`, ids of the graph predictor's.
        characters: uint8 array `(num_units, CHARACTERS)`, bytes, padded with zeros.
        vectors: float32 array `(task vocabulary, dim)`, or `None`.
        elmo_characters: uint16 array `(num_units, max_characters)`, ids of the units'
            characters for a language model, or `None`.
        task_vocabulary_size: int.
        fields: dict of `FieldTexts` by name.
        rows: dict by split of dicts: the index of each example's text by field.
        examples: dict by split of lists of dicts: all but the texts.
        metadata: dict.
        elmo: `LanguageModelLayerCache`, or `None`, which the task sets.
    """

    units: list
    task_ids: np.ndarray
    graph_ids: np.ndarray
    characters: np.ndarray
    vectors: np.ndarray | None
    task_vocabulary_size: int
    fields: dict
    rows: dict
    examples: dict
    metadata: dict
    elmo_characters: np.ndarray | None = None
    elmo: object = None

    @property
    def has_embedding(self):
        """Whether units have vectors of their own, not of a language model alone."""
        return self.task_vocabulary_size > 2


@dataclasses.dataclass
class FieldTexts:
    """The distinct texts of one field, as units.

    Attributes:
        offsets: int64 array `(num_texts + 1,)`, where each text begins in the others.
        units: int32 array, indices of units, text after text.
        starts: int32 array, first character of each unit in its text.
        limits: int32 array, the character after it.
        length: int, units at most.
        texts: list of str, or `None` where they are not kept.
    """

    offsets: np.ndarray
    units: np.ndarray
    starts: np.ndarray
    limits: np.ndarray
    length: int
    texts: list | None = None

    def __len__(self):
        return len(self.offsets) - 1

    def padded(self, rows):
        """Return unit indices `(len(rows), length)` of some texts, padded with 0."""
        starts, ends = self.offsets[rows], self.offsets[np.asarray(rows) + 1]
        columns = np.arange(self.length)
        is_real = columns < (ends - starts)[:, None]
        places = np.where(is_real, starts[:, None] + columns, 0)
        if not len(self.units):
            return np.zeros(places.shape, np.int32)
        return np.where(is_real, self.units[places], 0)


def prepare_texts(
    splits,
    lengths,
    directory,
    vocabulary,
    features,
    settings,
    sources=(),
    keep_texts=(),
    strategy="none",
    log=print,
):
    """Write the arrays of a task, unless they are there with the same settings.

    Args:
        splits: function without arguments that returns a dict by split of lists of
            examples: dicts with a string for each field and whatever the task needs.
        lengths: dict, units at most of a text by field; longer ones are cut.
        directory: path.
        vocabulary: path of the graph predictor's vocabulary.
        features: "vectors:PATH", "trainable" or "elmo:PRESET", or two of them with a
            "+" between.
        settings: dict, what else decides the arrays.
        sources: paths of the files that examples are read from. Arrays of files that
            have changed since are not used, nor of changed vectors; the examples
            themselves are not compared.
        keep_texts: fields whose texts are stored too.
        strategy: str, the `--strategy` of the run.
        log: function that takes lines of progress.

    Returns:
        `TaskTexts`.

    Raises:
        UsageError: if several workers would write the arrays.
    """
    directory = Path(directory)
    parsed = parse_features(features)
    files = [*sources, *([parsed.vectors_file] if parsed.vectors_file else [])]
    settings = {
        "format": _FORMAT,
        "lengths": lengths,
        "vocabulary": hashlib.sha256(Path(vocabulary).read_bytes()).hexdigest(),
        "features": features,
        "sources": [describe_source(path) for path in files],
        **settings,
    }
    if parsed.elmo:
        settings["elmo"] = parsed.elmo_metadata()["fingerprint"]
    if (directory / "metadata.json").exists():
        different = differences(read_array_settings(directory), settings)
        if not different:
            log(f"Arrays of {directory} are used.")
            return load_texts(directory)
        log(f"{directory} holds other arrays ({different}), which are replaced.")
    check_prepares_alone(strategy, directory)
    directory.parent.mkdir(parents=True, exist_ok=True)
    with atomic_folder(directory) as temporary:
        _write(temporary, splits(), lengths, vocabulary, features, settings, keep_texts)
    arrays = load_texts(directory)
    for line in arrays.metadata["notes"]:
        log(line)
    return arrays


def load_texts(directory):
    """Load what `prepare_texts` wrote; needs NumPy alone."""
    directory = Path(directory)
    metadata = read_json(directory / "metadata.json")
    tables = np.load(directory / "tables.npz")
    fields = {}
    for name, length in metadata["settings"]["lengths"].items():
        arrays = np.load(directory / f"{name}.npz")
        texts = directory / f"{name}.json"
        fields[name] = FieldTexts(
            **arrays,
            length=length,
            texts=read_json(texts) if texts.exists() else None,
        )
    rows = {}
    for split in metadata["examples"]:
        with np.load(directory / f"rows_{split}.npz") as arrays:
            rows[split] = dict(arrays)
    return TaskTexts(
        units=read_json(directory / "units.json"),
        vectors=np.load(directory / "vectors.npy")
        if (directory / "vectors.npy").exists()
        else None,
        task_vocabulary_size=metadata["task_vocabulary_size"],
        fields=fields,
        rows=rows,
        elmo_characters=np.load(directory / "elmo_characters.npy")
        if (directory / "elmo_characters.npy").exists()
        else None,
        examples=read_json(directory / "examples.json"),
        metadata=metadata,
        **tables,
    )


def _write(directory, splits, lengths, vocabulary, features, settings, keep_texts):
    from glomo_keras.data import Vocabulary

    for split, examples in splits.items():
        if not examples:
            raise UsageError(f"There is no example in the split {split!r} of the data.")
    index = {"": 0}
    fields, rows, notes = {}, {split: {} for split in splits}, []
    for name, length in lengths.items():
        texts = {}  # distinct texts, in order of appearance
        for split, examples in splits.items():
            rows[split][name] = np.array(
                [texts.setdefault(example[name], len(texts)) for example in examples],
                np.int32,
            )
        fields[name], num_cut = _split(list(texts), length, index)
        notes.append(
            f"{name}: {len(texts):,} distinct texts; {num_cut:,} were cut at {length} "
            "units"
        )
        np.savez(directory / f"{name}.npz", **fields[name])
        if name in keep_texts:
            write_json(directory / f"{name}.json", list(texts))
    units = list(index)
    counts = {
        split: _count(fields, rows[split], lengths, len(units)) for split in splits
    }
    task_ids, vectors, size = feature_table(units, features, counts["train"])
    graph_ids = Vocabulary.load(vocabulary).lookup(units).numpy()
    task_ids[0] = graph_ids[0] = 0  # padding
    for split, count in counts.items():
        shares = [
            count[ids >= 2].sum() / max(1, count[1:].sum())
            for ids in (task_ids, graph_ids)
        ]
        with_features = f"{shares[0]:.1%} of them have word features, "
        notes.append(
            f"{split}: {len(splits[split]):,} examples, {count[1:].sum():,} units; "
            f"{with_features if size > 2 else ''}{shares[1]:.1%} are known to the "
            "graph predictor"
        )
    characters = np.zeros((len(units), CHARACTERS), np.uint8)
    for number, unit in enumerate(units):
        code = unit.encode()[:CHARACTERS]
        characters[number, : len(code)] = np.frombuffer(code, np.uint8)
    np.savez(
        directory / "tables.npz",
        task_ids=task_ids,
        graph_ids=graph_ids,
        characters=characters,
    )
    if vectors is not None:
        np.save(directory / "vectors.npy", vectors)
    parsed = parse_features(features)
    if parsed.elmo:
        ids = _elmo_characters(units, parsed)
        np.save(directory / "elmo_characters.npy", ids)
    write_json(directory / "units.json", units)
    for split in splits:
        np.savez(directory / f"rows_{split}.npz", **rows[split])
    examples = {
        split: [{k: v for k, v in row.items() if k not in lengths} for row in examples]
        for split, examples in splits.items()
    }
    write_json(directory / "examples.json", examples)
    metadata = {
        "settings": settings,
        "task_vocabulary_size": size,
        "examples": {split: len(examples) for split, examples in splits.items()},
        "notes": notes,
    }
    write_json(directory / "metadata.json", metadata)


def _split(texts, length, index):
    """Units of texts as indices into `index`, which grows; how many were cut."""
    from glomo_keras.data import character_offsets
    from glomo_keras.data import split_units

    parts = {"units": [], "starts": [], "limits": []}
    sizes, num_cut = [], 0
    for first in range(0, len(texts), _BATCH):
        batch = texts[first : first + _BATCH]
        units, starts, limits = split_units(batch)
        num_cut += int((units.row_lengths().numpy() > length).sum())
        starts, limits = (
            character_offsets(batch, offsets)[:, :length]
            for offsets in (starts, limits)
        )
        units = units[:, :length]
        sizes.append(units.row_lengths().numpy())
        parts["units"].append(
            np.array(
                [
                    index.setdefault(unit.decode(), len(index))
                    for unit in units.flat_values.numpy()
                ],
                np.int32,
            )
        )
        parts["starts"].append(starts.flat_values.numpy().astype(np.int32))
        parts["limits"].append(limits.flat_values.numpy().astype(np.int32))
    arrays = {name: np.concatenate(part) for name, part in parts.items()}
    arrays["offsets"] = np.cumsum(np.concatenate([[0], *sizes])).astype(np.int64)
    return arrays, num_cut


def _count(fields, rows, lengths, num_units):
    """How often each unit occurs in the texts of a split."""
    counts = np.zeros(num_units, np.int64)
    for name, arrays in fields.items():
        field = FieldTexts(**arrays, length=lengths[name])
        for start in range(0, len(rows[name]), _BATCH):
            units = field.padded(rows[name][start : start + _BATCH])
            counts += np.bincount(units.ravel(), minlength=num_units)
    counts[0] = 0
    return counts


def _elmo_characters(units, parsed):
    """Ids of the characters of units, for the language model of the features."""
    from glomo_keras.data import character_ids

    config = parsed.elmo_metadata()["config"]["config"]
    ids = character_ids(units, config["max_characters"]).numpy()  # zeros for padding
    return ids.astype("uint16")


def feature_table(units, features, train_counts, max_trainable=20_000):
    """Return the ids of a downstream model by unit, and the vectors of these ids.

    Args:
        units: list of str, the first of which is padding.
        features: str, see `parse_features`.
        train_counts: int array `(len(units),)`, how often each occurs in train.
        max_trainable: int, ids at most where they have no vectors.

    Returns:
        Tuple of an int array `(len(units),)`, in which 1 is unknown; a float32 array
        `(size, dim)` of frozen vectors, or `None`; and the int size.
    """
    parsed = parse_features(features)
    if parsed.words is None:
        return np.ones(len(units), np.int32), None, 2
    path = parsed.vectors_file
    if path:
        from glomo_keras.data import read_word_vectors

        words, vectors, lowercase = read_word_vectors(path, keep=units)
        if not words:
            raise UsageError(
                f"{path} has a vector for none of the {len(units) - 1:,} units of the "
                "task. Give vectors of its language."
            )
        table = np.concatenate([np.zeros((2, vectors.shape[1]), np.float32), vectors])
    else:
        lowercase, table = True, None
        counts = collections.Counter()
        for unit, count in zip(units[1:], train_counts[1:].tolist(), strict=True):
            counts[unit.lower()] += count
        ranked = sorted(counts, key=lambda word: (-counts[word], word))
        words = [word for word in ranked if counts[word] > 0][: max_trainable - 2]
    ids = {word: number for number, word in enumerate(words, start=2)}
    task_ids = [ids.get(u.lower() if lowercase else u, 1) for u in units]
    return np.array(task_ids, np.int32), table, len(words) + 2
