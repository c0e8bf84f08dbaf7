r"""Write a corpus as shards, for pretraining on more text than fits into memory.

    python recipes/prepare_corpus.py --corpus files:books/*.txt.gz \
        --workers 8 --output shards/books
    python recipes/pretrain_text.py --shards shards/books --output runs/books

Text is read once, and split into units by several processes; the files are the
same for any number of them. A killed program goes on when it is started again.
With --beam the same steps are a pipeline of Apache Beam, whose options follow
--beam:

    python recipes/prepare_corpus.py --corpus files:/data/*.gz \
        --output /data/shards \
        --beam --runner=FlinkRunner --flink_master=host:8081

In the output folder are the shards, vocabulary.txt, the classes of units, and
metadata.json, the index, which is written last.
"""

import argparse
import contextlib

import experiment.process
from experiment.process import UsageError
from experiment.process import non_negative_int
from experiment.process import positive_int
from experiment.process import usage_errors
from experiment.sizes import add_size_option
from experiment.sizes import defaults_of
from experiment.sizes import fill_in

from glomo_keras.data.shards.prepare import prepare_shards
from glomo_keras.files import named_path

SIZES = {
    "smoke": {"corpus": "planted"},
    "small": {"corpus": "docs"},
}


def parse_options(arguments=None):
    """Parse the command line; what follows --beam is for Beam."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_size_option(parser, SIZES)
    add = parser.add_argument
    add(
        "--corpus",
        help="what to read: docs (documentation of Python and Keras), files:PATH... "
        "(txt or gz), tfds:NAME (a tensorflow-datasets name), planted (made up) "
        + defaults_of(SIZES, "corpus"),
    )
    add("--valid-corpus", help="corpus for validation (default: --valid-fraction)")
    add(
        "--valid-fraction",
        type=float,
        default=0.02,
        help="share of the documents drawn for validation (default: 0.02)",
    )
    add("--output", required=True, type=named_path, help="folder of the shards")
    add(
        "--workers", type=positive_int, default=1, help="processes (default: 1, itself)"
    )
    add(
        "--vocabulary-size",
        type=positive_int,
        default=30_000,
        help="number of unit ids (default: 30000)",
    )
    add("--keep-case", action="store_true", help="look units up as they are written")
    add(
        "--window",
        type=positive_int,
        default=64,
        help="units of a window (default: 64)",
    )
    add(
        "--shift",
        type=positive_int,
        help="units from one window to the next (default: half a window)",
    )
    add(
        "--min-units",
        type=positive_int,
        default=20,
        help="shorter documents are dropped (default: 20)",
    )
    add(
        "--max-padding",
        type=float,
        default=0.1,
        help="share of padding in batches, for which windows are padded to as few "
        "lengths as it takes (default: 0.1)",
    )
    add(
        "--num-classes",
        type=positive_int,
        default=500,
        help="classes of units made at once; others are made when they are asked for "
        "(default: 500)",
    )
    add(
        "--seed",
        type=non_negative_int,
        default=0,
        help="of the draw for validation (default: 0)",
    )
    add(
        "--chunk-characters",
        type=positive_int,
        default=8_000_000,
        help="of the documents in a shard, about (default: 8000000)",
    )
    add(
        "--beam",
        nargs=argparse.REMAINDER,
        metavar="OPTION",
        help="run on Apache Beam, with its options; without any, on its DirectRunner",
    )
    options = parser.parse_args(arguments)
    fill_in(options, SIZES)
    return options


@contextlib.contextmanager
def _what_stays(options):
    """Say, where a file cannot be read or written, that what is prepared stays."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise UsageError(
            f"{error}. What is prepared stays in {options.output}: the same command "
            "goes on with it, once there is room and every file can be read."
        ) from error


@experiment.process.one_line_errors()
def main(arguments=None):
    """Prepare the shards."""
    experiment.process.prepare_process()
    options = parse_options(arguments)
    with usage_errors(), _what_stays(options):
        prepare_shards(
            options.corpus,
            options.output,
            vocabulary_size=options.vocabulary_size,
            lowercase=not options.keep_case,
            valid_fraction=options.valid_fraction,
            valid_spec=options.valid_corpus,
            window=options.window,
            shift=options.shift,
            min_units=options.min_units,
            max_padding=options.max_padding,
            num_classes=options.num_classes,
            seed=options.seed,
            chunk_characters=options.chunk_characters,
            workers=options.workers,
            beam_options=options.beam,
        )


if __name__ == "__main__":
    main()
