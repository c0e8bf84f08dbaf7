"""Pretraining on text: a corpus, its arrays, their windows."""

import dataclasses

from experiment.pretraining import run
from experiment.pretraining.settings import PretrainingSettings
from glomo_keras.data.corpora import read_documents
from glomo_keras.data.windows import WindowSequence
from glomo_keras.data.windows import fixed_windows


@dataclasses.dataclass(frozen=True, kw_only=True)
class CorpusSettings(PretrainingSettings):
    """Settings of a run on the windows of a corpus."""

    corpus: str
    valid_corpus: str | None
    limit: int | None
    window: int
    min_units: int
    valid_windows: int


def add_corpus_options(parser, more=""):
    """Add the texts that are read; `more` describes further values of --corpus."""
    add = parser.add_argument
    add(
        "--corpus",
        default="docs",
        help="what to read: docs (documentation of Python and Keras, the default), "
        f"files:PATH... (txt or gz), tfds:NAME (a tensorflow-datasets name){more}",
    )
    add("--valid-corpus", help="corpus for validation (default: 2%% of the documents)")


def prepare_arrays(settings, vocabulary_size, lowercase):
    """Write the arrays of the corpus, unless they are there.

    Raises:
        UsageError: if the folder holds arrays of other settings or of other texts.
    """
    arguments = {
        "spec": settings.corpus,
        "vocabulary_size": vocabulary_size,
        "lowercase": lowercase,
        "valid_spec": settings.valid_corpus,
        "limit": settings.limit,
        "seed": 0,  # the same split for all seeds of training
    }

    def write():
        from glomo_keras.data.prepare import prepare_corpus  # TensorFlow

        prepare_corpus(directory=settings.prepared, **arguments)

    sources = _sources({"train": settings.corpus, "valid": settings.valid_corpus})
    run.prepare_once(settings, {**arguments, "sources": sources}, write)


def _sources(specs):
    """Return what identifies the texts of each part, or `None` where they are not."""
    try:
        return {
            part: read_documents(spec).sources
            for part, spec in specs.items()
            if spec is not None
        }
    except (ImportError, OSError, ValueError):
        return None  # arrays are enough for a machine that only trains


def training_windows(corpus, settings, shift):
    """Return batches of windows, from the first on."""
    return WindowSequence(
        corpus.train_ids,
        corpus.train_offsets,
        settings.batch_size,
        window=settings.window,
        shift=shift,
        min_units=settings.min_units,
        seed=settings.seed,
    )


def validation_windows(corpus, settings):
    """Return the windows that every epoch is measured on."""
    return fixed_windows(
        corpus.valid_ids,
        corpus.valid_offsets,
        settings.valid_windows,
        window=settings.window,
        min_units=settings.min_units,
    )
