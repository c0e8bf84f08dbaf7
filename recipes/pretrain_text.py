r"""Pretrain a graph predictor on text: corpus in, graphs out.

    python recipes/pretrain_text.py --corpus docs --output runs/docs
    python recipes/pretrain_text.py --corpus files:wikipedia.txt.gz \
        --size base --output runs/wikipedia

Two steps. `prepare` turns text into arrays of unit ids on disk (TensorFlow and
tensorflow-text); `train` needs Keras alone and runs on any backend. A killed
run goes on with `--resume`. In the output folder:

    prepared/        the arrays, with vocabulary.txt and metadata.json
    preset/          the graph predictor of the best epoch: what is kept
    log.csv          a line an epoch      logs/   the same for TensorBoard
    pictures/        graphs of validation texts, every few epochs
    checkpoints/     the last epoch, for --resume
    settings.json    all settings of the run
"""

import argparse
import dataclasses
import functools

import experiment.process
import keras
from experiment.devices import Devices
from experiment.precision import precision
from experiment.pretraining import run
from experiment.pretraining import text
from experiment.pretraining.corpora import load_corpus
from experiment.pretraining.frozen_graphs import frozen_graphs
from experiment.pretraining.score_rules import PREDICTORS
from experiment.pretraining.settings import SIZES_TITLE
from experiment.pretraining.settings import add_run_options
from experiment.pretraining.settings import add_training_options
from experiment.process import UsageError
from experiment.process import positive_int
from experiment.process import usage_errors

from glomo_keras.callbacks.graph_pictures import GraphPictures
from glomo_keras.layers.graph_propagation import UPDATES
from glomo_keras.models import GLoMoPretrainer
from glomo_keras.models import SentencePretrainer
from glomo_keras.models import ablations
from glomo_keras.models import released
from glomo_keras.pretraining.progress import text_line
from glomo_keras.pretraining.text_sizes import SIZES

OBJECTIVES = {"units": 3, "sentences": 24}  # units predicted, by default
SENTENCE_ENDS = (".", "!", "?")
# What --released decides in place of a size.
RELEASED = ("key_dim", "threshold", "position_bias", "num_classes")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings(text.CorpusSettings):
    """Settings of a run of this program."""

    graphs: str
    objective: str
    graphs_of: str | None
    released: bool
    vocabulary_size: int
    embedding_dim: int
    num_graph_layers: int
    num_heads: int
    key_dim: int | None
    num_positions: int
    num_convolutions: int
    context_length: int
    update: str
    num_classes: int | None
    two_level: bool
    num_sampled: int
    threshold: str | None
    position_bias: int | None
    normalization: str | None
    shift: int
    keep_case: bool
    pictures_every: int


