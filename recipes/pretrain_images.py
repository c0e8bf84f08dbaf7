r"""Pretrain a graph predictor on images, without labels: pixels in, graphs out.

    python recipes/pretrain_images.py --data shapes --output runs/shapes
    python recipes/pretrain_images.py --data tfds:downsampled_imagenet/32x32 \
        --size full --output runs/imagenet32

Two steps. `prepare` reads and shrinks the images (TensorFlow); `train` needs
Keras alone and runs on any backend. A killed run goes on with `--resume`. In
the output folder:

    prepared/        the images as arrays
    preset/          the graph predictor of the best epoch: what is kept
    log.csv          a line an epoch      logs/   the same for TensorBoard
    pictures/        what two pixels of validation images read, now and then
    checkpoints/     the last epoch, for --resume
    settings.json    all settings of the run
"""

import argparse
import dataclasses

import experiment.process
import keras
import numpy as np
from experiment.devices import Devices
from experiment.precision import precision
from experiment.pretraining import run
from experiment.pretraining.image_stream import ImageSequence
from experiment.pretraining.score_rules import IMAGE_PREDICTORS
from experiment.pretraining.settings import SIZES_TITLE
from experiment.pretraining.settings import PretrainingSettings
from experiment.pretraining.settings import add_run_options
from experiment.pretraining.settings import add_training_options
from experiment.process import UsageError
from experiment.process import positive_int
from experiment.process import usage_errors

from glomo_keras.callbacks.pixel_pictures import PixelPictures
from glomo_keras.data.images import describe_images
from glomo_keras.files import atomic_write
from glomo_keras.files import write_json
from glomo_keras.models import ImageGLoMoPretrainer
from glomo_keras.models import ablations
from glomo_keras.pretraining.progress import image_line

