"""The steps of a preparation as a pipeline of Apache Beam."""

import functools

from glomo_keras.data.shards.chunks import read_chunks
from glomo_keras.data.shards.index import CorpusCounts
from glomo_keras.data.shards.index import write_index
from glomo_keras.data.shards.steps import choose_lengths
from glomo_keras.data.shards.steps import name_rejected
from glomo_keras.data.shards.steps import split_chunk
from glomo_keras.data.shards.steps import write_chunk
from glomo_keras.data.shards.steps import write_vocabulary


def run_pipeline(sources, settings, directory, described, num_classes, beam_options):
    """Prepare shards by Beam: files are read, chunks split and written in parallel.

    Args:
        sources: list of `Source`.
        settings: `ShardSettings`.
        directory: `pathlib.Path`, which all workers see.
        described, num_classes: see `write_index`.
        beam_options: list of strings.
    """
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions

    read = functools.partial(read_chunks, num_characters=settings.chunk_characters)
    with beam.Pipeline(options=PipelineOptions(list(beam_options))) as pipeline:
        splits = (
            pipeline
            | "Sources" >> beam.Create(sources)
            | "Read" >> beam.FlatMap(read)
            | "Spread" >> beam.Reshuffle()
            | "Split" >> beam.Map(split_chunk, settings)
        )
        rejected = splits | "Rejected" >> beam.FlatMap(name_rejected)
        vocabulary = (
            splits
            | "Units" >> beam.FlatMap(_occurring_units)
            | "Count" >> beam.CombinePerKey(sum)
            | "Frequent"
            >> beam.combiners.Top.Of(
                settings.vocabulary_size - 2,
                key=lambda unit: (-unit[1], unit[0]),
                reverse=True,
            )
            | "Vocabulary"
            >> beam.Map(
                _write_vocabulary, settings, directory, beam.pvalue.AsIter(rejected)
            )
        )
        lengths = (
            splits
            | "Lengths" >> beam.Map(lambda split: split.window_lengths)
            | "Sum" >> beam.CombineGlobally(_add_arrays)
            | "Choose" >> beam.Map(choose_lengths, settings.max_padding)
        )
        vocabulary, lengths = map(beam.pvalue.AsSingleton, (vocabulary, lengths))
        written = splits | "Write" >> beam.Map(
            write_chunk, vocabulary, lengths, settings, directory
        )
        summaries = written | "Summaries" >> beam.Map(lambda chunk: chunk.summary)
        counts = written | "Neighbours" >> beam.CombineGlobally(_add_counts)
        _ = (
            pipeline
            | "End" >> beam.Create([None])
            | "Index"
            >> beam.Map(
                lambda _, summaries, counts, lengths: write_index(
                    directory, described, summaries, counts, lengths, num_classes
                ),
                beam.pvalue.AsIter(summaries),
                beam.pvalue.AsSingleton(counts),
                lengths,
            )
        )


def _occurring_units(split):
    pairs = zip(split.units, split.counts, strict=True)
    return [(unit, count) for unit, count in pairs if count]


def _write_vocabulary(counts, settings, directory, rejected):
    units = [unit for unit, _ in counts]
    return write_vocabulary(units, settings, directory, rejected)


def _add_arrays(arrays):
    return sum(arrays)


def _add_counts(items):
    """Add up `WrittenChunk`s, and `CorpusCounts` of others."""
    total = None
    for item in items:
        if total is None:
            total = CorpusCounts(len(item.unit_counts))
        if isinstance(item, CorpusCounts):
            total.merge(item)
        else:
            total.add(item)
    return total
