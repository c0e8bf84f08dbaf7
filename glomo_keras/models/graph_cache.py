"""Graphs of texts by a frozen predictor: computed once, held in memory."""

import functools

import keras
import numpy as np
from keras import ops

from glomo_keras.models.checks import check_model
from glomo_keras.models.checks import check_unit_ids
from glomo_keras.models.graph_predictor import GraphPredictor
from glomo_keras.models.result_cache import GIBIBYTE
from glomo_keras.models.result_cache import JIT_COMPILE
from glomo_keras.models.result_cache import ResultCache
from glomo_keras.ops.visibility import DIRECTIONS


class GraphCache:
    """The graphs of texts, for training on the same texts epoch after epoch.

    The predictor is frozen, so that the graphs of a text never change: they are
    computed when it is first seen, and held as long as there is room. They are float16,
    half the bytes to move. Of a predictor whose rows keep few senders, `top_k`, these
    alone are held: at 200 units and eight senders that is a twelfth of the bytes.

    Args:
        predictor: a `GraphPredictor`. It is frozen.
        num_bytes: int, bytes of graphs that are held.

    Call arguments:
        unit_ids: int array `(batch, length)`, 0 at padding.

    Returns:
        Dict of `forward` and `backward`, float16 arrays `(batch, layers, heads, length,
        length)`, receivers in rows.

    Raises:
        ValueError: if ids are not of the predictor's vocabulary, or have another shape,
            or if `num_bytes` is negative.
        TypeError: if `predictor` is no `GraphPredictor`, or `num_bytes` no integer.

    Example:

    >>> from glomo_keras.models import GraphPredictor
    >>> predictor = GraphPredictor(
    ...     13, embedding_dim=16, num_graph_layers=2, num_convolutions=1)
    >>> cache = GraphCache(predictor)
    >>> cache(np.array([[2, 3, 5, 0]]))["forward"].shape
    (1, 2, 8, 4, 4)
    """

    def __init__(self, predictor, num_bytes=4 * GIBIBYTE):
        check_model("predictor", predictor, GraphPredictor)
        predictor.trainable = False
        self.predictor = predictor
        self.results = ResultCache(num_bytes)
        graphs = {
            direction: ops.cast(predictor.output[direction], "float16")
            for direction in DIRECTIONS
        }
        self._model = keras.Model(predictor.input, graphs)
        self._model.compile(jit_compile=JIT_COMPILE)

    @classmethod
    def from_preset(cls, preset, top_k=None, num_bytes=4 * GIBIBYTE):
        """Make the cache of a preset.

        Args:
            preset: name or folder of a preset of a `GraphPredictor`.
            top_k: int or None, strongest senders that a row keeps, whose weights sum to
                one again. `None` means what the predictor was saved with.
            num_bytes: int, bytes of graphs that are held.

        Returns:
            A `GraphCache`.
        """
        overrides = {} if top_k is None else {"top_k": top_k}
        return cls(GraphPredictor.from_preset(preset, **overrides), num_bytes)

    @property
    def graph_shape(self):
        """Ints `(layers, heads)` of the graphs."""
        return self.predictor.num_graph_layers, self.predictor.num_heads

    def start_run(self):
        """Let graphs that only earlier runs used make room, where it is short."""
        self.results.start_run()

    def __call__(self, unit_ids):
        unit_ids = np.asarray(unit_ids)
        check_unit_ids(unit_ids, self.predictor.vocabulary_size)
        predict = functools.partial(self._predict, unit_ids.shape)
        graphs = self.results.results(unit_ids, predict)
        if self._is_sparse(unit_ids.shape[1]):
            graphs = _dense_graphs(graphs, unit_ids.shape[1])
        return {name: graphs[:, number] for number, name in enumerate(DIRECTIONS)}

    def _is_sparse(self, length):
        """Whether senders and weights are fewer numbers than a row of a graph."""
        return self.predictor.top_k is not None and 2 * self.predictor.top_k < length

    def _predict(self, shape, unit_ids):
        batch = np.zeros(shape, unit_ids.dtype)  # of one shape: XLA compiles once
        batch[: len(unit_ids)] = unit_ids
        inputs = {"unit_ids": batch, "padding_mask": batch != 0}
        graphs = self._model.predict_on_batch(inputs)
        graphs = [graphs[name][: len(unit_ids)] for name in DIRECTIONS]
        graphs = np.stack(graphs, axis=1)
        if self._is_sparse(shape[1]):
            return _sparse_rows(graphs, self.predictor.top_k)
        return graphs


def _sparse_rows(graphs, num_senders):
    """Return senders and weights of rows, uint16 `(batch, ..., length, 2, senders)`."""
    senders = np.argpartition(graphs, -num_senders, axis=-1)[..., -num_senders:]
    weights = np.take_along_axis(graphs, senders, axis=-1)
    return np.stack([senders.astype(np.uint16), weights.view(np.uint16)], axis=-2)


def _dense_graphs(rows, length):
    """Return the graphs `(batch, ..., length, length)` of senders and weights."""
    graphs = np.zeros((*rows.shape[:-2], length), np.float16)
    senders, weights = rows[..., 0, :], np.ascontiguousarray(rows[..., 1, :])
    np.put_along_axis(graphs, senders.astype(int), weights.view(np.float16), axis=-1)
    return graphs