def parse_settings(arguments=None):
    """Parse the command line; what a size decides may be overridden one by one."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    text.add_corpus_options(
        parser,
        ", planted (texts of 64 units with known links: use --window 64)",
    )
    add_run_options(parser, SIZES)
    predictors = parser.add_mutually_exclusive_group()
    add = predictors.add_argument
    add(
        "--graphs",
        choices=PREDICTORS,
        default="learned",
        help="learned; abstaining (rows may stay empty); the ablations softmax and "
        "square (score rules) and coupled (from the features that travel along the "
        "graphs); the controls uniform and zeros (default: learned)",
    )
    add(
        "--graphs-of",
        metavar="PRESET",
        help="graphs of a predictor that is trained already, frozen, beside embeddings "
        "that train: what they are worth to the prediction; layers, heads, keys and "
        "rule are its own, whatever the options say; no preset is left",
    )
    parser.add_argument(
        "--released",
        action="store_true",
        help="the choices of the authors' program in place of the paper's text",
    )

    sizes = parser.add_argument_group(SIZES_TITLE)
    sizes.add_argument("--vocabulary-size", type=int, help="number of unit ids")
    sizes.add_argument("--embedding-dim", type=int, help="size of embeddings")
    sizes.add_argument("--num-graph-layers", type=int, help="number of graph layers")
    sizes.add_argument("--num-heads", type=int, help="heads of a graph layer")
    sizes.add_argument(
        "--key-dim",
        type=positive_int,
        help="size of a head's keys (default: embeddings' size / heads)",
    )
    sizes.add_argument(
        "--num-positions", type=int, help="positions drawn each step; 0 is every one"
    )
    sizes.add_argument("--batch-size", type=positive_int, help="windows a step")
    sizes.add_argument("--steps-per-epoch", type=positive_int, help="steps an epoch")
    sizes.add_argument(
        "--epochs", type=positive_int, help="epochs that the schedule spans"
    )
    add = sizes.add_argument
    add(
        "--threshold",
        choices=("entmax", "mean", "scalar", "query", "none"),
        help="of the scores (released: query)",
    )
    add(
        "--position-bias",
        type=int,
        help="distances that have a number of their own in the scores; 0 is none",
    )
    add(
        "--num-classes",
        type=int,
        help="predict classes of units, so many; 0 predicts units",
    )
    add("--window", type=int, help="units of a window")
    add("--shift", type=int, help="units between windows")
    add("--num-convolutions", type=positive_int, default=4, help="(default: 4)")
    add(
        "--context-length",
        type=int,
        help="units predicted (default: 3; of a next sentence, at most: 24)",
    )
    add(
        "--update",
        choices=UPDATES,
        default="gru",
        help="of the features by messages (default: gru)",
    )
    add(
        "--normalization",
        choices=("layer", "batch", "none"),
        help="in convolutions (default: layer; released: batch)",
    )

    targets = parser.add_argument_group("what is predicted")
    add = targets.add_argument
    add(
        "--objective",
        choices=OBJECTIVES,
        default="units",
        help="what is predicted: the units after every unit, or of every sentence the "
        "next one (default: units)",
    )
    add(
        "--two-level",
        action="store_true",
        help="predict the class, and the unit in the class",
    )
    add(
        "--num-sampled",
        type=int,
        default=0,
        help="units that the softmax of a step is estimated from; 0 is all (default: "
        "0)",
    )

    data = parser.add_argument_group("windows")
    add = data.add_argument
    add(
        "--min-units",
        type=int,
        default=20,
        help="shorter documents are dropped (default: 20)",
    )
    add("--limit", type=int, help="read no more than about this many units")
    add("--keep-case", action="store_true", help="look units up as they are written")
    add(
        "--valid-windows",
        type=positive_int,
        default=64,
        help="fixed windows (default: 64)",
    )

    add_training_options(parser, released=True)
    options = parser.parse_args(arguments)
    if options.objective == "sentences" and options.num_positions is None:
        options.num_positions = 0  # sentences are predicted, whatever the size
    if options.context_length is None:
        options.context_length = OBJECTIVES[options.objective]
    sizes = SIZES
    if options.released:
        sizes = {
            name: {key: size[key] for key in size if key not in RELEASED}
            for name, size in SIZES.items()
        }
    return Settings.from_options(options, sizes, options.released)


def build_pretrainer(settings, units, unit_classes=None):
    """Return the model that the settings describe, compiled.

    Args:
        settings: `Settings`.
        units: list of strings by id.
        unit_classes: int array, the class of every unit, or `None`.
    """
    predictor_choices, pretrainer_choices = {}, {"update": settings.update}
    if settings.released:
        predictor_choices = dict(released.PREDICTOR_CHOICES)
        pretrainer_choices = released.PRETRAINER_CHOICES | pretrainer_choices
    for name in ("threshold", "normalization"):
        value = getattr(settings, name)
        if value is not None:
            predictor_choices[name] = None if value == "none" else value
    if settings.position_bias is not None:
        predictor_choices["position_bias"] = settings.position_bias or None
    if settings.graphs_of:
        vocabulary = settings.prepared / "vocabulary.txt"
        with usage_errors():
            predictor = frozen_graphs(
                settings.graphs_of, vocabulary, settings.embedding_dim
            )
    else:
        with usage_errors():
            predictor = PREDICTORS[settings.graphs](
                len(units),
                embedding_dim=settings.embedding_dim,
                num_graph_layers=settings.num_graph_layers,
                num_heads=settings.num_heads,
                key_dim=settings.key_dim,
                num_convolutions=settings.num_convolutions,
                **predictor_choices,
            )
    ablations.freeze_unused(predictor)
    make_pretrainer = GLoMoPretrainer
    if settings.objective == "sentences":
        end_ids = [number for number, unit in enumerate(units) if unit in SENTENCE_ENDS]
        if not end_ids:
            raise UsageError(
                "--objective sentences needs a vocabulary with one of "
                f"{', '.join(SENTENCE_ENDS)}, which end sentences."
            )
        make_pretrainer = functools.partial(SentencePretrainer, end_ids=end_ids)
    with usage_errors():
        pretrainer = make_pretrainer(
            predictor,
            context_length=settings.context_length,
            num_positions=settings.num_positions or None,
            unit_classes=unit_classes,
            two_level=settings.two_level,
            num_sampled=settings.num_sampled or None,
            seed=settings.seed,
            **pretrainer_choices,
        )
    run.compile_pretrainer(pretrainer, settings)
    return pretrainer


def train(settings, devices, corpus, classes):
    """Train on a corpus, with classes of its units or `None`."""
    keras.utils.set_random_seed(settings.seed)
    with devices.scope(), precision(settings.precision):
        pretrainer = build_pretrainer(settings, corpus.units, classes)
    predictor = pretrainer.graph_predictor

    checkpoint = run.restore_checkpoint(
        settings,
        pretrainer,
        "val_nats",
        "recipes/pretrain_text.py",
        devices,
        settings.prepared / "vocabulary.txt",
        part=None if settings.graphs_of else "graph_predictor",
    )
    first_epoch = checkpoint.state["epochs"]
    with usage_errors():
        windows = corpus.training_windows(settings.shift)
        valid = corpus.validation_windows()
    units_a_step = settings.batch_size * settings.window
    print(
        f"{corpus.num_units:,} units to train on, {len(corpus.units):,} in the "
        f"vocabulary; {windows.num_windows:,} windows, "
        f"{windows.num_dropped_documents} documents dropped as too short; "
        f"{pretrainer.count_params():,} parameters, "
        f"{predictor.count_params():,} of them in the graph predictor; "
        f"{settings.epochs} epochs of {settings.steps_per_epoch} steps of "
        f"{units_a_step:,} units, {first_epoch} of them finished."
    )
    pictures = []
    if settings.pictures_every:
        # The first ones after the last epoch of this start, if not before.
        folder = settings.output / "pictures"
        every = min(settings.pictures_every, settings.last_epoch)
        pictures.append(GraphPictures(valid[:2, :24], corpus.units, folder, every))
    # The windows shuffle.
    run.fit(
        pretrainer,
        windows,
        valid,
        settings,
        checkpoint,
        devices,
        text_line,
        (units_a_step, "units"),
        pictures,
    )


@experiment.process.one_line_errors()
def main(arguments=None):
    """Prepare, then train."""
    experiment.process.prepare_process()
    settings = parse_settings(arguments)
    devices = Devices(settings.strategy)
    with devices.lost_workers(), run.held_run(settings, devices):
        text.prepare_arrays(
            settings, settings.vocabulary_size, lowercase=not settings.keep_case
        )
        corpus, classes = load_corpus(settings), None
        if settings.num_classes:  # kept beside the corpus
            with usage_errors():
                classes = corpus.classes(settings.num_classes)
        if devices.writes:
            run.write_settings(settings)
        if settings.prepare_only:
            return
        train(settings, devices, corpus, classes)
    if not settings.graphs_of:
        print(f"The graph predictor is in {settings.output / 'preset'}.")


if __name__ == "__main__":
    main()
