"""Ids of units in the order of first sight, while a corpus is read once."""

import array
import time

import numpy as np
import tensorflow as tf

from glomo_keras.data.units import split_units

_BATCH_CHARACTERS = 1_000_000  # of text that is split at once
_SECONDS_BETWEEN_LINES = 10


class ProvisionalIds:
    """Ids in the order of first sight, streamed to a file while text is read.

    The final ids follow from the frequencies, which are known only at the end. Keeping
    provisional ones saves splitting all text a second time.

    Args:
        file: binary file, open for reading and writing.
        log: function that takes lines of progress.

    Attributes:
        distinct: dict from units (bytes) to provisional ids, in the order of the ids.
    """

    def __init__(self, file, log):
        self.distinct = {}  # unit -> provisional id
        self._file = file
        self._log = log
        self._lengths = array.array("q")
        self._num_units = 0

    def read(self, documents, limit=None):
        """Read `Documents`, up to the one that reaches `limit` units."""
        batch, characters = [], 0
        first_document, first_unit = self.num_documents, self._num_units
        started = time.monotonic()
        next_line = started + _SECONDS_BETWEEN_LINES
        last_unit = np.inf if limit is None else first_unit + limit
        for document in documents:
            if len(document) > _BATCH_CHARACTERS:
                self._add(batch, last_unit - self._num_units)
                batch, characters = [], 0
                if self._num_units >= last_unit:
                    break
                self._add_long(document)
            else:
                batch.append(document)
                characters += len(document)
            # Near the limit batches get small, so that little is read in vain.
            left = last_unit - self._num_units
            if characters >= min(_BATCH_CHARACTERS, 3 * left):
                self._add(batch, left)
                batch, characters = [], 0
                if self._num_units >= last_unit:
                    break
            if time.monotonic() > next_line:
                next_line += _SECONDS_BETWEEN_LINES
                self._report(documents.spec, first_document, first_unit, started)
        else:
            self._add(batch, last_unit - self._num_units)
        self._report(documents.spec, first_document, first_unit, started)

    def _report(self, spec, first_document, first_unit, started):
        num_documents = self.num_documents - first_document
        num_units = self._num_units - first_unit
        if not num_units:
            self._log(f"{spec}: reading")
            return
        seconds = max(time.monotonic() - started, 1e-9)
        self._log(
            f"{spec}: {num_documents:,} documents, {num_units:,} units "
            f"({num_units / seconds:,.0f} a second)"
        )

    def _add(self, batch, left):
        if not batch:
            return
        units = split_units(batch).units
        lengths = units.row_lengths().numpy()
        # Documents that begin after the limit was reached are left out.
        num_documents = int(np.searchsorted(np.cumsum(lengths), left)) + 1
        lengths = lengths[:num_documents]
        self._write(units.flat_values[: int(lengths.sum())])
        self._lengths.extend(lengths.tolist())

    def _add_long(self, document):
        """Add a document in parts: its units take many times the memory of its text."""
        before = self._num_units
        for part in _parts(document, _BATCH_CHARACTERS):
            self._write(split_units([part]).units.flat_values)
        self._lengths.append(self._num_units - before)

    def _write(self, flat_units):
        units, positions = tf.unique(flat_units)
        distinct = self.distinct
        ids = np.fromiter(
            (distinct.setdefault(unit, len(distinct)) for unit in units.numpy()),
            dtype=np.int32,
        )
        positions = positions.numpy()
        self._file.write(ids[positions].tobytes())
        self._num_units += len(positions)

    def ids(self):
        """Return all ids: int32 `(num_units,)`, a memory map of the file."""
        self._file.flush()
        if not self._num_units:
            return np.zeros(0, np.int32)
        return np.memmap(self._file, dtype=np.int32, mode="r")

    @property
    def num_documents(self):
        return len(self._lengths)

    @property
    def document_lengths(self):
        return np.array(self._lengths, dtype=np.int64)


def _parts(text, num_characters):
    """Yield the parts of a text, cut at spaces, which no unit holds."""
    start = 0
    while start < len(text):
        limit = text.find(" ", start + num_characters)
        limit = len(text) if limit < 0 else limit
        yield text[start:limit]
        start = limit + 1
