"""Pretraining on text: which corpus, and its arrays."""

import dataclasses
from pathlib import Path

from experiment.pretraining import run
from experiment.pretraining.settings import PretrainingSettings
from glomo_keras.data.corpora import read_documents
from glomo_keras.files import named_path


@dataclasses.dataclass(frozen=True, kw_only=True)
class CorpusSettings(PretrainingSettings):
    """Settings of a run on the windows of a corpus."""

    corpus: str
    shards: Path | None
    valid_corpus: str | None
    limit: int | None
    window: int
    min_units: int
    valid_windows: int

    @classmethod
    def from_options(cls, options, sizes, released=False):
        """Return the settings; what is prepared are the shards, where there are any."""
        settings = super().from_options(options, sizes, released)
        if settings.shards is None:
            return settings
        return dataclasses.replace(settings, prepared=settings.shards)


def add_corpus_options(parser, more=""):
    """Add the texts that are read; `more` describes further values of --corpus."""
    add = parser.add_argument
    add(
        "--corpus",
        default="docs",
        help="what to read: docs (documentation of Python and Keras, the default), "
        f"files:PATH... (txt or gz), tfds:NAME (a tensorflow-datasets name){more}",
    )
    add(
        "--shards",
        type=named_path,
        help="folder of what prepare_corpus.py wrote, which decides texts, vocabulary "
        "and windows in place of the other options",
    )
    add("--valid-corpus", help="corpus for validation (default: 2%% of the documents)")


def prepare_arrays(settings, vocabulary_size, lowercase):
    """Write the arrays of the corpus, unless they are there, or are shards.

    Raises:
        UsageError: if the folder holds arrays of other settings or of other texts.
    """
    if settings.shards is not None:
        return
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
