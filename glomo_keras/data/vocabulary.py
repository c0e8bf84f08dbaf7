"""A vocabulary of units by frequency, saved as a plain text asset."""

import collections
import os
import pathlib

import numpy as np
import tensorflow as tf

from glomo_keras.data.units import split_units

PADDING_MARK = "[PAD]"
UNKNOWN_MARK = "[UNK]"
_LOWERCASE_MARK = "lowercase=true"


class Vocabulary:
    """Maps units to ids and back: 0 is padding, 1 is unknown, then by frequency.

    The file has one unit a line, and the line number (from 0) is the id. Line 0 is
    `[PAD]` and line 1 is `[UNK]`; a vocabulary that lowers units before they
    are looked up has `[PAD] lowercase=true` in line 0. No unit can be mistaken for
    these lines, because units hold no brackets beside letters and no spaces.

    Args:
        units: list of strings, most frequent first, without the two reserved marks.
        lowercase: bool, whether units are lowered before they are looked up.

    Attributes:
        table: the lookup table. Export code must track it:
            `archive.track(vocabulary.table)`.

    Raises:
        ValueError: if a unit is empty, holds white space, or occurs twice.

    Example:

    >>> vocabulary = Vocabulary.from_texts(["The cat saw the dog."], lowercase=True)
    >>> len(vocabulary), vocabulary.units[:3]
    (7, ('[PAD]', '[UNK]', 'the'))
    >>> batch = vocabulary.encode(["the bird", "DOG"])
    >>> batch["unit_ids"].numpy().tolist()
    [[2, 1], [5, 0]]
    >>> vocabulary.decode(batch["unit_ids"])
    [['the', '[UNK]'], ['dog']]
    """

    def __init__(self, units, lowercase=False):
        units = list(units)
        _check_units(units, where=lambda index: f"`units`[{index}]")
        self.lowercase = bool(lowercase)
        self._units = (PADDING_MARK, UNKNOWN_MARK, *units)
        self.table = _table(
            tf.lookup.KeyValueTensorInitializer(
                tf.constant(self._units, tf.string),
                tf.range(len(self._units), dtype=tf.int64),
            )
        )

    @classmethod
    def from_counts(cls, counts, max_size=None, lowercase=False):
        """Keeps the most frequent units; equal counts are ordered by the unit.

        Args:
            counts: mapping from unit to its number of occurrences. With
                `lowercase`, units that are equal once lowered are added up.
            max_size: int or None, largest size, the two reserved ids included.
            lowercase: bool.

        Returns:
            A `Vocabulary`.
        """
        if max_size is not None and max_size < 3:
            raise ValueError(
                "`max_size` must leave room for padding, unknown and one unit. "
                f"Received: max_size={max_size}. Use 3 or more."
            )
        if lowercase and counts:
            total = collections.Counter()
            lowered = _lower(tf.constant(list(counts), tf.string)).numpy()
            for unit, count in zip(lowered, counts.values(), strict=True):
                total[unit.decode()] += count
            counts = total
        ranked = sorted(counts, key=lambda unit: (-counts[unit], unit))
        if max_size is not None:
            ranked = ranked[: max_size - 2]
        return cls(ranked, lowercase=lowercase)

    @classmethod
    def from_texts(cls, texts, max_size=None, lowercase=False):
        """Counts the units of `texts` (any iterable of strings) and ranks them."""
        counts = collections.Counter()
        for text in texts:
            counts.update(split_units([text]).units.flat_values.numpy().tolist())
        counts = {unit.decode(): count for unit, count in counts.items()}
        return cls.from_counts(counts, max_size=max_size, lowercase=lowercase)

    @classmethod
    def load(cls, path):
        """Reads a vocabulary file; its lookup table then exports it as an asset.

        Args:
            path: path of a file that `save` wrote.

        Returns:
            A `Vocabulary`.

        Raises:
            ValueError: if the file is not a vocabulary; names the file and line.
        """
        path = pathlib.Path(path)
        try:
            lines = path.read_bytes().decode("utf-8").split("\n")
        except UnicodeDecodeError as error:
            raise ValueError(
                f"{path} is not a vocabulary: byte {error.start} is not UTF-8."
            ) from error
        if lines[-1] == "":  # the newline that ends the last unit
            lines.pop()
        first_line, *units = lines or [""]
        mark, _, option = first_line.partition(" ")
        if mark != PADDING_MARK or option not in ("", _LOWERCASE_MARK):
            raise ValueError(
                f"{path} line 1 must be {PADDING_MARK!r} or "
                f"'{PADDING_MARK} {_LOWERCASE_MARK}'. Received: {first_line!r}."
            )
        if units[:1] != [UNKNOWN_MARK]:
            raise ValueError(
                f"{path} line 2 must be {UNKNOWN_MARK!r}. Received: {units[:1]}."
            )
        _check_units(units[1:], where=lambda index: f"{path} line {index + 3}")
        vocabulary = cls.__new__(cls)
        vocabulary.lowercase = option == _LOWERCASE_MARK
        vocabulary._units = (PADDING_MARK, *units)
        vocabulary.table = _table(
            tf.lookup.TextFileInitializer(
                str(path.resolve()),
                key_dtype=tf.string,
                key_index=tf.lookup.TextFileIndex.WHOLE_LINE,
                value_dtype=tf.int64,
                value_index=tf.lookup.TextFileIndex.LINE_NUMBER,
            )
        )
        return vocabulary

    def save(self, path):
        """Writes the vocabulary, whole or not at all: one unit a line, UTF-8."""
        path = pathlib.Path(path)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            temporary.write_bytes(self.file_content())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)

    def file_content(self):
        """Bytes of the file that `save` writes."""
        lines = list(self._units)
        if self.lowercase:
            lines[0] = f"{PADDING_MARK} {_LOWERCASE_MARK}"
        return "".join(f"{line}\n" for line in lines).encode()

    @property
    def units(self):
        """Tuple of all units by id, the two reserved marks first."""
        return self._units

    def __len__(self):
        return len(self._units)

    def lookup(self, units):
        """Ids of units: int32, ragged where `units` is ragged. Runs in a graph."""
        if isinstance(units, tf.RaggedTensor):
            return units.with_flat_values(self.lookup(units.flat_values))
        units = tf.convert_to_tensor(units, dtype=tf.string)
        units = _lower(units) if self.lowercase else units
        return tf.cast(self.table.lookup(units), tf.int32)

    def encode(self, texts, length=None):
        """Turns texts into what a graph predictor takes. Runs in a graph.

        Args:
            texts: string tensor `(batch,)`, or a list of strings.
            length: int or None. Pads or cuts every text to so many units; by
                default the longest text of the batch sets the length.

        Returns:
            Dict of `unit_ids` (int32 `(batch, length)`, padded with 0 on the
            right), `padding_mask` (bool `(batch, length)`, True at real units)
            and `units` (ragged strings, neither lowered nor cut).
        """
        units = split_units(texts).units
        shape = None if length is None else (None, length)
        unit_ids = self.lookup(units).to_tensor(0, shape=shape)
        padding_mask = tf.sequence_mask(
            units.row_lengths(), maxlen=tf.shape(unit_ids, tf.int64)[1]
        )
        return {"unit_ids": unit_ids, "padding_mask": padding_mask, "units": units}

    def decode(self, unit_ids):
        """Units of ids `(batch, length)`, as lists of strings without padding."""
        if isinstance(unit_ids, tf.RaggedTensor):
            unit_ids = unit_ids.to_tensor(0)
        unit_ids = np.asarray(unit_ids)
        if unit_ids.size and not 0 <= unit_ids.min() <= unit_ids.max() < len(self):
            raise ValueError(
                f"`unit_ids` must lie in [0, {len(self)}). Received ids from "
                f"{unit_ids.min()} to {unit_ids.max()}. Use the vocabulary that "
                "encoded them."
            )
        return [[self._units[i] for i in row if i != 0] for row in unit_ids]


def _lower(units):
    return tf.strings.lower(units, encoding="utf-8")


def _table(initializer):
    return tf.lookup.StaticHashTable(initializer, default_value=1)


def _check_units(units, where):
    seen = {PADDING_MARK, UNKNOWN_MARK}
    for index, unit in enumerate(units):
        # White space would break the file, and no unit of a text holds any.
        if unit.split() != [unit]:
            raise ValueError(
                f"{where(index)} must be a unit without white space. "
                f"Received: {unit!r}. Remove the line or the space."
            )
        if unit in seen:
            raise ValueError(
                f"{where(index)} repeats the unit {unit!r}. Every unit has one id."
            )
        seen.add(unit)
