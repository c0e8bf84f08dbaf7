"""What the pretraining recipes of text and of images share: options, optimizer, fit."""

import sys
from pathlib import Path

import keras

from experiment.comparison.records import differences
from experiment.pretraining.progress import EpochLine
from glomo_keras.callbacks.resumable_checkpoint import ResumableCheckpoint
from glomo_keras.files import write_json

SIZES_TITLE = "sizes (default: decided by --size, see the table below)"


def add_run_options(parser, sizes):
    """Where a run goes, how it goes on, and how large it is."""
    parser.epilog = list_sizes(sizes)
    add = parser.add_argument
    add("--output", required=True, type=Path, help="folder of the run")
    add("--prepared", type=Path, help="folder of the arrays (default: OUTPUT/prepared)")
    add("--prepare-only", action="store_true", help="stop after the arrays are written")
    add("--resume", action="store_true", help="go on from the last checkpoint")
    add(
        "--size",
        choices=sizes,
        default="small",
        help="bundle of sizes (default: small)",
    )
    add("--seed", type=int, default=0, help="of all that is drawn (default: 0)")


def list_sizes(sizes):
    """What each size decides, as a table for the end of --help."""
    rows = [("what --size decides:", *sizes)]
    for name in next(iter(sizes.values())):
        values = (size[name] for size in sizes.values())
        cells = (str(value).strip("[]").replace(",", "") for value in values)
        rows.append((f"  --{name.replace('_', '-')}", *cells))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def add_training_options(parser, pictures=True, released=False):
    """Optimizer, early stopping and, where there are any, pictures.

    With `released`, the help says what the option --released decides.
    """
    sgd, clipped = ("; released: sgd", "; released: 0.25") if released else ("", "")
    add = parser.add_argument_group("training").add_argument
    add(
        "--optimizer",
        choices=("adam", "sgd"),
        help=f"sgd has a momentum of 0.2 (default: adam{sgd})",
    )
    add(
        "--learning-rate",
        type=float,
        help="highest rate (default: 0.003 for adam, 8 for sgd)",
    )
    add("--warmup", type=int, default=200, help="steps to it (default: 200)")
    add("--clip-norm", type=float, help=f"of all gradients (default: 1{clipped})")
    add(
        "--patience", type=int, default=3, help="epochs without a new best (default: 3)"
    )
    add(
        "--stop-after",
        type=int,
        help="stop after this epoch, the schedule unchanged: for runs of equal steps",
    )
    if pictures:
        add(
            "--pictures-every",
            type=int,
            default=4,
            help="epochs; 0 draws none (default: 4)",
        )
    add("--no-jit", action="store_true", help="do not compile with XLA")


def finish_options(options, sizes, released=False):
    """Fill in what a size and the other options decide, where nothing was given."""
    for name, value in sizes[options.size].items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    if options.optimizer is None:
        options.optimizer = "sgd" if released else "adam"
    if options.learning_rate is None:
        options.learning_rate = 8.0 if options.optimizer == "sgd" else 0.003
    if options.clip_norm is None:
        options.clip_norm = 0.25 if released else 1.0
    options.prepared = options.prepared or options.output / "prepared"
    return options


def check_prepared(folder, found, asked):
    """Refuse arrays that were prepared with other settings than those asked for.

    Args:
        folder: path of the arrays, for the message.
        found: dict, the settings of the arrays.
        asked: dict, those of the options.

    Raises:
        ValueError: where they differ; names each difference.
    """
    other = differences(found, asked)
    if other:
        raise ValueError(
            f"{folder} holds arrays of other settings ({other}). Give another "
            "--prepared or --output, or the options of those arrays."
        )
    print(f"Arrays of {folder} are used.")


def listed_settings(options):
    """The options as JSON can hold them."""
    return {k: str(v) if isinstance(v, Path) else v for k, v in vars(options).items()}


def write_settings(options):
    """Make the folder of the run, with its settings."""
    options.output.mkdir(parents=True, exist_ok=True)
    write_json(options.output / "settings.json", listed_settings(options))


def compile_pretrainer(pretrainer, options):
    """Compile with a rate that rises to its highest and falls along a cosine."""
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
    # Batches have one shape, so that XLA compiles once.
    pretrainer.compile(optimizer, jit_compile=not options.no_jit)


def make_checkpoint(options, monitor, program, vocabulary=None, part="graph_predictor"):
    """The callback that keeps the run's state, and the preset of its best epoch.

    The preset is of the `part` of the model that is wanted after the training.
    """
    settings = listed_settings(options)
    for place in ("output", "prepared", "resume"):  # nothing that others can use
        del settings[place]

    def keep(model):
        getattr(model, part).save_to_preset(
            options.output / "preset",
            vocabulary,
            training={"program": program, **settings},
        )

    return ResumableCheckpoint(
        options.output / "checkpoints", monitor, options.patience, on_best=keep
    )


def fit(
    pretrainer,
    batches,
    valid,
    options,
    checkpoint,
    first_epoch,
    describe,
    pictures=None,
):
    """Train, with a line an epoch, logs, checkpoints and pictures.

    Args:
        pretrainer: a compiled model.
        batches: `keras.utils.PyDataset`, or any input of `fit` that shuffles itself.
        valid: array or dict of arrays, for validation.
        options: those of the recipe.
        checkpoint: callback of `make_checkpoint`, restored.
        first_epoch: int, epochs that are finished.
        describe: function of the logs, for the line of an epoch.
        pictures: callback that draws every `every` epochs, or `None`.
    """
    callbacks = [
        keras.callbacks.CSVLogger(options.output / "log.csv", append=first_epoch > 0),
        EpochLine(options.epochs, describe),
        checkpoint,
    ]
    if keras.backend.backend() == "tensorflow":
        logs = keras.callbacks.TensorBoard(options.output / "logs", write_graph=False)
        callbacks.insert(1, logs)
    if pictures is not None and options.pictures_every:
        pictures.every = options.pictures_every
        callbacks.append(pictures)
    pretrainer.fit(
        batches,
        steps_per_epoch=options.steps_per_epoch,
        epochs=min(options.epochs, options.stop_after or options.epochs),
        initial_epoch=first_epoch,
        validation_data=valid,
        validation_batch_size=options.batch_size,
        callbacks=callbacks,
        shuffle=False,
        verbose=1 if sys.stdout.isatty() else 0,
    )
