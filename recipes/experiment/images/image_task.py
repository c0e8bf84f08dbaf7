"""Tasks on labelled images, with messages along the graphs of their pixels."""

import dataclasses

import numpy as np

from experiment.comparison.settings import Settings
from experiment.comparison.task import Task
from experiment.folders import read_array_settings
from experiment.images.image_batches import ImageBatches
from experiment.images.pixel_arms import PixelGraphs
from experiment.images.pixel_arms import PixelMessages
from experiment.images.pixel_arms import frozen_predictor
from experiment.images.pixel_arms import shared_message_cache
from experiment.process import UsageError
from glomo_keras.files import atomic_folder
from glomo_keras.files import write_json
from glomo_keras.pretraining.run_folder import differences


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImageSettings(Settings):
    """Settings of tasks on images.

    Attributes:
        image_size: int, height and width that images are shrunk to.
        depth: int, of the ResNet: 18 or 34.
        width: int, channels of its first stage.
    """

    image_size: int
    depth: int
    width: int


class ImageTask(Task):
    """A task on images with a label each; a subclass builds the model."""

    metric = "accuracy"
    settings_class = ImageSettings
    arms = ("none", "matched", "uniform", "local", "learned")
    sites = ("pixels", "stem")
    default_predictor = "glomo_image_small"

    def add_options(self, parser):
        add = parser.add_argument
        add(
            "--data",
            default="shapes",
            help="tfds:NAME, a path, or shapes (drawn, the default)",
        )
        add("--image-size", type=int, help="height and width that images are shrunk to")
        add("--depth", type=int, choices=(18, 34), help="of the ResNet")
        add("--width", type=int, help="channels of the first stage")

    def check_settings(self, settings):
        super().check_settings(settings)
        if settings.num_hops != 1:
            raise ValueError(
                "--num-hops must be 1 on images, whose messages along graphs are kept. "
                f"Received: {settings.num_hops}."
            )

    def prepare(self, settings):
        from glomo_keras.data import describe_images

        folder = settings.output / "arrays"
        described = {
            "data": settings.data,
            "size": settings.image_size,
            "sources": describe_images(settings.data, ("train", "test")),
        }
        if not (folder / "metadata.json").exists():
            folder.parent.mkdir(parents=True, exist_ok=True)
            with atomic_folder(folder) as temporary:
                _write_images(temporary, settings)
                write_json(temporary / "metadata.json", {"settings": described})
        different = differences(read_array_settings(folder), described)
        if different:
            raise UsageError(
                f"{folder} holds other images ({different}). Give another --output, or "
                "the options of those."
            )
        data = {
            split: {
                name: np.load(folder / f"{split}_{name}.npy", mmap_mode="r")
                for name in ("images", "labels")
            }
            for split in ("train", "test")
        }
        return {**data, "sources": described["sources"]}

    def identify_data(self, data):
        return data["sources"]

    def usable_examples(self, data):
        return np.arange(len(data["train"]["labels"]))

    def num_test_examples(self, data):
        return len(data["test"]["labels"])

    def make_arm(self, name, seed, settings):
        is_learned = name == "learned"
        if settings.graph_on == "stem":
            predictor = frozen_predictor(settings.predictor) if is_learned else None
            return PixelGraphs(name, predictor)
        if not is_learned:
            return PixelMessages(name)
        message_cache = shared_message_cache(
            settings.predictor, not settings.no_composed, settings.cache_bytes
        )
        message_cache.start_run()
        return PixelMessages(name, message_cache)

    def batches(self, data, split, arm, settings, examples, **training):
        return ImageBatches(data[split], arm, examples, settings.batch_size, **training)

    def score(self, predictions, data, split, examples):
        labels = data[split]["labels"][examples]
        return {"accuracy": (predictions.argmax(axis=-1) == labels).astype(float)}


def _write_images(folder, settings):
    """Write images and labels of both splits as arrays."""
    from glomo_keras.data import read_images

    for split in ("train", "test"):
        images, labels = read_images(settings.data, split, settings.image_size)
        if labels is None:
            raise UsageError(
                f"{settings.data} has no labels to train on. Give --data that has them."
            )
        np.save(folder / f"{split}_images.npy", images)
        np.save(folder / f"{split}_labels.npy", labels)
        print(f"{split}: {len(images):,} images of {images.shape[1]} pixels")
