"""Callbacks of `fit`: exact resume, and pictures of graphs while they are learned."""

from glomo_keras.callbacks.graph_pictures import GraphPictures
from glomo_keras.callbacks.pixel_pictures import PixelPictures
from glomo_keras.callbacks.resumable_checkpoint import ResumableCheckpoint

__all__ = ["GraphPictures", "PixelPictures", "ResumableCheckpoint"]
