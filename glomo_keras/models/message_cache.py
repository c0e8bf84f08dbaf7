"""Messages of pixels along the graphs of a frozen predictor: computed once."""

import keras
import numpy as np
from keras import ops

from glomo_keras.models.checks import check_model
from glomo_keras.models.image_graph_predictor import ImageGraphPredictor
from glomo_keras.models.result_cache import GIBIBYTE
from glomo_keras.models.result_cache import JIT_COMPILE
from glomo_keras.models.result_cache import ResultCache
from glomo_keras.ops.mixture import term_messages
from glomo_keras.ops.pixels import scale_pixels
from glomo_keras.ops.raster import raster_units
from glomo_keras.ops.visibility import DIRECTIONS

_IMAGES_AT_ONCE = 8  # whose messages are computed together, the last ones filled up


class MessageCache:
    """Messages of the pixels of images along all graphs and products of graphs.

    A graph of an image has a weight for each pair of pixels, which is too much to hold;
    messages have a vector for each pixel. Pixels and graphs of an image never change,
    so that its messages are computed when it is first seen, and held as long as there
    is room. `MessageTransfer` mixes them.

    Args:
        predictor: an `ImageGraphPredictor`. It is frozen.
        composed: bool, whether products of graphs are among the terms.
        num_bytes: int, bytes of messages that are held.

    Call arguments:
        images: uint8 array `(batch, height, width, channels)`.

    Returns:
        Dict of `forward` and `backward`, float16 arrays `(batch, terms, heads, height *
        width, channels)`: messages of pixels from -1 to 1.

    Raises:
        TypeError: if images are not uint8, if `predictor` is no `ImageGraphPredictor`,
            or `num_bytes` no integer.
        ValueError: if `num_bytes` is negative.

    Example:

    >>> from glomo_keras.models import ImageGraphPredictor
    >>> predictor = ImageGraphPredictor(16, num_graph_layers=2, num_convolutions=1)
    >>> cache = MessageCache(predictor)
    >>> cache(np.zeros((1, 3, 5, 3), "uint8"))["forward"].shape
    (1, 3, 8, 15, 3)
    """

    def __init__(self, predictor, composed=True, num_bytes=4 * GIBIBYTE):
        check_model("predictor", predictor, ImageGraphPredictor)
        predictor.trainable = False
        self.predictor = predictor
        self.composed = composed
        self.results = ResultCache(num_bytes)
        self._models = {}

    @classmethod
    def from_preset(cls, preset, composed=True, num_bytes=4 * GIBIBYTE):
        """Make the cache of a preset.

        Args:
            preset: name or folder of a preset of an `ImageGraphPredictor`.
            composed: bool, whether products of graphs are among the terms.
            num_bytes: int, bytes of messages that are held.

        Returns:
            A `MessageCache`.
        """
        return cls(ImageGraphPredictor.from_preset(preset), composed, num_bytes)

    @property
    def message_shape(self):
        """Ints `(terms, heads)` of the messages."""
        num_layers = self.predictor.num_graph_layers
        num_terms = 2 * num_layers - 1 if self.composed else num_layers
        return num_terms, self.predictor.num_heads

    def start_run(self):
        """Let messages that only earlier runs used make room, where it is short."""
        self.results.start_run()

    def __call__(self, images):
        images = np.asarray(images)
        if images.dtype != np.uint8:
            raise TypeError(
                "`images` must be uint8, levels from 0 to 255. Received: "
                f"{images.dtype}. Give the levels as they were read."
            )
        messages = self.results.results(images, self._compute)
        return {name: messages[:, number] for number, name in enumerate(DIRECTIONS)}

    def _compute(self, images):
        shape = images.shape[1:]
        if shape not in self._models:
            self._models[shape] = self._make_model(shape)
        parts = []
        for start in range(0, max(1, len(images)), _IMAGES_AT_ONCE):
            part = images[start : start + _IMAGES_AT_ONCE]
            batch = np.zeros((_IMAGES_AT_ONCE, *shape), "uint8")  # of one shape
            batch[: len(part)] = part
            messages = np.stack(self._models[shape].predict_on_batch(batch), axis=1)
            parts.append(messages[: len(part)])
        return np.concatenate(parts)

    def _make_model(self, shape):
        """Make the model from images to the messages of their pixels."""
        images = keras.Input(shape, dtype="uint8")
        graphs = self.predictor(images)
        pixels, _ = raster_units(scale_pixels(images))
        model = keras.Model(
            images,
            [
                ops.cast(
                    term_messages(pixels, graphs[direction], self.composed), "float16"
                )
                for direction in DIRECTIONS
            ],
        )
        model.compile(jit_compile=JIT_COMPILE)
        return model
