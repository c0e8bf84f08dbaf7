"""Callbacks of `fit`: exact resume, divergence, and what graphs are like."""

from glomo_keras.callbacks.graph_pictures import GraphPictures
from glomo_keras.callbacks.graph_tensorboard import GraphTensorBoard
from glomo_keras.callbacks.pixel_pictures import PixelPictures
from glomo_keras.callbacks.raise_on_nan import RaiseOnNaN
from glomo_keras.callbacks.resumable_checkpoint import ResumableCheckpoint

__all__ = [
    "GraphPictures",
    "GraphTensorBoard",
    "PixelPictures",
    "RaiseOnNaN",
    "ResumableCheckpoint",
]
