"""Pretrain a graph predictor on images, without labels: pixels in, graphs out.

    python recipes/pretrain_images.py --data shapes --output runs/shapes
    python recipes/pretrain_images.py --data tfds:downsampled_imagenet/32x32 \
        --size full --output runs/imagenet32

Two steps. `prepare` reads and shrinks the images (TensorFlow); `train` needs Keras
alone and runs on any backend. A killed run goes on with `--resume`. In the output
folder:

    prepared/        the images as arrays
    preset/          the graph predictor of the best epoch: what is kept
    log.csv          a line an epoch      logs/   the same for TensorBoard
    pictures/        what two pixels of validation images read, every few epochs
    checkpoints/     the last epoch, for --resume
    settings.json    all settings of the run
"""

import argparse

import experiment.process
import keras
import numpy as np
from experiment.pretraining import run
from experiment.pretraining.image_stream import ImageSequence
from experiment.pretraining.progress import image_line
from experiment.pretraining.score_rules import IMAGE_PREDICTORS

from glomo_keras.callbacks.pixel_pictures import PixelPictures
from glomo_keras.data.prepared import read_metadata
from glomo_keras.files import atomic_write
from glomo_keras.files import write_json
from glomo_keras.models import ImageGLoMoPretrainer
from glomo_keras.models import ablations

SIZES = {
    "smoke": {
        "image_size": 8,
        "filters": 12,
        "num_graph_layers": 2,
        "num_heads": 2,
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
        "num_positions": 128,
        "block_size": 128,
        "batch_size": 32,
        "steps_per_epoch": 2_000,
        "epochs": 50,
        "num_valid": 2_000,
    },
}


def parse_arguments(arguments=None):
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
    run.add_run_options(parser, SIZES)
    add(
        "--graphs",
        choices=IMAGE_PREDICTORS,
        default="learned",
        help="learned, or the controls uniform and zeros (default: learned)",
    )
    add = parser.add_argument_group(run.SIZES_TITLE).add_argument
    add("--image-size", type=int, help="height and width that images are shrunk to")
    add("--filters", type=int, help="channels of convolutions and features")
    add("--num-graph-layers", type=int, help="number of graph layers")
    add("--num-heads", type=int, help="heads of a graph layer")
    add("--num-positions", type=int, help="pixels drawn each step; 0 is every one")
    add("--block-size", type=int, help="receivers of a block; 0 holds whole graphs, as "
        "the controls always do")  # fmt: skip
    add("--batch-size", type=int, help="images a step")
    add("--steps-per-epoch", type=int, help="steps an epoch")
    add("--epochs", type=int, help="epochs that the schedule spans")
    add("--num-valid", type=int, help="images held out for validation")
    add("--context-window", type=int, nargs=2, default=(3, 3), metavar=("ROWS",
        "COLUMNS"), help="pixels predicted: a block whose corner is the pixel "
        "(default: 3 3)")  # fmt: skip
    add("--limit", type=int, help="read no more than so many images")
    add("--flip", action="store_true", help="mirror every other image, left to right")
    run.add_training_options(parser)
    options = parser.parse_args(arguments)
    return run.finish_options(options, SIZES)


def prepare(options):
    """Write the images as one array, unless it is there."""
    path = options.prepared / "images.npy"
    described = {
        "data": options.data,
        "size": options.image_size,
        "limit": options.limit,
    }
    found = read_metadata(options.prepared)
    if found is not None:
        run.check_prepared(options.prepared, found, described)
        return
    from glomo_keras.data import read_images

    options.prepared.mkdir(parents=True, exist_ok=True)
    images = read_images(options.data, size=options.image_size, limit=options.limit)
    with atomic_write(path) as temporary:
        np.save(temporary, images.images)
    write_json(options.prepared / "metadata.json", described)
    print(f"{len(images.images):,} images of {options.image_size} x "
          f"{options.image_size} are in {path}.")  # fmt: skip


def build_pretrainer(options):
    """Make the model that the options describe, compiled."""
    predictor = IMAGE_PREDICTORS[options.graphs](
        filters=options.filters,
        num_graph_layers=options.num_graph_layers,
        num_heads=options.num_heads,
    )
    ablations.freeze_unused(predictor)
    pretrainer = ImageGLoMoPretrainer(
        predictor,
        context_window=options.context_window,
        num_positions=options.num_positions or None,
        block_size=(options.graphs == "learned" and options.block_size) or None,
        seed=options.seed,
    )
    run.compile_pretrainer(pretrainer, options)
    pretrainer.build((None, options.image_size, options.image_size, 3))
    return pretrainer


def train(options):
    """Train on the prepared images; returns the pretrainer."""
    images = np.load(options.prepared / "images.npy", mmap_mode="r")
    if len(images) <= options.num_valid:
        raise ValueError(
            f"{options.prepared} has {len(images):,} images, of which --num-valid "
            f"{options.num_valid:,} are held out: none is left to train on."
        )
    keras.utils.set_random_seed(options.seed)
    pretrainer = build_pretrainer(options)
    checkpoint = run.make_checkpoint(options, "val_bits", "recipes/pretrain_images.py")
    first_epoch = checkpoint.restore(pretrainer) if options.resume else 0
    valid = np.array(images[-options.num_valid :])
    batches = ImageSequence(
        images[: -options.num_valid],
        options.batch_size,
        seed=options.seed,
        first_step=first_epoch * options.steps_per_epoch,
        flip=options.flip,
    )
    print(
        f"{len(images) - len(valid):,} images to train on, {len(valid):,} to validate; "
        f"{pretrainer.count_params():,} parameters, "
        f"{pretrainer.graph_predictor.count_params():,} of them in the predictor; "
        f"{options.epochs} epochs of {options.steps_per_epoch} steps of "
        f"{options.batch_size} images. Starting at epoch {first_epoch + 1}."
    )
    run.fit(
        pretrainer,
        batches,
        valid,
        options,
        checkpoint,
        first_epoch,
        image_line,
        PixelPictures(valid[:2], options.output / "pictures"),
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
    print(f"The graph predictor is in {options.output / 'preset'}.")


if __name__ == "__main__":
    main()
