r"""Train a bidirectional language model over characters: the features of ELMo.

    python recipes/pretrain_elmo.py --corpus docs --output runs/elmo_docs
    python recipes/pretrain_elmo.py --corpus files:wikipedia.txt.gz \
        --size small --output runs/elmo

Two steps. `prepare` turns text into arrays of word numbers and a table of the
words' characters (TensorFlow); `train` needs Keras alone and runs on any
backend. A killed run goes on with `--resume`. In the output folder:

    prepared/        the arrays, with vocabulary.txt and metadata.json
    preset/          the language model of the best epoch: what is kept
    log.csv          a line an epoch      logs/   the same for TensorBoard
    checkpoints/     the last epoch, for --resume
    settings.json    all settings of the run

`python recipes/ngram_baseline.py` gives the perplexities of n-gram counts on
the same words.
"""

import argparse
import dataclasses

import experiment.process
import keras
import numpy as np
from experiment.devices import Devices
from experiment.devices import check_prepares_alone
from experiment.precision import precision
from experiment.pretraining import run
from experiment.pretraining import text
from experiment.pretraining.corpora import load_corpus
from experiment.pretraining.settings import SIZES_TITLE
from experiment.pretraining.settings import add_run_options
from experiment.pretraining.settings import add_training_options
from experiment.pretraining.word_stream import WordBatches
from experiment.pretraining.word_stream import word_inputs
from experiment.process import positive_int
from experiment.process import usage_errors

from glomo_keras.data.prepared import VOCABULARY_FILE
from glomo_keras.data.text_files import describe_source
from glomo_keras.files import atomic_write
from glomo_keras.models import BidirectionalLanguageModel
from glomo_keras.models import LanguageModelPretrainer
from glomo_keras.pretraining.progress import words_line

SIZES = {
    "smoke": {
        "units": 24,
        "projection_dim": 8,
        "embedding_dim": 4,
        "filters": [8, 8, 8],
        "num_highways": 1,
        "max_characters": 12,
        "num_words": 300,
        "num_sampled": 50,
        "batch_size": 8,
        "window": 16,
        "steps_per_epoch": 20,
        "epochs": 2,
    },
    "small": {
        "units": 256,
        "projection_dim": 64,
        "embedding_dim": 16,
        "filters": [16, 32, 64, 96],
        "num_highways": 1,
        "max_characters": 20,
        "num_words": 16_000,
        "num_sampled": 1_024,
        "batch_size": 16,
        "window": 48,
        "steps_per_epoch": 500,
        "epochs": 12,
    },
    "paper": {
        "units": 4_096,
        "projection_dim": 512,
        "embedding_dim": 16,
        "filters": [32, 32, 64, 128, 256, 512, 1_024],
        "num_highways": 2,
        "max_characters": 50,
        "num_words": 793_471,
        "num_sampled": 8_192,
        "batch_size": 128,
        "window": 100,
        "steps_per_epoch": 5_000,
        "epochs": 100,
    },
}
NUM_TYPES = 250_000  # different words that are kept with their characters, at least


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings(text.CorpusSettings):
    """Settings of a run of this program."""

    units: int
    projection_dim: int
    embedding_dim: int
    filters: tuple
    num_highways: int
    max_characters: int
    num_words: int
    num_sampled: int
    dropout: float
    shift: int | None


