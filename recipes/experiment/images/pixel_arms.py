"""The arms of tasks on images: messages of pixels that are held, or graphs that run."""

import functools

import keras
import numpy as np
from keras import ops

from experiment.comparison.arms import Arm
from experiment.comparison.arms import control_graph
from experiment.comparison.arms import local_pixel_graphs
from glomo_keras.layers import GraphTransfer
from glomo_keras.layers import MessageTransfer
from glomo_keras.models import ImageGraphPredictor
from glomo_keras.models import MessageCache
from glomo_keras.ops import DIRECTIONS


class PixelMessages(Arm):
    """Messages of the pixels themselves, as inputs of the model.

    Args:
        name: str: `none`, `matched`, `uniform`, `local` or `learned`.
        message_cache: `MessageCache`, which arms may share. `learned` needs it.
    """

    def __init__(self, name, message_cache=None):
        super().__init__(name)
        if name == "learned" and message_cache is None:
            raise ValueError("The arm 'learned' needs a `message_cache`.")
        self.message_cache = message_cache if name == "learned" else None

    @property
    def message_shape(self):
        """Ints `(terms, heads)` of the messages."""
        if self.message_cache is None:
            return 1, 2 if self.name == "local" else 1
        return self.message_cache.message_shape

    def connect(self, features, inputs, settings):
        if self.name == "none":
            return features
        height, width, channels = features.shape[1:]
        shape = (*self.message_shape, height * width, channels)
        messages = {}
        for direction in DIRECTIONS:
            inputs[direction] = keras.Input(shape, dtype="float16", name=direction)
            messages[direction] = inputs[direction]
        arguments = settings.transfer_arguments()
        del arguments["composed"]  # the cache decides it: products are terms
        transfer = MessageTransfer(**arguments)
        return _fuse_pixels(transfer, features, messages)

    def batch_inputs(self, images):
        """Return the messages of images, as inputs of the model.

        Args:
            images: uint8 array `(batch, height, width, channels)`.

        Returns:
            Dict by direction of float16 arrays `(batch, terms, heads, height * width,
            channels)`; empty for the arm `none`.
        """
        if self.name == "none":
            return {}
        if self.message_cache is not None:
            return self.message_cache(images)
        pixels = images.reshape(len(images), 1, 1, -1, images.shape[-1]) / 127.5 - 1.0
        messages = self.control_messages(pixels, images.shape[1:3])
        return {
            direction: messages[direction].astype(np.float16)
            for direction in DIRECTIONS
        }

    def control_messages(self, pixels, size):
        """Return messages along the graphs of a control, by direction.

        Args:
            pixels: float array `(batch, 1, 1, height * width, channels)`.
            size: ints `(height, width)`.
        """
        if self.name == "local":
            graphs = local_pixel_graphs(*size)
            return {d: np.matmul(graph, pixels) for d, graph in graphs.items()}
        if self.name == "uniform":
            mean = pixels.mean(axis=3, keepdims=True)
            pixels = np.broadcast_to(mean, pixels.shape)
        return dict.fromkeys(DIRECTIONS, pixels)


class PixelGraphs(Arm):
    """Graphs of the pixels, for messages of features that train.

    A graph has a weight for each pair of pixels, which is too much to hold: the model
    runs the frozen predictor itself.

    Args:
        name: str: `none`, `matched`, `uniform`, `local` or `learned`.
        predictor: `ImageGraphPredictor`. `learned` needs it.
    """

    def __init__(self, name, predictor=None):
        super().__init__(name)
        if name == "learned" and predictor is None:
            raise ValueError("The arm 'learned' needs a `predictor`.")
        self.predictor = predictor

    def connect(self, features, inputs, settings):
        if self.name == "none":
            return features
        graphs = self.graphs(inputs["images"])
        transfer = GraphTransfer(**settings.transfer_arguments())
        return _fuse_pixels(transfer, features, graphs)

    def graphs(self, images):
        """Return the graphs of images, by the predictor or of a control.

        Args:
            images: tensor `(batch, height, width, channels)`, levels from 0 to 255.

        Returns:
            Dict by direction of float tensors `(batch, layers, heads, length, length)`,
            the length being `height * width`.
        """
        if self.name == "learned":
            return self.predictor(images, training=False)
        height, width = images.shape[1:3]
        if self.name == "local":
            graphs = local_pixel_graphs(height, width)
        else:
            pixels = np.ones((1, height * width), bool)
            graphs = dict.fromkeys(DIRECTIONS, control_graph(self.name, pixels))
        batch = ops.ones_like(images[:, :1, :1, :1], dtype="float32")[..., None]
        return {d: batch * ops.convert_to_tensor(graph) for d, graph in graphs.items()}

    def batch_inputs(self, images):
        """Return nothing: the images are all that the model needs."""
        return {}


def _fuse_pixels(transfer, features, graphs):
    """Augment the features of an image by a layer of sequences in raster order."""
    height, width, dim = features.shape[1:]
    pixels = ops.reshape(features, (-1, height * width, dim))
    fused = transfer(pixels, graphs)
    return ops.reshape(fused, (-1, height, width, fused.shape[-1]))


@functools.cache
def frozen_predictor(preset):
    """Return the frozen predictor of a preset, loaded once a process."""
    predictor = ImageGraphPredictor.from_preset(preset)
    predictor.trainable = False
    return predictor


@functools.cache
def shared_message_cache(preset, composed, num_bytes):
    """Return the messages of a preset, shared by all runs of a process."""
    return MessageCache(frozen_predictor(preset), composed, num_bytes)
