"""Prepared corpora of text, in arrays or in shards, as a run reads them."""

import numpy as np

from experiment.process import UsageError
from experiment.process import usage_errors
from glomo_keras.data.classes import prepared_classes
from glomo_keras.data.prepared import load_prepared
from glomo_keras.data.shards import batches
from glomo_keras.data.shards import index
from glomo_keras.data.windows import WindowSequence
from glomo_keras.data.windows import fixed_windows


def load_corpus(settings):
    """Return the `ArrayCorpus` or `ShardCorpus` of `CorpusSettings`.

    Raises:
        UsageError: if it is missing, damaged, or does not fit the settings.
    """
    with usage_errors():
        return (ArrayCorpus if settings.shards is None else ShardCorpus)(settings)


class ArrayCorpus:
    """What `prepare_corpus` wrote: all ids in one array, of which windows are cut.

    Attributes:
        units: list of strings by id.
        num_units: int, to train on.
    """

    def __init__(self, settings):
        self._corpus = load_prepared(settings.prepared)
        self._settings = settings
        self.units = self._corpus.units
        self.num_units = len(self._corpus.train_ids)

    def unit_counts(self):
        """Return how often every unit is in the texts to train on: int array."""
        return np.bincount(self._corpus.train_ids, minlength=len(self.units))

    def classes(self, num_classes):
        """Return the class of every unit."""
        return prepared_classes(self._settings.prepared, num_classes)

    def training_windows(self, shift):
        """Return batches of windows, from the first on."""
        return WindowSequence(
            self._corpus.train_ids,
            self._corpus.train_offsets,
            self._settings.batch_size,
            window=self._settings.window,
            shift=shift,
            min_units=self._settings.min_units,
            seed=self._settings.seed,
        )

    def validation_windows(self):
        """Return the windows that every epoch is measured on."""
        return fixed_windows(
            self._corpus.valid_ids,
            self._corpus.valid_offsets,
            self._settings.valid_windows,
            window=self._settings.window,
            min_units=self._settings.min_units,
        )


class ShardCorpus:
    """What `prepare_corpus.py` wrote: windows in files, of which batches are read.

    Attributes:
        units: list of strings by id.
        num_units: int, to train on.
    """

    def __init__(self, settings):
        self._corpus = index.load_shards(settings.shards)
        self._settings = settings
        self.units = self._corpus.units
        self.num_units = self._corpus.metadata["units"]["train"]
        window = self._corpus.metadata["settings"]["window"]
        if window != settings.window:
            raise UsageError(
                f"{settings.shards} has windows of {window} units. Give --window "
                f"{window}, or shards of {settings.window}."
            )

    def unit_counts(self):
        """Return how often every unit is in the texts to train on: int array."""
        return index.train_counts(self._corpus)

    def classes(self, num_classes):
        """Return the class of every unit."""
        return index.shard_classes(self._settings.shards, num_classes)

    def training_windows(self, shift):
        """Return batches of windows, from the first on; the shards decide `shift`."""
        return batches.ShardedWindows(
            self._corpus, self._settings.batch_size, seed=self._settings.seed
        )

    def validation_windows(self):
        """Return the windows that every epoch is measured on."""
        return batches.fixed_shard_windows(self._corpus, self._settings.valid_windows)
