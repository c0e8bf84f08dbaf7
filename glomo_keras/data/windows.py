"""Windows of units over documents: NumPy and Keras only, no TensorFlow."""

import functools
import typing

import keras
import numpy as np

from glomo_keras.checks import check_positive_integers


class Windows(typing.NamedTuple):
    """Windows of one pass over a corpus, in the order of the documents.

    Attributes:
        starts: int64 array `(num_windows,)`, positions in the flat ids.
        limits: int64 array `(num_windows,)`, positions after the last unit.
        num_dropped: int, documents under `min_units`, of which there is no window.
    """

    starts: np.ndarray
    limits: np.ndarray
    num_dropped: int


def window_starts(
    document_lengths,
    window=200,
    shift=100,
    jitter=None,
    min_units=20,
    seed=0,
    epoch=0,
):
    """Place windows on documents that lie one after another in a flat array.

    Windows start every `shift` units; all but the first of a document are moved by up
    to `jitter` units, differently in every epoch, so that contexts are not always cut
    at the same places. No window crosses documents, every unit of a document that is
    long enough is in some window, and the last one may be short. How many
    windows there are depends neither on `seed` nor on `epoch`.

    Args:
        document_lengths: int array `(num_documents,)`, units of every document.
        window: int, units of a window.
        shift: int, units from one window to the next.
        jitter: int or `None`. Largest move: at most `(window - shift) // 2`, or else
            units could be missed, and `shift // 2`. `None` takes the largest.
        min_units: int, shorter documents have no windows.
        seed, epoch: ints that the moves are drawn from.

    Returns:
        `Windows`, a named tuple `(starts, limits, num_dropped)`.

    Raises:
        ValueError: if an argument is out of its range.
        TypeError: if one is no integer.

    Example:

    >>> windows = window_starts([3, 12, 5], window=5, shift=3, jitter=0, min_units=4)
    >>> windows.starts.tolist(), windows.limits.tolist(), windows.num_dropped
    ([3, 6, 9, 12, 15], [8, 11, 14, 15, 20], 1)
    """
    check_positive_integers(window=window, shift=shift, min_units=min_units)
    if shift > window:
        raise ValueError(
            "`shift` must be from 1 to `window`. "
            f"Received: shift={shift}, window={window}."
        )
    largest = min((window - shift) // 2, shift // 2)
    jitter = largest if jitter is None else jitter
    if not 0 <= jitter <= largest:
        raise ValueError(
            f"`jitter` must be from 0 to {largest} for window={window} and "
            f"shift={shift}. Received: jitter={jitter}. A larger one could skip units."
        )
    lengths = np.asarray(document_lengths, dtype=np.int64)
    long_enough = np.flatnonzero(lengths >= min_units)
    begins = (np.cumsum(lengths) - lengths)[long_enough]
    lengths = lengths[long_enough]
    num_windows = 1 + -(-np.maximum(lengths - window, 0) // shift)
    documents = np.repeat(np.arange(len(long_enough)), num_windows)
    # 0, 1, 2, ... within each document
    ranks = np.arange(len(documents)) - np.repeat(
        np.cumsum(num_windows) - num_windows, num_windows
    )
    moves = np.random.default_rng([seed, epoch, 0]).integers(
        -jitter, jitter, size=len(documents), endpoint=True
    )
    # A last window moved to the left could miss the last units.
    is_last = ranks == num_windows[documents] - 1
    moves = np.where(ranks == 0, 0, np.where(is_last, np.abs(moves), moves))
    starts = ranks * shift + moves
    limits = np.minimum(starts + window, lengths[documents])
    offsets = begins[documents]
    return Windows(
        offsets + starts, offsets + limits, len(document_lengths) - len(long_enough)
    )


def gather_windows(ids, starts, limits, window):
    """Cut windows out of flat ids: int32 `(len(starts), window)`, padded with 0."""
    positions = starts[:, None] + np.arange(window)
    # A position past the window's limit reads its first unit, and is then zeroed.
    is_unit = positions < limits[:, None]
    gathered = ids[np.where(is_unit, positions, starts[:, None])]
    return np.where(is_unit, gathered, 0).astype(np.int32)


class WindowSequence(keras.utils.PyDataset):
    """Endless batches of windows for `fit`: every window once in each pass.

    Batch number `s` depends on `(seed, s)` alone. The windows of all passes form one
    stream, each pass in its own random order and with its own jitter, and batch `s` is
    a fixed slice of it: no batch is partial, and training resumes exactly by skipping
    the steps done. The sequence has no length, so `fit` needs `steps_per_epoch`
    (`steps_per_pass` is one pass), and `shuffle=False`, because the order is set here:

        sequence = WindowSequence(ids, offsets, 32, first_step=initial_epoch * steps)
        model.fit(
            sequence, steps_per_epoch=steps, initial_epoch=initial_epoch,
            epochs=epochs, shuffle=False,
        )

    Args:
        ids: int array `(num_units,)` of all documents, may be a memory map.
        document_offsets: int array `(num_documents + 1,)`; document d is
            `ids[document_offsets[d]:document_offsets[d + 1]]`.
        batch_size: int.
        window, shift, jitter, min_units: see `window_starts`.
        seed: int.
        shuffle: bool. False keeps the order of the documents.
        first_step: int, number of the batch that `fit` gets first.

    Returns (from indexing):
        int32 array `(batch_size, window)`, padded with 0 on the right.

    Raises:
        ValueError: if an argument is out of range, or no document is long enough.
        TypeError: if one is no integer.

    Example:

    >>> sequence = WindowSequence(
    ...     np.arange(2, 22), [0, 9, 20], batch_size=3, window=5, shift=5,
    ...     min_units=1, shuffle=False,
    ... )
    >>> sequence.num_windows, sequence.steps_per_pass
    (5, 1)
    >>> sequence[0].tolist()
    [[2, 3, 4, 5, 6], [7, 8, 9, 10, 0], [11, 12, 13, 14, 15]]
    """

    def __init__(
        self,
        ids,
        document_offsets,
        batch_size,
        window=200,
        shift=100,
        jitter=None,
        min_units=20,
        seed=0,
        shuffle=True,
        first_step=0,
    ):
        # No `workers`: Keras keeps one queue for them, and the batch that it draws to
        # build a model would be lost. Cutting one takes a tenth of a millisecond.
        super().__init__()
        check_positive_integers(batch_size=batch_size)
        self.ids = ids
        self.document_lengths = _document_lengths(ids, document_offsets)
        self.batch_size = batch_size
        self.window = window
        self.shift = shift
        self.jitter = jitter
        self.min_units = min_units
        self.seed = seed
        self.shuffle = shuffle
        self.first_step = first_step
        # A batch reads one pass, or two where a pass ends.
        self._windows_of_pass = functools.lru_cache(maxsize=3)(self._place_windows)
        windows = self._windows_of_pass(0)
        self.num_windows = len(windows.starts)
        self.num_dropped_documents = windows.num_dropped
        if not self.num_windows:
            raise ValueError(
                f"All {windows.num_dropped} documents are shorter than `min_units` "
                f"({min_units}). Use a smaller `min_units` or another corpus."
            )

    @property
    def batch_shape(self):
        """`(batch_size, window)`, of every batch."""
        return self.batch_size, self.window

    @property
    def num_batches(self):
        """`None`: the sequence is endless."""
        return None

    @property
    def steps_per_pass(self):
        """Steps that see every window about once: whole batches in a pass."""
        return max(1, self.num_windows // self.batch_size)

    def __getitem__(self, index):
        return self.batch(self.first_step + index)

    def batch(self, step):
        """Return batch number `step` of the whole training."""
        return gather_windows(self.ids, *self._places(step), self.window)

    def documents(self, step):
        """Return the numbers of the documents that batch `step` is cut out of."""
        starts, _ = self._places(step)
        ends = np.cumsum(self.document_lengths)
        return np.unique(np.searchsorted(ends, starts, side="right"))

    def _places(self, step):
        stream = np.arange(step * self.batch_size, (step + 1) * self.batch_size)
        passes, ranks = np.divmod(stream, self.num_windows)
        starts, limits = np.empty_like(stream), np.empty_like(stream)
        for number in np.unique(passes):
            windows = self._windows_of_pass(int(number))
            in_pass = passes == number
            starts[in_pass] = windows.starts[ranks[in_pass]]
            limits[in_pass] = windows.limits[ranks[in_pass]]
        return starts, limits

    def _place_windows(self, number):
        windows = window_starts(
            self.document_lengths,
            window=self.window,
            shift=self.shift,
            jitter=self.jitter,
            min_units=self.min_units,
            seed=self.seed,
            epoch=number,
        )
        if not self.shuffle:
            return windows
        order = np.random.default_rng([self.seed, number, 1]).permutation(
            len(windows.starts)
        )
        return windows._replace(
            starts=windows.starts[order], limits=windows.limits[order]
        )


def fixed_windows(
    ids, document_offsets, num_windows=None, window=200, min_units=20, seed=0
):
    """Draw windows that stay the same, for validation.

    They do not overlap and are not moved; the draw depends on `seed` alone.

    Args:
        ids, document_offsets: as for `WindowSequence`.
        num_windows: int or `None`. How many to draw; `None` or too many: all.
        window, min_units: see `window_starts`.
        seed: int.

    Returns:
        int32 array `(num_windows, window)`, padded with 0, in document order.

    Raises:
        ValueError: if an argument is out of range, or no document is long enough.
        TypeError: if one is no integer.

    Example:

    >>> fixed_windows(np.arange(2, 9), [0, 7], window=4, min_units=1).tolist()
    [[2, 3, 4, 5], [6, 7, 8, 0]]
    """
    check_positive_integers(or_none=True, num_windows=num_windows)
    starts, limits, num_dropped = window_starts(
        _document_lengths(ids, document_offsets),
        window=window,
        shift=window,
        jitter=0,
        min_units=min_units,
    )
    if not len(starts):
        raise ValueError(
            f"All {num_dropped} documents are shorter than `min_units` ({min_units}). "
            "Use a smaller `min_units` or another corpus."
        )
    if num_windows is not None and num_windows < len(starts):
        draw = np.random.default_rng(seed).permutation(len(starts))[:num_windows]
        starts, limits = starts[np.sort(draw)], limits[np.sort(draw)]
    return gather_windows(ids, starts, limits, window)


def _document_lengths(ids, document_offsets):
    offsets = np.asarray(document_offsets, dtype=np.int64)
    lengths = np.diff(offsets)
    if offsets.ndim != 1 or not len(lengths) or lengths.min() < 0 or offsets[0] != 0:
        raise ValueError(
            "`document_offsets` must be a rising array (num_documents + 1,) from 0. "
            f"Received an array of shape {offsets.shape}: {offsets[:5]}..."
        )
    if offsets[-1] != len(ids):
        raise ValueError(
            "`document_offsets` must end with the number of ids. Received: "
            f"document_offsets[-1]={offsets[-1]}, len(ids)={len(ids)}. Use the offsets "
            "that were saved with these ids."
        )
    return lengths
