"""Train a bidirectional language model over characters: the features of ELMo.

    python recipes/pretrain_elmo.py --corpus docs --output runs/elmo_docs
    python recipes/pretrain_elmo.py --corpus files:wikipedia.txt.gz --size small \
        --output runs/elmo

Two steps. `prepare` turns text into arrays of word numbers and a table of the words'
characters (TensorFlow); `train` needs Keras alone and runs on any backend. A killed
run goes on with `--resume`. In the output folder:

    prepared/        the arrays, with vocabulary.txt and metadata.json
    preset/          the language model of the best epoch: what is kept
    log.csv          a line an epoch      logs/   the same for TensorBoard
    checkpoints/     the last epoch, for --resume
    settings.json    all settings of the run

`python recipes/count_models.py` gives the perplexities of n-gram counts on the same
words.
"""

import argparse

import experiment.process
import keras
import numpy as np
from experiment.pretraining import run
from experiment.pretraining import text
from experiment.pretraining.progress import words_line
from experiment.pretraining.word_stream import WordBatches
from experiment.pretraining.word_stream import word_inputs

from glomo_keras.data.prepared import load_prepared
from glomo_keras.files import atomic_write
from glomo_keras.models import BidirectionalLanguageModel
from glomo_keras.models import LanguageModelPretrainer

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


def parse_arguments(arguments=None):
    """Parse the command line; what a size decides may be overridden one by one."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    text.add_corpus_options(parser)
    run.add_run_options(parser, SIZES)
    add = parser.add_argument_group(run.SIZES_TITLE).add_argument
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
    add("--batch-size", type=int, help="windows a step")
    add("--window", type=int, help="words of a window")
    add("--shift", type=int, help="words between windows (default: half a window, so "
        "that windows begin elsewhere in every pass)")  # fmt: skip
    add("--steps-per-epoch", type=int, help="steps an epoch")
    add("--epochs", type=int, help="epochs that the schedule spans")
    add = parser.add_argument_group("texts").add_argument
    add("--min-units", type=int, default=10, help="shorter documents are dropped "
        "(default: 10)")  # fmt: skip
    add("--limit", type=int, help="read no more than about this many words")
    add("--valid-windows", type=int, default=256, help="fixed windows (default: 256)")
    run.add_training_options(parser, pictures=False)
    return run.finish_options(parser.parse_args(arguments), SIZES)


def prepare(options):
    """Write the arrays of the corpus and the characters of its words, once."""
    text.prepare_arrays(
        options,
        max(NUM_TYPES, options.num_words),
        lowercase=False,  # the case is in the characters
    )
    path, metadata = characters_file(options), options.prepared / "metadata.json"
    if not path.exists() or path.stat().st_mtime < metadata.stat().st_mtime:
        from glomo_keras.data import character_ids

        words = load_prepared(options.prepared).units
        characters = character_ids(words, options.max_characters).numpy()
        characters[0] = 0  # padding is no word
        with atomic_write(path) as temporary:
            np.save(temporary, characters.astype("uint16"))


def characters_file(options):
    """Path of the table of characters, `(words, max_characters)`."""
    return options.prepared / f"characters_{options.max_characters}.npy"


def share_told_apart(ids, num_words):
    """Share of words that the softmax tells apart: all but unknown and rarer ones."""
    ids = np.asarray(ids)
    return np.mean((ids >= 2) & (ids < num_words))


def build_pretrainer(options):
    """Make the model that the options describe, compiled."""
    model = BidirectionalLanguageModel(
        options.units,
        options.projection_dim,
        dropout=options.dropout,
        max_characters=options.max_characters,
        embedding_dim=options.embedding_dim,
        kernel_sizes=range(1, len(options.filters) + 1),
        filters=options.filters,
        num_highways=options.num_highways,
        seed=options.seed,
    )
    pretrainer = LanguageModelPretrainer(
        model, options.num_words, options.num_sampled or None, seed=options.seed
    )
    run.compile_pretrainer(pretrainer, options)
    return pretrainer


def train(options):
    """Train on the prepared arrays; returns the pretrainer."""
    corpus = load_prepared(options.prepared)
    characters = np.load(characters_file(options))
    keras.utils.set_random_seed(options.seed)
    pretrainer = build_pretrainer(options)
    checkpoint = run.make_checkpoint(
        options, "val_nats", "recipes/pretrain_elmo.py", part="language_model"
    )
    first_epoch = checkpoint.restore(pretrainer) if options.resume else 0
    shift = options.shift or max(1, options.window // 2)
    windows = text.training_windows(corpus, options, shift, first_epoch)
    valid = text.validation_windows(corpus, options)
    known = share_told_apart(corpus.train_ids, options.num_words)
    print(
        f"{len(corpus.train_ids):,} words to train on, {len(corpus.units):,} different "
        f"ones; the softmax tells {options.num_words:,} apart ({known:.1%}); "
        f"{pretrainer.count_params():,} parameters, "
        f"{pretrainer.language_model.count_params():,} of them in the language model; "
        f"{options.epochs} epochs of {options.steps_per_epoch} steps of "
        f"{options.batch_size * options.window:,} words. "
        f"Starting at epoch {first_epoch + 1}."
    )
    run.fit(
        pretrainer,
        WordBatches(windows, characters, options.num_words),
        word_inputs(valid, characters, options.num_words),
        options,
        checkpoint,
        first_epoch,
        words_line,
    )
    return pretrainer


def main(arguments=None):
    """Prepare, then train."""
    experiment.process.prepare_process()
    options = parse_arguments(arguments)
    prepare(options)
    run.write_settings(options)
    if options.prepare_only:
        return
    train(options)
    print(f"The language model is in {options.output / 'preset'}.")


if __name__ == "__main__":
    main()
