"""Results that take long to compute, in memory as long as there is room."""

import threading

import keras
import numpy as np

from glomo_keras.checks import non_negative_integer

GIBIBYTE = 2**30
# Not "auto", which does without XLA where there is no accelerator: what is held would
# differ from machine to machine. PyTorch has no XLA.
JIT_COMPILE = "auto" if keras.backend.backend() == "torch" else True


class ResultCache:
    """Results of a function of arrays, by the content of these arrays.

    Threads may share one. Two that ask for the same at a time both compute it.

    Args:
        num_bytes: int, bytes of results that are held.

    Raises:
        ValueError: if `num_bytes` is negative.
        TypeError: if it is no integer.

    Example:

    >>> cache = ResultCache(num_bytes=2**20)
    >>> cache.results(np.array([3, 5, 3]), lambda numbers: numbers**2).tolist()
    [9, 25, 9]
    >>> len(cache)
    2
    """

    def __init__(self, num_bytes):
        self.free_bytes = non_negative_integer("num_bytes", num_bytes)
        self._results = {}
        self._earlier = {}  # of runs before, not yet used in this one
        self._lock = threading.Lock()

    def __len__(self):
        return len(self._results) + len(self._earlier)

    def start_run(self):
        """Let what only earlier runs used make room, where it is short.

        Within a run nothing makes room: in rounds over more than there is room for, it
        would always be what comes next.
        """
        with self._lock:
            self._earlier |= self._results
            self._results = {}

    def results(self, sources, compute):
        """Return the results of some arrays; compute those that are not held.

        Args:
            sources: array `(batch, ...)`.
            compute: function of an array `(new, ...)` of sources that differ, that
                returns an array of `new` results.

        Returns:
            Array `(batch, ...)`.
        """
        sources = np.asarray(sources)
        if not len(sources):
            return compute(sources)
        kind = sources.shape[1:], sources.dtype.str
        keys = [(kind, source.tobytes()) for source in sources]
        is_held, held = self._held(keys)
        if all(is_held):
            return held
        missing = {key: i for i, key in enumerate(keys) if not is_held[i]}
        rows = compute(sources[list(missing.values())])
        computed = dict(zip(missing, rows, strict=True))
        for key, result in computed.items():
            self._hold(key, result)
        held = iter(held)
        return np.stack(
            [next(held) if is_held[i] else computed[key] for i, key in enumerate(keys)]
        )

    def _held(self, keys):
        """Return which keys are held, bools, and a copy of their results.

        This run then uses them. They are copied before another thread can put others
        in their place.
        """
        with self._lock:
            for key in keys:
                if key in self._earlier:
                    self._results[key] = self._earlier.pop(key)
            is_held = [key in self._results for key in keys]
            held = [self._results[key] for key in keys if key in self._results]
            return is_held, np.stack(held) if held else []

    def _hold(self, key, result):
        with self._lock:
            if key in self._results or key in self._earlier:
                return  # another thread was first
            place = None
            while self.free_bytes < result.nbytes and self._earlier:
                place = self._earlier.pop(next(iter(self._earlier)))
                self.free_bytes += place.nbytes
            if self.free_bytes < result.nbytes:
                return
            self.free_bytes -= result.nbytes
            # In the memory of what makes room: what one thread has freed is often not
            # used by another, and would add to what is held.
            if place is None or not _is_alike(place, result):
                place = np.empty_like(result)
            place[...] = result
            self._results[key] = place


def _is_alike(first, second):
    return (first.shape, first.dtype) == (second.shape, second.dtype)