def parse_settings(arguments=None):
    """Parse the command line; what a size decides may be overridden one by one."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    text.add_corpus_options(parser)
    add_run_options(parser, SIZES)
    add = parser.add_argument_group(SIZES_TITLE).add_argument
    add("--units", type=int, help="size of the LSTMs' cells")
    add("--projection-dim", type=int, help="size of a direction's vectors")
    add("--embedding-dim", type=int, help="size of the character embeddings")
    add("--filters", type=int, nargs="+", help="channels of convolutions of 1, 2, ... "
        "characters")  # fmt: skip
    add("--num-highways", type=int, help="highway layers over the characters")
    add("--max-characters", type=int, help="of a word, two marks included")
    add("--num-words", type=int, help="words that the softmax tells apart")
    add("--num-sampled", type=int, help="of them in a training step; 0 is all")
    add("--dropout", type=float, default=0.1, help="of the LSTMs' inputs (default: "
        "0.1)")  # fmt: skip
    add("--batch-size", type=positive_int, help="windows a step")
    add("--window", type=int, help="words of a window")
    add("--shift", type=positive_int, help="words between windows (default: half a "
        "window, so that windows begin elsewhere in every pass)")  # fmt: skip
    add("--steps-per-epoch", type=positive_int, help="steps an epoch")
    add("--epochs", type=positive_int, help="epochs that the schedule spans")
    add = parser.add_argument_group("texts").add_argument
    add("--min-units", type=int, default=10, help="shorter documents are dropped "
        "(default: 10)")  # fmt: skip
    add("--limit", type=int, help="read no more than about this many words")
    add("--valid-windows", type=int, default=256, help="fixed windows (default: 256)")
    add_training_options(parser, pictures=False)
    return Settings.from_options(parser.parse_args(arguments), SIZES)


def prepare(settings):
    """Write the arrays of the corpus and the characters of its words, once."""
    text.prepare_arrays(
        settings,
        max(NUM_TYPES, settings.num_words),
        lowercase=False,  # the case is in the characters
    )
    path = characters_file(settings)
    if not path.exists():
        from glomo_keras.data import character_ids  # TensorFlow

        words = load_corpus(settings).units
        with usage_errors():
            characters = character_ids(words, settings.max_characters).numpy()
        characters[0] = 0  # padding is no word
        check_prepares_alone(settings.strategy, settings.prepared)
        with run.hold_prepared(settings), atomic_write(path) as temporary:
            np.save(temporary, characters.astype("uint16"))


def characters_file(settings):
    """Return the path of the table of characters, `(words, max_characters)`.

    Its name identifies the words that it was made of.
    """
    words = describe_source(settings.prepared / VOCABULARY_FILE)["sha256"][:12]
    return settings.prepared / f"characters_{settings.max_characters}_{words}.npy"


def build_pretrainer(settings):
    """Return the model that the settings describe, compiled."""
    model = BidirectionalLanguageModel(
        settings.units,
        settings.projection_dim,
        dropout=settings.dropout,
        max_characters=settings.max_characters,
        embedding_dim=settings.embedding_dim,
        kernel_sizes=range(1, len(settings.filters) + 1),
        filters=settings.filters,
        num_highways=settings.num_highways,
        seed=settings.seed,
    )
    pretrainer = LanguageModelPretrainer(
        model, settings.num_words, settings.num_sampled or None, seed=settings.seed
    )
    run.compile_pretrainer(pretrainer, settings)
    return pretrainer


def train(settings, devices):
    """Train on the prepared arrays."""
    corpus = load_corpus(settings)
    with usage_errors():
        characters = np.load(characters_file(settings))
    keras.utils.set_random_seed(settings.seed)
    with usage_errors(), devices.scope(), precision(settings.precision):
        pretrainer = build_pretrainer(settings)
    checkpoint = run.restore_checkpoint(
        settings,
        pretrainer,
        "val_nats",
        "recipes/pretrain_elmo.py",
        devices,
        part="language_model",
    )
    first_epoch = checkpoint.state["epochs"]
    shift = settings.shift or max(1, settings.window // 2)
    with usage_errors():
        windows = corpus.training_windows(shift)
        valid = corpus.validation_windows()
    counts = corpus.unit_counts()
    in_softmax = counts[2 : settings.num_words].sum() / counts.sum()
    print(
        f"{corpus.num_units:,} words to train on, {len(corpus.units):,} different "
        f"ones; {settings.num_words:,} classes of the softmax are {in_softmax:.1%} of "
        "the text; "
        f"{pretrainer.count_params():,} parameters, "
        f"{pretrainer.language_model.count_params():,} of them in the language model; "
        f"{settings.epochs} epochs of {settings.steps_per_epoch} steps of "
        f"{settings.batch_size * settings.window:,} words, {first_epoch} of them "
        "finished."
    )
    run.fit(
        pretrainer,
        WordBatches(windows, characters, settings.num_words),
        word_inputs(valid, characters, settings.num_words),
        settings,
        checkpoint,
        devices,
        words_line,
        (settings.batch_size * settings.window, "words"),
    )


@experiment.process.one_line_errors()
def main(arguments=None):
    """Prepare, then train."""
    experiment.process.prepare_process()
    settings = parse_settings(arguments)
    devices = Devices(settings.strategy)
    with devices.lost_workers(), run.held_run(settings, devices):
        prepare(settings)
        if devices.writes:
            run.write_settings(settings)
        if settings.prepare_only:
            return
        train(settings, devices)
    print(f"The language model is in {settings.output / 'preset'}.")


if __name__ == "__main__":
    main()
