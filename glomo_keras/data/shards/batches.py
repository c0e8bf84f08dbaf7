"""Batches of the windows in shards, read by Grain: NumPy and Keras, no TensorFlow."""

import dataclasses
import itertools

import keras
import numpy as np

from glomo_keras.checks import check_positive_integers
from glomo_keras.data.shards.records import decode_documents
from glomo_keras.data.shards.records import decode_ids
from glomo_keras.data.shards.steps import id_dtype

# Windows whose places in files are kept in memory, 8 bytes each; those of larger
# corpora are read with each window, which takes ten times as long.
_MAX_IN_MEMORY = 100_000_000
_ON_DISK = {"index_storage_option": "offloaded", "footer_prefetch_bytes": "0"}


class ShardedWindows(keras.utils.PyDataset):
    """Endless batches of the windows in shards, for `fit`: each once in each pass.

    A batch has windows of about one length, padded to the length of its kind, and
    shorter windows are more in a batch, so that all batches have about as many units.
    Every pass has its own order, of windows and of batches; of each length, less
    than a batch is left out of a pass. Batch number `s` depends on `(seed, s)` alone:
    training resumes by skipping the steps done, as with `WindowSequence`. Memory does
    not grow with the corpus.

    Args:
        corpus: `ShardedCorpus`, of `load_shards`.
        batch_size: int, windows of full length in a batch.
        seed: int.
        first_step: int, number of the batch that `fit` gets first.

    Attributes:
        dataset: `grain.MapDataset` of the batches, endless: `dataset[step]`. It goes
            through all that Grain offers, and on JAX into `fit`, too.
        num_windows: int, of a pass.
        num_dropped_documents: int, that are too short for a window.

    On TensorFlow Keras takes the length of all batches from the first two. The models
    of this library that train on ids see to that; others are given `tf_dataset()`.

    Returns (from indexing):
        int32 array `(num_windows, length)`, padded with 0 on the right.

    Raises:
        ImportError: if Grain is not installed.
        ValueError: if an argument is out of range, or there is no full batch.
        OSError: from indexing, if a shard has gone or is damaged.

    Example:

    >>> import pathlib, tempfile
    >>> from glomo_keras.data import load_shards, prepare_shards
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "text.txt").write_text("one two three four five " * 20)
    >>> _ = prepare_shards(
    ...     f"files:{folder / 'text.txt'}", folder / "shards", valid_fraction=0,
    ...     window=8, num_classes=None, min_units=8, log=str,
    ... )
    >>> windows = ShardedWindows(load_shards(folder / "shards"), batch_size=4)
    >>> windows[0].shape, windows.num_windows, windows.steps_per_pass
    ((4, 8), 24, 6)
    """

    def __init__(self, corpus, batch_size, seed=0, first_step=0):
        super().__init__()  # no `workers`, see `WindowSequence`
        check_positive_integers(batch_size=batch_size)
        window = corpus.metadata["settings"]["window"]
        self.batch_size = batch_size
        self.first_step = first_step
        self._lengths = corpus.metadata["lengths"]
        self._files = _Files(corpus.train, len(self._lengths))
        self._dtype = id_dtype(len(corpus.units))
        self._sizes = [batch_size * window // length for length in self._lengths]
        self.num_windows = sum(self._files.num_windows)
        self.num_dropped_documents = corpus.metadata["short_documents"]["train"]
        self.dataset = self._make_dataset(seed)

    @property
    def error(self):
        """The `OSError` of a batch that could not be read, or `None`."""
        return self._files.error

    @property
    def num_batches(self):
        """`None`: the sequence is endless."""
        return None

    @property
    def batch_shape(self):
        """`(None, None)`: batches differ in their number of windows, and in length."""
        return None, None

    @property
    def steps_per_pass(self):
        """Steps that see every window about once."""
        pairs = zip(self._files.num_windows, self._sizes, strict=True)
        return sum(number // size for number, size in pairs)

    def __getitem__(self, index):
        return self.batch(self.first_step + index)

    def batch(self, step):
        """Return batch number `step` of the whole training."""
        return self.dataset[step]

    def tf_dataset(self):
        """Return the batches from `first_step` on as a `tf.data.Dataset`, endless."""
        from glomo_keras.data.pipeline import window_dataset

        return window_dataset(self)

    def documents(self, step):
        """Return the documents that batch `step` is of: `source, document number`."""
        bucket, places = self._places[step]
        sources = self._files.sources(bucket, places)
        numbers = decode_documents(self._files.read(bucket, places))
        return np.unique([f"{s} {n}" for s, n in zip(sources, numbers, strict=True)])

    def _make_dataset(self, seed):
        grain = _import_grain()
        parts = []
        for bucket, (number, size) in enumerate(
            zip(self._files.num_windows, self._sizes, strict=True)
        ):
            if number < size:
                continue
            part = grain.MapDataset.range(number).seed(_mix(seed, bucket)).shuffle()
            part = part.batch(size, drop_remainder=True)
            parts.append(part.map(lambda places, bucket=bucket: (bucket, places)))
        if not parts:
            raise ValueError(
                f"There is no batch of batch_size={self.batch_size} full windows or as "
                f"many units: the shards have {self._files.num_windows} windows of "
                f"lengths {self._lengths}. Use a smaller batch or a larger corpus."
            )
        batches = grain.MapDataset.concatenate(parts).seed(seed).shuffle()
        self._places = batches.repeat()
        return self._places.map(self._read)

    def _read(self, batch):
        bucket, places = batch
        records = self._files.read(bucket, places)
        return decode_ids(records, self._dtype, self._lengths[bucket])


def fixed_shard_windows(corpus, num_windows=None, seed=0):
    """Draw windows for validation that stay the same.

    Args:
        corpus: `ShardedCorpus`, of `load_shards`.
        num_windows: int or `None`. How many to draw; `None` or too many: all.
        seed: int, of the draw.

    Returns:
        int32 array `(num_windows, window)`, padded with 0.

    Raises:
        ImportError: if Grain is not installed.
        ValueError: if there is none.
    """
    check_positive_integers(or_none=True, num_windows=num_windows)
    files = _Files(corpus.valid, len(corpus.metadata["lengths"]))
    total = sum(files.num_windows)
    if not total:
        raise ValueError(
            f"{corpus.directory} has no windows for validation. Prepare it with a "
            "larger `valid_fraction`, or with `valid_spec`."
        )
    places = np.arange(total)
    if num_windows is not None and num_windows < total:
        draw = np.random.default_rng(seed).permutation(total)
        places = np.sort(draw[:num_windows])
    begins = np.cumsum([0, *files.num_windows])
    records = []
    for bucket, (begin, end) in enumerate(itertools.pairwise(begins)):
        chosen = places[(places >= begin) & (places < end)] - begin
        if len(chosen):
            records += files.read(bucket, chosen)
    window = corpus.metadata["settings"]["window"]
    return decode_ids(records, id_dtype(len(corpus.units)), window)


class _Files:
    """The records of shards by the length of their windows, each from place 0 on."""

    def __init__(self, shards, num_lengths):
        self._shards = shards
        windows = np.array([shard.windows for shard in shards], np.int64)
        windows = windows.reshape(len(shards), num_lengths)
        self._ends = np.cumsum(windows, axis=0)  # by length, over shards
        # A shard has the windows of the first length, then those of the second, ...
        totals = windows.sum(axis=1)
        begins = (np.cumsum(totals) - totals)[:, None]
        self._begins = begins + np.cumsum(windows, axis=1) - windows
        self.num_windows = windows.sum(axis=0).tolist()
        instructions = [
            _FileInstruction(str(shard.path), 0, int(total), int(total))
            for shard, total in zip(shards, totals, strict=True)
        ]
        options = _ON_DISK if sum(self.num_windows) > _MAX_IN_MEMORY else None
        self._records, self.error = None, None
        if shards:
            source = _import_grain().sources.ArrayRecordDataSource
            self._records = source(instructions, options)

    def read(self, bucket, places):
        """Return records, by their places among those of a length: list of bytes."""
        shards = self._find(bucket, places)
        before = np.where(shards > 0, self._ends[shards - 1, bucket], 0)
        keys = self._begins[shards, bucket] + places - before
        try:
            return [self._records[key] for key in keys.tolist()]
        except RuntimeError as error:
            self.error = OSError(
                "Shards cannot be read: a file has gone or is damaged. Restore it, or "
                f"prepare the shards again. ArrayRecord says: {error}".rstrip(". ")
            )
            raise self.error from error

    def sources(self, bucket, places):
        """Return the specs of the sources of records: list of strings."""
        return [self._shards[shard].source for shard in self._find(bucket, places)]

    def _find(self, bucket, places):
        return np.searchsorted(self._ends[:, bucket], places, side="right")


@dataclasses.dataclass(frozen=True)
class _FileInstruction:
    """The whole of a file, by what ArrayRecord wants to know before it opens it."""

    filename: str
    skip: int
    take: int
    examples_in_shard: int


def _mix(seed, bucket):
    return int(np.random.SeedSequence([seed, bucket]).generate_state(1)[0])


def _import_grain():
    try:
        import grain
    except ImportError as error:
        raise ImportError(
            "Shards are read by Grain, which is not installed. Use "
            '`pip install "glomo_keras[shards]"`.'
        ) from error
    return grain
