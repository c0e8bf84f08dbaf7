"""Packed graphs of texts by a frozen predictor: computed once, held in memory."""

import keras
import numpy as np
from keras import ops

from glomo_keras.models.checks import check_model
from glomo_keras.models.checks import check_unit_ids
from glomo_keras.models.graph_predictor import GraphPredictor
from glomo_keras.models.result_cache import GIBIBYTE
from glomo_keras.models.result_cache import JIT_COMPILE
from glomo_keras.models.result_cache import ResultCache
from glomo_keras.ops.packed_graphs import pack_graphs


class PackedGraphCache:
    """The graphs of texts and their products, both directions in one array.

    What `GraphCache` gives, ready for `PackedGraphTransfer`, whose training step is
    shorter. With products there are `2 layers - 1` terms a head, 3/4 of the bytes that
    `GraphCache` holds of two layers and 5/6 of three; without products it is half. Of a
    predictor with a small `top_k` `GraphCache` holds less.

    Args:
        predictor: a `GraphPredictor`. It is frozen.
        composed: bool, whether products of graphs are among the terms.
        num_bytes: int, bytes of graphs that are held.

    Call arguments:
        unit_ids: int array `(batch, length)`, 0 at padding.

    Returns:
        Float16 array `(batch, length, terms, heads, length)`, see
        `glomo_keras.ops.pack_graphs`.

    Raises:
        ValueError: if ids are not of the predictor's vocabulary, or have another shape,
            or if `num_bytes` is negative.
        TypeError: if `predictor` is no `GraphPredictor`, or `num_bytes` no integer.

    Example:

    >>> from glomo_keras.models import GraphPredictor
    >>> predictor = GraphPredictor(
    ...     13, embedding_dim=16, num_graph_layers=2, num_convolutions=1)
    >>> cache = PackedGraphCache(predictor)
    >>> cache(np.array([[2, 3, 5, 0]])).shape
    (1, 4, 3, 8, 4)
    """

    def __init__(self, predictor, composed=True, num_bytes=4 * GIBIBYTE):
        check_model("predictor", predictor, GraphPredictor)
        predictor.trainable = False
        self.predictor = predictor
        self.composed = composed
        self.results = ResultCache(num_bytes)
        packed = ops.cast(pack_graphs(predictor.output, composed), "float16")
        self._model = keras.Model(predictor.input, packed)
        self._model.compile(jit_compile=JIT_COMPILE)

    @classmethod
    def from_preset(cls, preset, composed=True, num_bytes=4 * GIBIBYTE):
        """Make the cache of a preset.

        Args:
            preset: name or folder of a preset of a `GraphPredictor`.
            composed: bool, whether products of graphs are among the terms.
            num_bytes: int, bytes of graphs that are held.

        Returns:
            A `PackedGraphCache`.
        """
        return cls(GraphPredictor.from_preset(preset), composed, num_bytes)

    @property
    def graph_shape(self):
        """Ints `(terms, heads)` of the graphs."""
        num_layers = self.predictor.num_graph_layers
        num_terms = 2 * num_layers - 1 if self.composed else num_layers
        return num_terms, self.predictor.num_heads

    def start_run(self):
        """Let graphs that only earlier runs used make room, where it is short."""
        self.results.start_run()

    def __call__(self, unit_ids):
        unit_ids = np.asarray(unit_ids)
        check_unit_ids(unit_ids, self.predictor.vocabulary_size)
        return self.results.results(
            unit_ids, lambda missing: self._predict(missing, len(unit_ids))
        )

    def _predict(self, unit_ids, batch_size):
        batch = np.zeros((batch_size, *unit_ids.shape[1:]), unit_ids.dtype)
        batch[: len(unit_ids)] = unit_ids  # of one shape: XLA compiles once
        inputs = {"unit_ids": batch, "padding_mask": batch != 0}
        return self._model.predict_on_batch(inputs)[: len(unit_ids)]
