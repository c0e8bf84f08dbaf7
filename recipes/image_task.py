"""Tasks on labelled images, with messages along the graphs of their pixels."""

import dataclasses
import functools
import json
import typing

import keras
import numpy as np
from checkpoints import write_atomically
from example_batches import ExampleBatches
from graph_arms import ARMS
from kept_arrays import KeptArrays
from keras import ops

from glomo_keras.models.presets import load_preset
from glomo_keras.ops import raster_units
from glomo_keras.ops import scale_pixels
from glomo_keras.ops import term_messages
from glomo_keras.ops.visibility import DIRECTIONS

_AT_ONCE = 8  # images whose messages are computed together, the last ones filled up


@dataclasses.dataclass(frozen=True)
class ImageTask:
    """What makes one task on images; see `language_task.LanguageTask`.

    Attributes:
        name: str.
        sizes: dict by name of dicts of options.
        build: function of the data, the shape of an arm and the options, that returns
            a compiled model.
        metric: str.
        arms: tuple of str, what may stand in for the graphs.
    """

    name: str
    sizes: dict
    build: typing.Callable
    metric: str = "accuracy"
    arms: tuple = tuple(arm for arm in ARMS if arm != "shuffled")

    def prepare(self, options):
        """Images and labels to arrays on disk; returns them by split."""
        folder = options.output / "arrays"
        described = {"data": options.data, "size": options.image_size}
        metadata = folder / "metadata.json"
        if not metadata.exists():
            from glomo_keras.data import read_images

            folder.mkdir(parents=True, exist_ok=True)
            for split in ("train", "test"):
                images, labels = read_images(options.data, split, options.image_size)
                if labels is None:
                    raise ValueError(f"{options.data} has no labels to train on.")
                for name, array in (("images", images), ("labels", labels)):
                    write_atomically(
                        folder / f"{split}_{name}.npy",
                        lambda path, array=array: np.save(path, array),
                    )
                print(f"{split}: {len(images):,} images of {images.shape[1]} pixels")
            text = json.dumps(described)
            write_atomically(metadata, lambda path: path.write_text(text))
        found = json.loads(metadata.read_text())
        if found != described:
            raise ValueError(
                f"{folder} holds other images: {found}, not {described}. Give another "
                "--output, or the options of those."
            )
        return {
            split: {
                name: np.load(folder / f"{split}_{name}.npy", mmap_mode="r")
                for name in ("images", "labels")
            }
            for split in ("train", "test")
        }

    def usable(self, data):
        """Numbers of the images of train that can be trained on."""
        return np.arange(len(data["train"]["labels"]))

    def num_test(self, data):
        """Number of test images."""
        return len(data["test"]["labels"])

    def make_arm(self, arm, seed, options):
        """`PixelMessages`, or `ImageGraphs` where features train."""
        predictor = options.predictor if arm == "learned" else None
        if options.graph_on == "pixels":
            memory = int(options.graph_memory * 2**30)
            messages = _pixel_messages(arm, predictor, memory, not options.no_composed)
            messages.kept.start_run()
            return messages
        return ImageGraphs(arm, predictor and load_image_predictor(predictor))

    def batches(self, data, split, arm, options, chosen, **training):
        """`ImageBatches`; with a `shuffle_seed` those to train on."""
        return ImageBatches(data[split], arm, options.batch_size, chosen, **training)

    def score(self, predictions, data, split, chosen):
        """Whether each image was classified correctly."""
        labels = data[split]["labels"][chosen]
        return {"accuracy": (predictions.argmax(axis=-1) == labels).astype(float)}


