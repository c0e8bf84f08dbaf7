"""Pretrain a graph predictor on text: corpus in, graphs out.

    python recipes/pretrain_text.py --corpus docs --output runs/docs
    python recipes/pretrain_text.py --corpus files:wikipedia.txt.gz --size base \
        --output runs/wikipedia

Two steps. `prepare` turns text into arrays of unit ids on disk (TensorFlow and
tensorflow-text); `train` needs Keras alone and runs on any backend. A killed run
goes on with `--resume`. In the output folder:

    prepared/        the arrays, with vocabulary.txt and metadata.json
    preset/          the graph predictor of the best epoch: what is kept
    log.csv          a line an epoch      logs/   the same for TensorBoard
    pictures/        graphs of validation texts, every few epochs
    checkpoints/     the last epoch, for --resume
    settings.json    all settings of the run
"""

import argparse
import json
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
from ablations import PREDICTORS
from ablations import freeze_unused
from checkpoints import ResumableCheckpoint
from checkpoints import write_atomically
from graph_pictures import GraphPictures
from memory import keep_freed_memory
from progress import EpochLine

from glomo_keras.data.prepared import load_prepared
from glomo_keras.data.windows import WindowSequence
from glomo_keras.data.windows import fixed_windows
from glomo_keras.models import GLoMoPretrainer
from glomo_keras.models import released

SIZES = {
    "small": {
        "vocabulary_size": 16_000,
        "embedding_dim": 96,
        "num_graph_layers": 2,
        "num_heads": 4,
        "num_positions": 20,
        "batch_size": 16,
        "steps_per_epoch": 250,
        "epochs": 8,
    },
    "base": {
        "vocabulary_size": 30_000,
        "embedding_dim": 256,
        "num_graph_layers": 3,
        "num_heads": 8,
        "num_positions": 20,
        "batch_size": 32,
        "steps_per_epoch": 1_000,
        "epochs": 40,
    },
    "paper": {
        "vocabulary_size": 100_001,
        "embedding_dim": 512,
        "num_graph_layers": 3,
        "num_heads": 8,
        "num_positions": 20,
        "batch_size": 32,
        "steps_per_epoch": 2_000,
        "epochs": 200,
    },
}


