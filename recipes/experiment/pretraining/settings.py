"""Settings of a pretraining run, and the options of the command line for them."""

import dataclasses

from experiment.devices import add_strategy_option
from experiment.precision import add_precision_option
from experiment.process import non_negative_int
from experiment.process import positive_float
from experiment.process import positive_int
from glomo_keras.files import named_path
from glomo_keras.pretraining.optimization import CLIP_NORM
from glomo_keras.pretraining.optimization import LEARNING_RATE
from glomo_keras.pretraining.optimization import WARMUP
from glomo_keras.pretraining.settings import PATIENCE
from glomo_keras.pretraining.settings import SAVE_EVERY
from glomo_keras.pretraining.settings import RunSettings
from glomo_keras.pretraining.settings import list_sizes
from glomo_keras.pretraining.settings import seed_int

SIZES_TITLE = "sizes (default: decided by --size, see the table below)"


@dataclasses.dataclass(frozen=True, kw_only=True)
class PretrainingSettings(RunSettings):
    """What the command line decides in every pretraining program.

    The fields are the options, under their own names; `--help` describes them. A
    program adds its own in a subclass.
    """

    prepare_only: bool
    optimizer: str
    stop_after: int | None
    no_jit: bool
    precision: str
    strategy: str

    @classmethod
    def from_options(cls, options, sizes, released=False):
        """Return the settings, with what a size and the other options decide filled in.

        Args:
            options: `argparse.Namespace` of the program's options, the fields.
            sizes: dict of dicts, what each size decides where nothing was given.
            released: bool, whether the optimizer is by default that of the authors'
                program.
        """
        given = {k: v for k, v in vars(options).items() if v is not None}
        optimizer = given.get("optimizer", "sgd" if released else "adam")
        defaults = {
            **dict.fromkeys(vars(options)),
            **sizes[options.size],
            "optimizer": optimizer,
            "learning_rate": 8.0 if optimizer == "sgd" else LEARNING_RATE,
            "clip_norm": 0.25 if released else CLIP_NORM,
            "prepared": options.output / "prepared",
        }
        values = {**defaults, **given}
        return cls(
            **{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        )

    @property
    def last_epoch(self):
        """Number of epochs after which this start of the run ends."""
        return min(self.epochs, self.stop_after or self.epochs)


def add_run_options(parser, sizes):
    """Add where a run goes, how it goes on, and how large it is."""
    parser.epilog = list_sizes(sizes)
    add = parser.add_argument
    add("--output", required=True, type=named_path, help="folder of the run")
    add(
        "--prepared",
        type=named_path,
        help="folder of the arrays (default: OUTPUT/prepared)",
    )
    add("--prepare-only", action="store_true", help="stop after the arrays are written")
    add(
        "--resume",
        action="store_true",
        help="go on from the last checkpoint, with the settings of the run, of which "
        "--patience, --save-every, --stop-after, --strategy and, where there is one, "
        "--pictures-every may change",
    )
    add(
        "--size",
        choices=sizes,
        default="small",
        help="bundle of sizes (default: small)",
    )
    add(
        "--seed",
        type=seed_int,
        default=0,
        help="of all that is drawn (default: 0)",
    )


def add_training_options(parser, pictures=True, released=False):
    """Add optimizer, early stopping and, where there are any, pictures.

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
        type=positive_float,
        help="highest rate (default: 0.003 for adam, 8 for sgd)",
    )
    add(
        "--warmup",
        type=non_negative_int,
        default=WARMUP,
        help="steps to it (default: 200)",
    )
    add(
        "--clip-norm",
        type=positive_float,
        help=f"of all gradients (default: 1{clipped})",
    )
    add(
        "--patience",
        type=positive_int,
        default=PATIENCE,
        help="epochs without a new best (default: 10)",
    )
    add(
        "--stop-after",
        type=positive_int,
        help="stop after this epoch, the schedule unchanged: for runs of equal steps",
    )
    add(
        "--save-every",
        type=positive_int,
        default=SAVE_EVERY,
        help="steps after which the state is saved in the midst of an epoch (default: "
        "200)",
    )
    if pictures:
        add(
            "--pictures-every",
            type=non_negative_int,
            default=4,
            help="epochs; 0 draws none (default: 4)",
        )
    add("--no-jit", action="store_true", help="do not compile with XLA")
    add_precision_option(add)
    add_strategy_option(add)
