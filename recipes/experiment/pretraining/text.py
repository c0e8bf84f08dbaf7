"""What the pretraining recipes of text share: a corpus, its arrays, their windows."""

from experiment.pretraining import run
from glomo_keras.data.prepared import read_metadata
from glomo_keras.data.windows import WindowSequence
from glomo_keras.data.windows import fixed_windows


def add_corpus_options(parser, more=""):
    """The texts that are read; `more` describes further values of --corpus."""
    add = parser.add_argument
    add(
        "--corpus",
        default="docs",
        help="what to read: docs (documentation of Python and Keras, the default), "
        f"files:PATH... (txt or gz), tfds:NAME (a tensorflow-datasets name){more}",
    )
    add("--valid-corpus", help="corpus for validation (default: 2%% of the documents)")


def prepare_arrays(options, vocabulary_size, lowercase):
    """Write the arrays of the corpus, unless they are there."""
    settings = {
        "spec": options.corpus,
        "vocabulary_size": vocabulary_size,
        "lowercase": lowercase,
        "valid_spec": options.valid_corpus,
        "limit": options.limit,
        "seed": 0,  # the same split for all seeds of training
    }
    found = read_metadata(options.prepared)
    if found is not None:
        run.check_prepared(options.prepared, found.get("settings", {}), settings)
        return
    from glomo_keras.data.prepare import prepare_corpus  # TensorFlow

    prepare_corpus(directory=options.prepared, **settings)


def training_windows(corpus, options, shift, first_epoch):
    """Batches of windows, from those of `first_epoch` on."""
    return WindowSequence(
        corpus.train_ids,
        corpus.train_offsets,
        options.batch_size,
        window=options.window,
        shift=shift,
        min_units=options.min_units,
        seed=options.seed,
        first_step=first_epoch * options.steps_per_epoch,
    )


def validation_windows(corpus, options):
    """The windows that every epoch is measured on."""
    return fixed_windows(
        corpus.valid_ids,
        corpus.valid_offsets,
        options.valid_windows,
        window=options.window,
        min_units=options.min_units,
    )
