"""Classification of small images: the paper's CIFAR-10 experiment."""

import keras

from experiment.images import resnet
from experiment.images.image_task import ImageTask
from glomo_keras.distribution import DistributedModel
from glomo_keras.ops import scale_pixels

SIZES = {
    "smoke": {
        "image_size": 8,
        "num_train": 64,
        "num_dev": 32,
        "num_test": 32,
        "epochs": 2,
        "patience": 2,
        "batch_size": 16,
        "learning_rate": 0.05,
        "depth": 18,
        "width": 2,
        "dropout": 0.0,
    },
    "small": {
        "image_size": 16,
        "num_train": 8_000,
        "num_dev": 2_000,
        "epochs": 15,
        "patience": 15,
        "batch_size": 64,
        "learning_rate": 0.1,
        "depth": 18,
        "width": 16,
        "dropout": 0.0,
    },
    "full": {
        "image_size": 32,
        "num_train": 42_000,
        "num_dev": 8_000,
        "epochs": 100,
        "patience": 100,
        "batch_size": 128,
        "learning_rate": 0.1,
        "depth": 18,
        "width": 64,
        "dropout": 0.0,
    },
}


class Cifar10Task(ImageTask):
    """Images of ten classes, by a ResNet."""

    name = "cifar10"
    sizes = SIZES

    def build(self, data, arm, settings):
        """Build a ResNet; graphs or messages at the chosen site."""
        images = data["train"]["images"]
        labels = data["train"]["labels"]
        inputs = {"images": keras.Input(images.shape[1:], dtype="uint8", name="images")}
        hidden = scale_pixels(inputs["images"])
        if settings.graph_on == "pixels":
            hidden = arm.connect(hidden, inputs, settings)
        hidden = resnet.stem(hidden, settings.width)
        if settings.graph_on == "stem":
            hidden = arm.connect(hidden, inputs, settings)
        hidden = resnet.stages(hidden, settings.depth, settings.width)
        hidden = keras.layers.Dropout(settings.dropout)(hidden)
        logits = keras.layers.Dense(int(labels.max()) + 1, name="logits")(hidden)
        model = DistributedModel(inputs, logits)
        num_train, _ = settings.split_sizes(len(labels))
        steps = max(1, num_train // settings.batch_size) * settings.epochs
        model.compile(
            keras.optimizers.SGD(
                keras.optimizers.schedules.CosineDecay(settings.learning_rate, steps),
                momentum=0.9,
                nesterov=True,
            ),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            jit_compile=keras.backend.backend() != "tensorflow",
        )
        return model