SIZES = {
    "smoke": {
        "image_size": 8,
        "filters": 12,
        "num_graph_layers": 2,
        "num_heads": 2,
        "threshold": "entmax",
        "position_bias": 4,
        "num_positions": 16,
        "block_size": 0,
        "batch_size": 8,
        "steps_per_epoch": 20,
        "epochs": 2,
        "num_valid": 32,
    },
    "small": {
        "image_size": 16,
        "filters": 48,
        "num_graph_layers": 2,
        "num_heads": 4,
        "threshold": "entmax",
        "position_bias": 8,
        "num_positions": 64,
        "block_size": 64,
        "batch_size": 16,
        "steps_per_epoch": 250,
        "epochs": 12,
        "num_valid": 256,
    },
    "full": {
        "image_size": 32,
        "filters": 256,
        "num_graph_layers": 3,
        "num_heads": 8,
        "threshold": "entmax",
        "position_bias": 16,
        "num_positions": 128,
        "block_size": 128,
        "batch_size": 32,
        "steps_per_epoch": 2_000,
        "epochs": 50,
        "num_valid": 2_000,
    },
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings(PretrainingSettings):
    """Settings of a run of this program."""

    data: str
    graphs: str
    image_size: int
    filters: int
    num_graph_layers: int
    num_heads: int
    num_positions: int
    block_size: int
    num_valid: int
    context_window: tuple
    threshold: str
    position_bias: int
    limit: int | None
    flip: bool
    pictures_every: int


def parse_settings(arguments=None):
    """Parse the command line; what a size decides may be overridden one by one."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add(
        "--data",
        default="shapes",
        help="what to read: shapes (drawn, the default), tfds:NAME (a "
        "tensorflow-datasets name, such as tfds:downsampled_imagenet/32x32), or a "
        "path, here or under GLOMO_DATA",
    )
    add_run_options(parser, SIZES)
    add(
        "--graphs",
        choices=IMAGE_PREDICTORS,
        default="learned",
        help="learned, or the controls uniform and zeros (default: learned)",
    )
    add = parser.add_argument_group(SIZES_TITLE).add_argument
    add(
        "--image-size",
        type=positive_int,
        help="height and width that images are shrunk to",
    )
    add("--filters", type=int, help="channels of convolutions and features")
    add("--num-graph-layers", type=int, help="number of graph layers")
    add("--num-heads", type=int, help="heads of a graph layer")
    add("--num-positions", type=int, help="pixels drawn each step; 0 is every one")
    add("--block-size", type=int, help="receivers of a block; 0 holds whole graphs, as "
        "the controls always do")  # fmt: skip
    add("--batch-size", type=positive_int, help="images a step")
    add("--steps-per-epoch", type=positive_int, help="steps an epoch")
    add("--epochs", type=positive_int, help="epochs that the schedule spans")
    add("--num-valid", type=positive_int, help="images held out for validation")
    add("--context-window", type=int, nargs=2, default=(3, 3), metavar=("ROWS",
        "COLUMNS"), help="pixels predicted: a block whose corner is the pixel "
        "(default: 3 3)")  # fmt: skip
    add(
        "--threshold",
        choices=("entmax", "mean", "scalar", "query"),
        help="of the scores; the paper's is scalar",
    )
    add(
        "--position-bias",
        type=int,
        help="rows and columns whose offsets have a number of their own; 0 is none",
    )
    add("--limit", type=int, help="read no more than so many images")
    add("--flip", action="store_true", help="mirror every other image, left to right")
    add_training_options(parser)
    return Settings.from_options(parser.parse_args(arguments), SIZES)


def prepare(settings):
    """Write the images as one array, unless it is there."""
    try:
        sources = describe_images(settings.data)
    except (ImportError, OSError, ValueError):
        sources = None  # the array is enough for a machine that only trains
    description = {
        "data": settings.data,
        "size": settings.image_size,
        "limit": settings.limit,
        "sources": sources,
    }

    def write():
        from glomo_keras.data import read_images  # TensorFlow

        images = read_images(
            settings.data, size=settings.image_size, limit=settings.limit
        ).images
        path = settings.prepared / "images.npy"
        with atomic_write(path) as temporary:
            np.save(temporary, images)
        write_json(settings.prepared / "metadata.json", {"settings": description})
        print(f"{len(images):,} images of {settings.image_size} x "
              f"{settings.image_size} are in {path}.")  # fmt: skip

    run.prepare_once(settings, description, write)


def build_pretrainer(settings):
    """Return the model that the settings describe, compiled."""
    predictor = IMAGE_PREDICTORS[settings.graphs](
        filters=settings.filters,
        num_graph_layers=settings.num_graph_layers,
        num_heads=settings.num_heads,
        threshold=settings.threshold,
        position_bias=settings.position_bias or None,
    )
    ablations.freeze_unused(predictor)
    pretrainer = ImageGLoMoPretrainer(
        predictor,
        context_window=settings.context_window,
        num_positions=settings.num_positions or None,
        block_size=(settings.graphs == "learned" and settings.block_size) or None,
        seed=settings.seed,
    )
    pretrainer.build((None, settings.image_size, settings.image_size, 3))
    run.compile_pretrainer(pretrainer, settings)
    return pretrainer


def train(settings, devices):
    """Train on the prepared images."""
    with usage_errors():
        images = np.load(settings.prepared / "images.npy", mmap_mode="r")
    if len(images) <= settings.num_valid:
        raise UsageError(
            f"{settings.prepared} has {len(images):,} images, of which --num-valid "
            f"{settings.num_valid:,} are held out: none is left to train on."
        )
    keras.utils.set_random_seed(settings.seed)
    with usage_errors(), devices.scope(), precision(settings.precision):
        pretrainer = build_pretrainer(settings)
    checkpoint = run.restore_checkpoint(
        settings, pretrainer, "val_bits", "recipes/pretrain_images.py", devices
    )
    first_epoch = checkpoint.state["epochs"]
    valid = np.array(images[-settings.num_valid :])
    with usage_errors():
        batches = ImageSequence(
            images[: -settings.num_valid],
            settings.batch_size,
            seed=settings.seed,
            flip=settings.flip,
        )
    print(
        f"{len(images) - len(valid):,} images to train on, {len(valid):,} to validate; "
        f"{pretrainer.count_params():,} parameters, "
        f"{pretrainer.graph_predictor.count_params():,} of them in the predictor; "
        f"{settings.epochs} epochs of {settings.steps_per_epoch} steps of "
        f"{settings.batch_size} images, {first_epoch} of them finished."
    )
    pictures = []
    if settings.pictures_every:
        # The first ones after the last epoch of this start, if not before.
        folder = settings.output / "pictures"
        every = min(settings.pictures_every, settings.last_epoch)
        pictures.append(PixelPictures(valid[:2], folder, every))
    run.fit(
        pretrainer,
        batches,
        valid,
        settings,
        checkpoint,
        devices,
        image_line,
        (settings.batch_size, "images"),
        pictures,
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
    print(f"The graph predictor is in {settings.output / 'preset'}.")


if __name__ == "__main__":
    main()
