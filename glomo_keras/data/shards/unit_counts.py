"""Counts of units that take no more memory than they are allowed."""

import contextlib
import heapq
import itertools
import operator
import tempfile

_MAX_UNITS = 4_000_000  # that are counted in memory, about half a gigabyte


class UnitCounts:
    """Numbers of occurrences of units, exact, in memory and in sorted files.

    Args:
        folder: path of a folder for files that have no name.
        max_units: int, different units in memory before they go to a file.

    Example:

    >>> counts = UnitCounts(tempfile.gettempdir(), max_units=2)
    >>> counts.add([b"a", b"b"], [1, 2])
    >>> counts.add([b"c", b"a"], [2, 4])
    >>> counts.most_common(2)
    [b'a', b'b']
    """

    def __init__(self, folder, max_units=_MAX_UNITS):
        self._folder = folder
        self._max_units = max_units
        self._counts = {}
        self._files = []

    def add(self, units, counts):
        """Add numbers of occurrences.

        Args:
            units: list of bytes, without line ends.
            counts: list of ints.
        """
        known = self._counts
        for unit, count in zip(units, counts, strict=True):
            known[unit] = known.get(unit, 0) + count
        if len(known) > self._max_units:
            self._spill()

    def most_common(self, number):
        """Return the most frequent units; of equal counts, the first by its bytes.

        Args:
            number: int, at most.

        Returns:
            List of bytes. Units that were counted 0 times are not among them.
        """
        with contextlib.ExitStack() as stack:
            runs = [sorted(self._counts.items())]
            for file in self._files:
                stack.enter_context(file)
                file.seek(0)
                runs.append(_read_run(file))
            self._files = []
            total = (
                (-sum(count for _, count in group), unit)
                for unit, group in itertools.groupby(
                    heapq.merge(*runs), key=operator.itemgetter(0)
                )
            )
            best = heapq.nsmallest(number, (pair for pair in total if pair[0]))
        return [unit for _, unit in best]

    def _spill(self):
        file = tempfile.TemporaryFile(dir=self._folder)
        file.writelines(
            b"%d %b\n" % (count, unit) for unit, count in sorted(self._counts.items())
        )
        self._files.append(file)
        self._counts = {}


def _read_run(file):
    for line in file:
        count, _, unit = line.rstrip(b"\n").partition(b" ")
        yield unit, int(count)
