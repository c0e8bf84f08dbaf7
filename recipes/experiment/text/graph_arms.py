"""What stands in for the graphs in a downstream model: the arms of an experiment."""

import functools

import keras
import numpy as np
from keras import ops

from glomo_keras.models.presets import load_preset
from glomo_keras.models.result_cache import ResultCache
from glomo_keras.ops.visibility import DIRECTIONS

ARMS = {
    "none": "no fusion at all",
    "matched": "the fusion is fed with the features themselves: its weights alone",
    "uniform": "every real unit reads every real unit with weight 1/n",
    "shuffled": "graphs of the same text with its real units permuted, fixed by seed",
    "learned": "the graphs of the predictor",
}
PREDICTED_ARMS = ("shuffled", "learned")


class GraphArm:
    """Gives the graphs of texts, batch by batch, as arrays in float16.

    The predictor is frozen, so that the graphs of a text never change: they are
    computed when a text is first seen, and kept as long as there is room.

    Args:
        arm: str, one of `ARMS`.
        predictor: model of `load_predictor`; other arms than `shuffled` and `learned`
            need none.
        seed: int, of the permutations of `shuffled`.
        kept: `ResultCache` of graphs of this predictor, which arms may share. `None`
            means its own, of 4 GiB.
    """

    def __init__(self, arm, predictor=None, seed=0, kept=None):
        if arm not in ARMS:
            raise ValueError(f"The arm must be one of {list(ARMS)}. Received: {arm!r}.")
        self.arm = arm
        self.seed = seed
        self.kept = ResultCache(4 * 2**30) if kept is None else kept
        self.predictor = predictor if arm in PREDICTED_ARMS else None

    @property
    def shape(self):
        """`(layers, heads)` of the graphs, or `None` without graphs."""
        if self.arm == "none":
            return None
        return (
            (1, 1) if self.predictor is None else self.predictor.outputs[0].shape[1:3]
        )

    def graphs(self, field, rows, unit_ids):
        """Graphs of some texts of a field.

        Args:
            field: str, name of the field.
            rows: int array `(batch,)`, the texts' numbers; with the field they fix the
                permutations of `shuffled`.
            unit_ids: int array `(batch, length)`, in the predictor's vocabulary.

        Returns:
            Dict by direction of float16 arrays `(batch, layers, heads, length,
            length)`; empty for the arm `none`.
        """
        if self.arm == "none":
            return {}
        if self.predictor is None:
            graph = _control(self.arm, unit_ids != 0)
            return dict.fromkeys(DIRECTIONS, graph)
        ids = unit_ids
        if self.arm == "shuffled":
            draws = ([self.seed, int(row), *field.encode()] for row in rows)
            ids = [
                permute_units(of_text, np.random.default_rng(draw))
                for of_text, draw in zip(unit_ids, draws, strict=True)
            ]
        predict = functools.partial(self._predict, unit_ids.shape)
        graphs = self.kept.results(np.asarray(ids), predict)
        return {name: graphs[:, i] for i, name in enumerate(DIRECTIONS)}

    def _predict(self, shape, ids):
        batch = np.zeros(shape, ids.dtype)  # of one shape, so that XLA compiles once
        batch[: len(ids)] = ids
        inputs = {"unit_ids": batch, "padding_mask": batch != 0}
        graphs = self.predictor.predict_on_batch(inputs)
        return np.stack([graphs[name][: len(ids)] for name in DIRECTIONS], axis=1)


def permute_units(ids, draw):
    """Permute the real units of one text; padding stays where it is."""
    num_real = int(np.count_nonzero(ids))
    return np.concatenate([draw.permutation(ids[:num_real]), ids[num_real:]])


def _control(arm, mask):
    """Identity or uniform graph `(batch, 1, 1, length, length)` over real units."""
    if arm == "matched":
        graph = np.eye(mask.shape[1], dtype=np.float16) * mask[:, None, :]
    else:
        size = np.maximum(mask.sum(axis=1), 1)[:, None, None]
        graph = (mask[:, :, None] & mask[:, None, :]) / size
    return graph[:, None, None].astype(np.float16)


@functools.cache
def load_predictor(preset, top_k=None):
    """The frozen predictor of a preset, outputs in float16: half the bytes to move.

    Loaded, and compiled, once a process. With `top_k` a row keeps the weights of so
    many of its strongest senders, which sum to one again.
    """
    predictor = load_preset(preset)
    if top_k is not None:
        whole = predictor
        predictor = type(whole).from_config({**whole.get_config(), "top_k": top_k})
        predictor.set_weights(whole.get_weights())
    predictor.trainable = False
    graphs = {
        direction: ops.cast(predictor.output[direction], "float16")
        for direction in DIRECTIONS
    }
    model = keras.Model(predictor.input, graphs)
    model.compile(jit_compile=True)
    return model