class PixelMessages:
    """Messages of pixels along all graphs and products of graphs, kept.

    Pixels and graphs of an image never change, so that the messages are computed when
    an image is first seen, mirrored or not, and kept as long as there is room.

    Args:
        arm: str: `none`, `matched`, `uniform` or `learned`.
        predictor: `ImageGraphPredictor` of the arm `learned`.
        memory: int, bytes of messages that are kept.
        composed: bool, whether products of graphs are among the terms.
    """

    def __init__(self, arm, predictor=None, memory=4 * 2**30, composed=True):
        self.arm = arm
        self.predictor = predictor
        self.composed = composed
        self.kept = KeptArrays(memory)

    @property
    def shape(self):
        """`(terms, heads)` of the messages, or `None` without any."""
        if self.arm == "none":
            return None
        if self.predictor is None:
            return (1, 1)
        num_layers, heads = self.predictor.num_graph_layers, self.predictor.num_heads
        return (2 * num_layers - 1 if self.composed else num_layers, heads)

    def inputs(self, images):
        """Messages of images, by direction, float16 arrays.

        Args:
            images: uint8 array `(batch, height, width, channels)`.
        """
        if self.arm == "none":
            return {}
        if self.predictor is None:
            return dict.fromkeys(DIRECTIONS, _control(self.arm, images))
        both = self.kept.results(images, self._compute)
        return {name: both[:, i] for i, name in enumerate(DIRECTIONS)}

    def _compute(self, images):
        model = _message_model(self.predictor, self.composed, images.shape[1:])
        found = []
        for start in range(0, len(images), _AT_ONCE):
            part = images[start : start + _AT_ONCE]
            batch = np.zeros((_AT_ONCE, *images.shape[1:]), "uint8")  # of one shape
            batch[: len(part)] = part
            messages = np.stack(model.predict_on_batch(batch), axis=1)
            found.append(messages[: len(part)])
        return np.concatenate(found)


class ImageGraphs:
    """Graphs of images, for messages of features that train; nothing is kept.

    A graph has a weight for each pair of pixels, which is too much to keep; the model
    runs the frozen predictor itself. See `PixelMessages` for the arguments.
    """

    def __init__(self, arm, predictor=None):
        self.arm = arm
        self.predictor = predictor

    @property
    def shape(self):
        """What stands in for the graphs: the arm or its predictor, or `None`."""
        return None if self.arm == "none" else (self.predictor or self.arm)

    def inputs(self, images):
        """Nothing: the images are all that the model needs."""
        return {}


class ImageBatches(ExampleBatches):
    """Batches of one split: images and what the arm adds, and labels in training.

    In training half of the images are mirrored from left to right.

    Args:
        data: dict of `images` and `labels`.
        arm: `PixelMessages` or `ImageGraphs`.
        batch_size: int.
        chosen: int array, the images that take part.
        **training: `shuffle_seed` and `first_epoch` of `ExampleBatches`.
    """

    def __init__(self, data, arm, batch_size, chosen, **training):
        self.data, self.arm = data, arm
        super().__init__(chosen, batch_size, **training)

    def __getitem__(self, index):
        numbers = self.examples_of(index)
        images = self.data["images"][numbers]
        mirrored = np.zeros(len(numbers), bool)
        if self.training:
            mirrored = self.draw(index).random(len(numbers)) < 0.5
        images[mirrored] = images[mirrored][:, :, ::-1]
        inputs = {"images": images, **self.arm.inputs(images)}
        return (inputs, self.data["labels"][numbers]) if self.training else (inputs,)


@functools.cache
def load_image_predictor(preset):
    """The frozen predictor of a preset, loaded once a process."""
    predictor = load_preset(preset)
    predictor.trainable = False
    return predictor


@functools.lru_cache(maxsize=len(ARMS))
def _pixel_messages(arm, preset, memory, composed):
    """`PixelMessages`, the same for all runs of a process: nothing in them is drawn."""
    return PixelMessages(arm, preset and load_image_predictor(preset), memory, composed)


@functools.cache
def _message_model(predictor, composed, shape):
    """Images to the messages of their scaled pixels, forward and backward."""
    images = keras.Input(shape, dtype="uint8")
    graphs = predictor(images)
    pixels, _ = raster_units(scale_pixels(images))
    model = keras.Model(
        images,
        [
            ops.cast(term_messages(pixels, graphs[direction], composed), "float16")
            for direction in DIRECTIONS
        ],
    )
    model.compile(jit_compile=True)
    return model


def _control(arm, images):
    """Messages of one graph, `(batch, 1, 1, pixels, channels)`: identity or uniform."""
    pixels = images.reshape(len(images), -1, images.shape[-1]) / 127.5 - 1.0
    if arm == "uniform":
        pixels = np.broadcast_to(pixels.mean(axis=1, keepdims=True), pixels.shape)
    return pixels[:, None, None].astype(np.float16)
