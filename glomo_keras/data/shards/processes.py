"""The steps of a preparation by this process, or by several of this machine."""

import collections
import concurrent.futures
import functools
import multiprocessing
import multiprocessing.connection
import os
import threading
import time

from glomo_keras.data.shards.chunks import read_chunks
from glomo_keras.data.shards.index import CorpusCounts
from glomo_keras.data.shards.index import write_index
from glomo_keras.data.shards.steps import SplitChunk
from glomo_keras.data.shards.steps import WrittenChunk
from glomo_keras.data.shards.steps import choose_lengths
from glomo_keras.data.shards.steps import has_shards
from glomo_keras.data.shards.steps import name_rejected
from glomo_keras.data.shards.steps import split_chunk
from glomo_keras.data.shards.steps import write_chunk
from glomo_keras.data.shards.steps import write_vocabulary
from glomo_keras.data.shards.unit_counts import UnitCounts

WORK = "work"  # folder of what is not finished
STAGES = ("split", "written")  # folders in it, of a file a chunk
_SECONDS_BETWEEN_LINES = 5


def run_processes(sources, settings, directory, described, num_classes, workers, log):
    """Prepare shards by processes; chunks that are done are not done again.

    Args:
        sources: list of `Source`.
        settings: `ShardSettings`.
        directory: `pathlib.Path`, in which the folders of `STAGES` are.
        described, num_classes: see `write_index`.
        workers: int, 1 is this process alone.
        log: function that takes lines of progress.
    """
    work = directory / WORK
    with _Pool(workers) as pool:
        units = UnitCounts(work)
        progress = _Progress("split into units", log, num_sources=len(sources))
        paths, window_lengths, rejected = [], 0, []
        split = functools.partial(_split_to_file, settings=settings, folder=work)
        chunks = (
            chunk
            for source in sources
            for chunk in read_chunks(source, settings.chunk_characters)
        )
        for path, names, counts, lengths, num_units, bad in pool.map(split, chunks):
            paths.append(path)
            rejected += bad
            units.add(names, counts)
            window_lengths = window_lengths + lengths
            progress.add(path, num_units)
        progress.end()
        vocabulary = write_vocabulary(
            units.most_common(settings.vocabulary_size - 2),
            settings,
            directory,
            rejected,
        )
        lengths = choose_lengths(window_lengths, settings.max_padding)
        counts = CorpusCounts(vocabulary.count(b"\n"))
        progress = _Progress("written", log, num_chunks=len(paths))
        summaries = []
        write = functools.partial(
            _write_to_file,
            vocabulary=vocabulary,
            lengths=lengths,
            settings=settings,
            folder=directory,
        )
        for path in pool.map(write, paths):
            written = WrittenChunk.load(path)
            summaries.append(written.summary)
            counts.add(written)
            units_of = (written.summary[split]["units"] for split in ("train", "valid"))
            progress.add(path, sum(units_of))
        progress.end()
    write_index(directory, described, summaries, counts, lengths, num_classes)


def _split_to_file(chunk, settings, folder):
    path = folder / "split" / f"{chunk.name}.npz"
    if path.exists():
        split = SplitChunk.load(path)
    else:
        split = split_chunk(chunk, settings)
        split.save(path)
    return (
        path,
        split.units,
        split.counts,
        split.window_lengths,
        len(split.ids),
        name_rejected(split),
    )


def _write_to_file(path, vocabulary, lengths, settings, folder):
    written_path = folder / WORK / "written" / path.name
    is_written = written_path.exists() and has_shards(
        WrittenChunk.load(written_path).summary, folder
    )
    if not is_written:
        split = SplitChunk.load(path)
        written = write_chunk(split, vocabulary, lengths, settings, folder)
        written.save(written_path)
    return written_path


class _Pool:
    """Processes that apply a function to items, in order; one is this process."""

    def __init__(self, workers):
        self._workers = workers
        self._executor = None

    def __enter__(self):
        if self._workers > 1:
            self._executor = concurrent.futures.ProcessPoolExecutor(
                self._workers,
                multiprocessing.get_context("spawn"),  # TensorFlow does not fork
                initializer=_end_with_parent,
            )
        return self

    def __exit__(self, *error):
        if self._executor is not None:
            self._executor.shutdown(cancel_futures=True)

    def map(self, function, items):
        """Yield results in order; few items wait at a time."""
        if self._executor is None:
            yield from map(function, items)
            return
        waiting = collections.deque()
        for item in items:
            waiting.append(self._executor.submit(function, item))
            if len(waiting) > self._workers + 1:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _end_with_parent():
    """End this process when the one that started it ends, even by a kill."""
    parent = multiprocessing.parent_process().sentinel

    def wait():
        multiprocessing.connection.wait([parent])
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


class _Progress:
    """A line of progress every few seconds: how much is done, and how much there is.

    Args:
        what: string, what is done to chunks.
        log: function that takes lines.
        num_sources: int, sources that chunks are read from, or `None`.
        num_chunks: int, all chunks, or `None` while that is not known.
    """

    def __init__(self, what, log, num_sources=None, num_chunks=None):
        self._what, self._log = what, log
        self._num_sources = num_sources
        self._of_all = "" if num_chunks is None else f" of {num_chunks:,}"
        self._started = time.monotonic()
        self._next = self._started + _SECONDS_BETWEEN_LINES
        self._num_units = self._num_chunks = self._source = 0

    def add(self, path, num_units):
        self._source = int(path.name.partition("-")[0])  # see `Chunk.name`
        self._num_units += num_units
        self._num_chunks += 1
        if time.monotonic() > self._next:
            self._next = time.monotonic() + _SECONDS_BETWEEN_LINES
            self.end()

    def end(self):
        seconds = max(time.monotonic() - self._started, 1e-9)
        place = ""
        if self._num_sources is not None and self._num_sources > 1:
            place = f", source {self._source + 1:,} of {self._num_sources:,}"
        self._log(
            f"{self._what}: {self._num_chunks:,}{self._of_all} chunks{place}, "
            f"{self._num_units:,} units ({self._num_units / seconds:,.0f} a second)"
        )
