"""Arms whose graphs are computed in the model, which is then fed with no graphs.

Models that train together would have to hold those of all their examples.
"""

import keras
import numpy as np
from keras import ops

from experiment.text.graph_arms import TextArm
from glomo_keras.ops import DIRECTIONS
from glomo_keras.ops import pack_graphs


class ComputedTextArm(TextArm):
    """`TextArm` whose inputs are units: `FIELD_units`, in the predictor's vocabulary.

    Args:
        name: str, one of `TEXT_ARMS`.
        graph_cache: `PackedGraphCache`, see `TextArm`; its predictor is what counts.
        seed: int, of the permutations of `shuffled`.
    """

    def batch_inputs(self, field, rows, unit_ids):
        """Return the units of some texts, as inputs of the model; see `TextArm`."""
        if self.name == "none":
            return {}
        units = self._units_of_graphs(field, rows, unit_ids)
        return {f"{field}_units": units.astype(np.int32)}

    def _connect_graphs(self, field, length, inputs):
        name = f"{field}_units"
        inputs[name] = units = keras.Input((length,), dtype="int32", name=name)
        mask = ops.not_equal(units, 0)
        if self.graph_cache is None:
            return _control_graphs(self.name, mask)
        graphs = self.graph_cache.predictor({"unit_ids": units, "padding_mask": mask})
        packed = pack_graphs(graphs, self.graph_cache.composed)
        return ops.cast(packed, "float16")  # as graphs that are kept


def _control_graphs(name, mask):
    """Return the graphs of a control, tensors like those of `control_graph`."""
    length = mask.shape[1]
    pairs = ops.logical_and(mask[:, :, None], mask[:, None, :])
    places = {
        "uniform": dict.fromkeys(DIRECTIONS, np.ones((length, length))),
        "matched": dict.fromkeys(DIRECTIONS, np.eye(length)),
        "local": {"forward": np.eye(length, k=-1), "backward": np.eye(length, k=1)},
    }[name]
    graphs = {}
    for direction, is_sender in places.items():
        graph = ops.cast(pairs, "float32") * is_sender.astype(np.float32)
        number = ops.maximum(ops.sum(graph, axis=-1, keepdims=True), 1.0)
        graphs[direction] = ops.cast(graph / number, "float16")[:, None, None]
    return graphs
