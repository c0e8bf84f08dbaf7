"""A vocabulary of units by frequency, saved as a plain text file."""

import collections
import pathlib

import numpy as np
import tensorflow as tf

from glomo_keras.checks import check_positive_integers
from glomo_keras.data.lower_case import lower
from glomo_keras.data.units import split_units
from glomo_keras.data.units import string_tensor
from glomo_keras.files import atomic_write
from glomo_keras.models.preset_files import Preset
from glomo_keras.models.presets import open_preset
from glomo_keras.strings import check_string_list
from glomo_keras.strings import replace_surrogates
from glomo_keras.vocabulary_file import LOWERCASE_OPTION
from glomo_keras.vocabulary_file import PADDING_MARK
from glomo_keras.vocabulary_file import UNKNOWN_MARK
from glomo_keras.vocabulary_file import check_vocabulary_units
from glomo_keras.vocabulary_file import parse_vocabulary


class Vocabulary:
    """Map units to ids and back: 0 is padding, 1 is unknown, then by frequency.

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
        ValueError: if a unit is empty, holds white space, or occurs twice; if it holds
            capitals with `lowercase`; or for one string in place of a list.

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
        check_string_list("units", units)
        units = [replace_surrogates(unit) for unit in units]
        self.lowercase = bool(lowercase)
        check_vocabulary_units(units, lambda index: f"`units`[{index}]", self.lowercase)
        self._units = (PADDING_MARK, UNKNOWN_MARK, *units)
        # Of constants: a table of a file would need the file whenever it is exported.
        self.table = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(
                tf.constant(self._units, tf.string),
                tf.range(len(self._units), dtype=tf.int64),
            ),
            default_value=1,
        )

    @classmethod
    def from_counts(cls, counts, max_size=None, lowercase=False):
        """Keep the most frequent units; equal counts are ordered by the unit.

        Args:
            counts: mapping from unit to its number of occurrences. With
                `lowercase`, units that are equal once lowered are added up.
            max_size: int or `None`, largest size, the two reserved ids included.
            lowercase: bool.

        Returns:
            A `Vocabulary`.

        Raises:
            ValueError: if `max_size` is below 3.
            TypeError: if `counts` is no mapping.
        """
        check_positive_integers(or_none=True, max_size=max_size)
        if max_size is not None and max_size < 3:
            raise ValueError(
                "`max_size` must leave room for padding, unknown and one unit. "
                f"Received: max_size={max_size}. Use 3 or more."
            )
        if not isinstance(counts, collections.abc.Mapping):
            raise TypeError(
                "`counts` must be a mapping from units to numbers. Received: "
                f"{counts!r:.60}. To count the units of texts use "
                "`Vocabulary.from_texts`."
            )
        units = string_tensor(list(counts))
        units = (lower(units) if lowercase else units).numpy()
        total = collections.Counter()
        for unit, count in zip(units, counts.values(), strict=True):
            total[unit.decode()] += count
        counts = total
        ranked = sorted(counts, key=lambda unit: (-counts[unit], unit))
        if max_size is not None:
            ranked = ranked[: max_size - 2]
        return cls(ranked, lowercase=lowercase)

    @classmethod
    def from_texts(cls, texts, max_size=None, lowercase=False):
        """Count the units of texts and rank them.

        Args:
            texts: iterable of strings.
            max_size, lowercase: as for `from_counts`.

        Returns:
            A `Vocabulary`.

        Raises:
            ValueError: for one string in place of a list.
        """
        check_string_list("texts", texts)
        counts = collections.Counter()
        for text in texts:
            counts.update(split_units([text]).units.flat_values.numpy().tolist())
        counts = {unit.decode(): count for unit, count in counts.items()}
        return cls.from_counts(counts, max_size=max_size, lowercase=lowercase)

    @classmethod
    def load(cls, path):
        """Read a vocabulary file, which may then change or go.

        Args:
            path: path of a file that `save` wrote.

        Returns:
            A `Vocabulary`.

        Raises:
            ValueError: if the file is not a vocabulary; names the file and line.
        """
        path = pathlib.Path(path)
        units, lowercase = parse_vocabulary(path.read_bytes(), path)
        return cls(units[2:], lowercase=lowercase)

    @classmethod
    def from_preset(cls, preset):
        """Load the vocabulary of a preset: its ids are those the model was trained on.

        Args:
            preset: name of a preset that comes with the library, path of a folder, or
                a `Preset` that `find_preset` returned.

        Returns:
            A `Vocabulary`.

        Raises:
            FileNotFoundError: if there is no such preset.
            ValueError: if it has no vocabulary, or a damaged one.
        """
        if not isinstance(preset, Preset):
            with open_preset(preset) as preset:
                return cls.from_preset(preset)
        if preset.vocabulary is None:
            held = preset.metadata["config"]["class_name"]
            raise ValueError(
                f"The preset {str(preset.folder)!r} has no vocabulary to read texts "
                f"by. It holds a {held}: load it by {held}.from_preset."
            )
        return cls.load(preset.vocabulary)

    def save(self, path):
        """Write the vocabulary, whole or not at all: one unit a line, UTF-8."""
        with atomic_write(path) as temporary:
            temporary.write_bytes(self.file_content())

    def file_content(self):
        """Return the bytes of the file that `save` writes."""
        lines = list(self._units)
        if self.lowercase:
            lines[0] = f"{PADDING_MARK} {LOWERCASE_OPTION}"
        return "".join(f"{line}\n" for line in lines).encode()

    def __reduce__(self):
        # For copies and other processes: a lookup table belongs to its process.
        return type(self), (self._units[2:], self.lowercase)

    @property
    def units(self):
        """Tuple of all units by id, the two reserved marks first."""
        return self._units

    def __len__(self):
        return len(self._units)

    def lookup(self, units):
        """Return the ids of units: int32, ragged where they are. Runs in a graph."""
        if isinstance(units, tf.RaggedTensor):
            return units.with_flat_values(self.lookup(units.flat_values))
        units = string_tensor(units)
        units = lower(units) if self.lowercase else units
        return tf.cast(self.table.lookup(units), tf.int32)

    def encode(self, texts, length=None):
        """Turn texts into what a graph predictor takes. Runs in a graph.

        Args:
            texts: string tensor `(batch,)`, or a list of strings.
            length: int or `None`. Pads or cuts every text to so many units; by
                default the longest text of the batch sets the length, which is one
                where no text has any unit.

        Returns:
            Dict of `unit_ids` (int32 `(batch, length)`, padded with 0 on the
            right), `padding_mask` (bool `(batch, length)`, True at real units)
            and `units` (ragged strings, neither lowered nor cut).

        Raises:
            ValueError: for one string in place of a list, or a `length` below 1.
        """
        check_positive_integers(or_none=True, length=length)
        units = split_units(texts).units
        shape = None if length is None else (None, length)
        unit_ids = self.lookup(units).to_tensor(0, shape=shape)
        if length is None:  # models take no text without any unit
            missing = tf.maximum(1 - tf.shape(unit_ids)[1], 0)
            unit_ids = tf.pad(unit_ids, [[0, 0], [0, missing]])
        padding_mask = tf.sequence_mask(
            units.row_lengths(), maxlen=tf.shape(unit_ids, tf.int64)[1]
        )
        return {"unit_ids": unit_ids, "padding_mask": padding_mask, "units": units}

    def decode(self, unit_ids):
        """Return the units of ids `(batch, length)`: lists of strings, no padding."""
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
