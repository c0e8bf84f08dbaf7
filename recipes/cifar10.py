"""CIFAR-10 by ResNets, with and without graphs: the paper's image experiment.

    python recipes/cifar10.py --data tfds:cifar10 --graph learned \
        --predictor runs/images/preset --output runs/cifar10
    python recipes/compare.py cifar10 --data tfds:cifar10 --seeds 5 \
        --predictor runs/images/preset --output runs/cifar10

A ResNet-18 or ResNet-34; the features H, pixels or what the first convolution makes of
them, are augmented by messages H M through the gate, the predictor being frozen. Images
are mirrored from left to right in training, nothing else. --data is tfds:cifar10, a
path of packed images (see `glomo_keras.data.read_images`), or `shapes`, drawn ones.
Results are appended to OUTPUT/runs.jsonl; `compare.py` makes tables of them.
"""

import keras
import numpy as np
import resnet
import task_options
import task_runs
from image_task import ImageTask
from keras import ops

from glomo_keras.layers import GraphTransfer
from glomo_keras.layers import MessageTransfer
from glomo_keras.ops import scale_pixels
from glomo_keras.ops.visibility import DIRECTIONS

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


def build(data, shape, options):
    """A ResNet; graphs or messages at the chosen site.

    Args:
        data: dict by split.
        shape: of the arm: `(terms, heads)` of kept messages, a predictor, the name of
            a control, or `None`.
        options: the command line.
    """
    height, width, channels = data["train"]["images"].shape[1:]
    images = keras.Input((height, width, channels), dtype="uint8", name="images")
    inputs = {"images": images}
    hidden = scale_pixels(images)
    if options.graph_on == "pixels" and shape is not None:
        size = (*shape, height * width, channels)
        for direction in DIRECTIONS:
            inputs[direction] = keras.Input(size, dtype="float16", name=direction)
        messages = {direction: inputs[direction] for direction in DIRECTIONS}
        hidden = _fuse(hidden, messages, MessageTransfer, options)
    hidden = resnet.stem(hidden, options.width)
    if options.graph_on == "stem" and shape is not None:
        graphs = _graphs(images, shape)
        hidden = _fuse(hidden, graphs, GraphTransfer, options)
    hidden = resnet.stages(hidden, options.depth, options.width)
    hidden = keras.layers.Dropout(options.dropout)(hidden)
    num_classes = int(data["train"]["labels"].max()) + 1
    model = keras.Model(inputs, keras.layers.Dense(num_classes, name="logits")(hidden))
    num_train, _ = task_runs.split_sizes(options, len(data["train"]["labels"]))
    steps = max(1, num_train // options.batch_size) * options.epochs
    model.compile(
        keras.optimizers.SGD(
            keras.optimizers.schedules.CosineDecay(options.learning_rate, steps),
            momentum=0.9,
            nesterov=True,
        ),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=keras.backend.backend() != "tensorflow",
    )
    return model


def _fuse(features, graphs, layer, options):
    """Features of an image augmented by messages of its pixels."""
    height, width, dim = features.shape[1:]
    units = ops.reshape(features, (-1, height * width, dim))
    arguments = task_options.transfer_arguments(options)
    if layer is MessageTransfer:
        del arguments["composed"]  # products are among the terms of the messages
    fused = layer(**arguments)(units, graphs)
    return ops.reshape(fused, (-1, height, width, fused.shape[-1]))


def _graphs(images, source):
    """Graphs of the frozen predictor, or of a control."""
    if isinstance(source, keras.Model):
        return source(images, training=False)
    length = images.shape[1] * images.shape[2]
    graph = {
        "matched": np.eye(length),
        "uniform": np.full((length, length), 1 / length),
    }
    graph = ops.convert_to_tensor(graph[source], dtype="float32")[None, None, None]
    batch = ops.ones_like(images[:, :1, :1, :1], dtype="float32")[..., None]
    return dict.fromkeys(DIRECTIONS, batch * graph)


TASK = ImageTask(name="cifar10", sizes=SIZES, build=build)


def make_parser():
    """The command line of the task."""
    return task_options.make_image_parser(TASK, __doc__)


def main(arguments=None):
    """Train the arm of the command line."""
    task_runs.main(TASK, make_parser(), arguments)


if __name__ == "__main__":
    main()