def parse_arguments(arguments=None):
    """Parse the command line; what a size decides may be overridden one by one."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add(
        "--corpus",
        default="docs",
        help="what to read: docs (embedded documentation, the default), "
        "files:PATH... (txt or gz), tfds:NAME (a tensorflow-datasets name), planted "
        "(texts of 64 units with known links: use --window 64)",
    )
    add("--valid-corpus", help="corpus for validation (default: 2%% of the documents)")
    add("--output", required=True, type=Path, help="folder of the run")
    add("--prepared", type=Path, help="folder of the arrays (default: OUTPUT/prepared)")
    add("--prepare-only", action="store_true", help="stop after the arrays are written")
    add(
        "--size",
        choices=SIZES,
        default="small",
        help="bundle of sizes (default: small)",
    )
    add(
        "--graphs",
        choices=PREDICTORS,
        default="learned",
        help="score rule: learned (squared ReLU), the ablations softmax and square, "
        "the controls uniform and zeros (default: learned)",
    )
    add(
        "--released",
        action="store_true",
        help="the choices of the authors' program in place of the paper's text",
    )
    add("--resume", action="store_true", help="go on from the last checkpoint")
    add("--seed", type=int, default=0, help="of weights, windows and positions")

    sizes = parser.add_argument_group("sizes (default: decided by --size)")
    sizes.add_argument("--vocabulary-size", type=int, help="number of unit ids")
    sizes.add_argument("--embedding-dim", type=int, help="size of embeddings")
    sizes.add_argument("--num-graph-layers", type=int, help="number of graph layers")
    sizes.add_argument("--num-heads", type=int, help="heads of a graph layer")
    sizes.add_argument(
        "--num-positions", type=int, help="positions drawn each step; 0 is every one"
    )
    sizes.add_argument("--batch-size", type=int, help="windows a step")
    sizes.add_argument("--steps-per-epoch", type=int, help="steps an epoch")
    sizes.add_argument("--epochs", type=int, help="epochs that the schedule spans")
    add = sizes.add_argument
    add("--context-length", type=int, default=3, help="units predicted (default: 3)")
    add(
        "--threshold", choices=("mean", "scalar", "query", "none"), help="of the scores"
    )
    add("--normalization", choices=("layer", "batch", "none"), help="in convolutions")

    data = parser.add_argument_group("windows")
    add = data.add_argument
    add("--window", type=int, default=200, help="units of a window (default: 200)")
    add("--shift", type=int, default=100, help="units between windows (default: 100)")
    add("--min-units", type=int, default=20, help="shorter documents are dropped")
    add("--limit", type=int, help="read no more than about this many units")
    add("--keep-case", action="store_true", help="look units up as they are written")
    add("--valid-windows", type=int, default=64, help="fixed windows (default: 64)")

    training = parser.add_argument_group("training")
    add = training.add_argument
    add("--optimizer", choices=("adam", "sgd"), default="adam")
    add(
        "--learning-rate",
        type=float,
        help="highest rate (default: 0.003 for adam, 8 for sgd)",
    )
    add("--warmup", type=int, default=200, help="steps to it (default: 200)")
    add("--clip-norm", type=float, help="of all gradients (default: 1, released 0.25)")
    add(
        "--patience", type=int, default=3, help="epochs without a new best (default: 3)"
    )
    add(
        "--stop-after",
        type=int,
        help="stop after this epoch, the schedule unchanged: for runs of equal steps",
    )
    add("--pictures-every", type=int, default=4, help="epochs; 0 draws none")
    add("--no-jit", action="store_true", help="do not compile with XLA")
    options = parser.parse_args(arguments)
    for name, value in SIZES[options.size].items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    sgd = options.released or options.optimizer == "sgd"
    options.optimizer = "sgd" if sgd else "adam"
    options.learning_rate = options.learning_rate or (8.0 if sgd else 0.003)
    options.clip_norm = options.clip_norm or (0.25 if options.released else 1.0)
    options.prepared = options.prepared or options.output / "prepared"
    return options


def prepare(options):
    """Write the arrays of the corpus, unless they are there."""
    from glomo_keras.data.prepare import prepare_corpus

    prepare_corpus(
        options.corpus,
        options.prepared,
        vocabulary_size=options.vocabulary_size,
        lowercase=not options.keep_case,
        valid_spec=options.valid_corpus,
        limit=options.limit,
        seed=0,  # the same split for all seeds of training
    )


def build_pretrainer(options, vocabulary_size):
    """Make the model that the options describe, compiled."""
    predictor_choices, pretrainer_choices = {}, {}
    if options.released:
        predictor_choices = dict(released.PREDICTOR_CHOICES)
        pretrainer_choices = dict(released.PRETRAINER_CHOICES)
    for name in ("threshold", "normalization"):
        value = getattr(options, name)
        if value is not None:
            predictor_choices[name] = None if value == "none" else value
    predictor = PREDICTORS[options.graphs](
        vocabulary_size,
        embedding_dim=options.embedding_dim,
        num_graph_layers=options.num_graph_layers,
        num_heads=options.num_heads,
        **predictor_choices,
    )
    freeze_unused(predictor)
    pretrainer = GLoMoPretrainer(
        predictor,
        context_length=options.context_length,
        num_positions=options.num_positions or None,
        seed=options.seed,
        **pretrainer_choices,
    )
    steps = options.epochs * options.steps_per_epoch
    warmup = min(options.warmup, steps // 5)
    rate = keras.optimizers.schedules.CosineDecay(
        0.0,
        decay_steps=max(1, steps - warmup),
        alpha=0.05,
        warmup_target=options.learning_rate,
        warmup_steps=warmup,
    )
    if options.optimizer == "sgd":
        optimizer = keras.optimizers.SGD(
            rate, momentum=0.2, global_clipnorm=options.clip_norm
        )
    else:
        optimizer = keras.optimizers.Adam(rate, global_clipnorm=options.clip_norm)
    # Windows have one shape, so that XLA compiles once.
    pretrainer.compile(optimizer, jit_compile=not options.no_jit)
    pretrainer.build()
    return pretrainer


def train(options):
    """Train on the prepared arrays; returns the pretrainer."""
    corpus = load_prepared(options.prepared)
    keras.utils.set_random_seed(options.seed)
    pretrainer = build_pretrainer(options, len(corpus.units))
    predictor = pretrainer.graph_predictor

    settings = listed_settings(options)
    for place in ("output", "prepared", "resume"):  # nothing that others can use
        del settings[place]

    def keep(model):
        model.graph_predictor.save_to_preset(
            options.output / "preset",
            options.prepared / "vocabulary.txt",
            training={"program": "recipes/pretrain_text.py", **settings},
        )

    checkpoint = ResumableCheckpoint(
        options.output / "checkpoints", "val_nats", options.patience, on_best=keep
    )
    first_epoch = checkpoint.restore(pretrainer) if options.resume else 0
    windows = WindowSequence(
        corpus.train_ids,
        corpus.train_offsets,
        options.batch_size,
        window=options.window,
        shift=options.shift,
        min_units=options.min_units,
        seed=options.seed,
        first_step=first_epoch * options.steps_per_epoch,
    )
    valid = fixed_windows(
        corpus.valid_ids,
        corpus.valid_offsets,
        options.valid_windows,
        window=options.window,
        min_units=options.min_units,
    )
    units_a_step = options.batch_size * options.window
    print(
        f"{len(corpus.train_ids):,} units to train on, {len(corpus.units):,} in the "
        f"vocabulary; {windows.num_windows:,} windows, "
        f"{windows.num_dropped_documents} documents dropped as too short; "
        f"{pretrainer.count_params():,} parameters, "
        f"{predictor.count_params():,} of them in the graph predictor; "
        f"{options.epochs} epochs of {options.steps_per_epoch} steps of "
        f"{units_a_step:,} units. Starting at epoch {first_epoch + 1}."
    )
    callbacks = [
        keras.callbacks.CSVLogger(options.output / "log.csv", append=first_epoch > 0),
        EpochLine(options.epochs),
        checkpoint,
    ]
    if keras.backend.backend() == "tensorflow":
        logs = keras.callbacks.TensorBoard(options.output / "logs", write_graph=False)
        callbacks.insert(1, logs)
    if options.pictures_every:
        pictures = GraphPictures(
            valid[:2, :24], corpus.units, options.output / "pictures"
        )
        pictures.every = options.pictures_every
        callbacks.append(pictures)
    pretrainer.fit(
        windows,
        steps_per_epoch=options.steps_per_epoch,
        epochs=min(options.epochs, options.stop_after or options.epochs),
        initial_epoch=first_epoch,
        validation_data=valid,
        validation_batch_size=options.batch_size,
        callbacks=callbacks,
        shuffle=False,  # `WindowSequence` shuffles
        verbose=1 if sys.stdout.isatty() else 0,
    )
    return pretrainer


def listed_settings(options):
    """The options as JSON can hold them."""
    return {k: str(v) if isinstance(v, Path) else v for k, v in vars(options).items()}


def main(arguments=None):
    """Prepare, then train."""
    keep_freed_memory()
    options = parse_arguments(arguments)
    options.output.mkdir(parents=True, exist_ok=True)
    write_atomically(
        options.output / "settings.json",
        lambda path: path.write_text(
            json.dumps(listed_settings(options), indent=2) + "\n"
        ),
    )
    if (options.prepared / "metadata.json").exists():
        print(f"Arrays of {options.prepared} are used.")
    else:
        prepare(options)
    if options.prepare_only:
        return
    train(options)
    print(f"The graph predictor is in {options.output / 'preset'}.")


if __name__ == "__main__":
    main()
