"""Arrays that take long to compute, kept in memory as long as there is room."""

import numpy as np


class ResultCache:
    """Results of a function of arrays, by the bytes of what they were computed from.

    Args:
        memory: int, bytes of results that are kept.
    """

    def __init__(self, memory):
        self.room = memory
        self._kept = {}
        self._earlier = {}  # of runs before, not yet used in this one

    def __len__(self):
        return len(self._kept) + len(self._earlier)

    def start_run(self):
        """From now on, where room is short, what only earlier runs used is given up.

        Within a run nothing is: in rounds over more than there is room for, what was
        given up would always be what comes next.
        """
        self._earlier |= self._kept
        self._kept = {}

    def results(self, sources, compute):
        """Results of some arrays; those that are not kept are computed.

        Args:
            sources: array `(batch, ...)`.
            compute: function of an array `(new, ...)` of sources that differ, that
                returns an array of `new` results.

        Returns:
            Array `(batch, ...)`.
        """
        keys = [source.tobytes() for source in sources]
        for key in keys:
            if key in self._earlier:
                self._kept[key] = self._earlier.pop(key)
        new = {key: i for i, key in enumerate(keys) if key not in self._kept}
        found = {}
        if new:
            computed = compute(sources[list(new.values())])
            found = dict(zip(new, computed, strict=True))
        results = np.stack([found[k] if k in found else self._kept[k] for k in keys])
        for key, result in found.items():
            while self.room < result.nbytes and self._earlier:
                self.room += self._earlier.pop(next(iter(self._earlier))).nbytes
            if self.room >= result.nbytes:
                self.room -= result.nbytes
                self._kept[key] = result.copy()  # a view would keep its whole batch
        return results
