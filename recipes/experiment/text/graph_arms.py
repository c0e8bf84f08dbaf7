"""The arms of tasks on texts: graphs, computed batch by batch and held in memory."""

import functools

import keras
import numpy as np
from keras import ops

from experiment.comparison.arms import PREDICTED_ARMS
from experiment.comparison.arms import Arm
from experiment.comparison.arms import control_graph
from experiment.comparison.arms import local_graphs
from experiment.comparison.arms import permute_units
from glomo_keras.layers import GraphTransfer
from glomo_keras.models import GraphCache
from glomo_keras.models import find_preset
from glomo_keras.ops import DIRECTIONS


class TextArm(Arm):
    """Graphs of texts, as inputs of the model: `FIELD_forward`, `FIELD_backward`.

    Args:
        name: str, one of `ARMS`.
        graph_cache: `GraphCache`, which arms may share. `shuffled` and `learned` need
            it.
        seed: int, of the permutations of `shuffled`.
    """

    def __init__(self, name, graph_cache=None, seed=0):
        super().__init__(name)
        if name in PREDICTED_ARMS and graph_cache is None:
            raise ValueError(f"The arm {name!r} needs a `graph_cache`.")
        self.seed = seed
        self.graph_cache = graph_cache if name in PREDICTED_ARMS else None

    @property
    def graph_shape(self):
        """Ints `(layers, heads)` of the graphs."""
        if self.graph_cache is None:
            return 1, 1
        layers, heads = self.graph_cache.graph_shape
        return layers, heads + (self.name == "learned+local")

    def connect(self, features, inputs, settings):
        # The same layers for all texts of an example. They are made for every arm, so
        # that what is built after them draws its seeds at the same place.
        transfers = [
            GraphTransfer(
                **settings.transfer_arguments(),
                units=next(iter(features.values())).shape[-1],
                name=f"graph_transfer_{hop}",
            )
            for hop in range(1, settings.num_hops + 1)
        ]
        if self.name == "none":
            return features
        fused = {}
        for field, field_features in features.items():
            length = field_features.shape[1]
            graphs = {}
            for direction in DIRECTIONS:
                name = f"{field}_{direction}"
                shape = (*self.graph_shape, length, length)
                inputs[name] = keras.Input(shape, dtype="float16", name=name)
                graphs[direction] = inputs[name]
            mask = ops.not_equal(inputs[field], 0)
            for transfer in transfers:
                field_features = transfer(field_features, graphs, features_mask=mask)
            fused[field] = field_features
        return fused

    def batch_inputs(self, field, rows, unit_ids):
        """Return the graphs of some texts of a field, as inputs of the model.

        Args:
            field: str, name of the field.
            rows: int array `(batch,)`, the texts' numbers; with the field they fix the
                permutations of `shuffled`. It may leave out empty texts at the end.
            unit_ids: int array `(batch, length)`, in the predictor's vocabulary.

        Returns:
            Dict by name of float16 arrays `(batch, layers, heads, length, length)`;
            empty for the arm `none`.
        """
        if self.name == "none":
            return {}
        if self.name == "shuffled":
            unit_ids = unit_ids.copy()
            for number, row in enumerate(rows):  # what fills up a batch has no row
                seed = [self.seed, int(row), *field.encode()]
                permuted = permute_units(unit_ids[number], np.random.default_rng(seed))
                unit_ids[number] = permuted
        graphs = self.graphs(unit_ids)
        return {f"{field}_{direction}": graphs[direction] for direction in DIRECTIONS}

    def graphs(self, unit_ids):
        """Return the graphs of texts, by direction; see `batch_inputs`."""
        if self.name == "local":
            return local_graphs(unit_ids != 0, "float16")
        if self.graph_cache is None:
            graph = control_graph(self.name, unit_ids != 0, "float16")
            return dict.fromkeys(DIRECTIONS, graph)
        graphs = self.graph_cache(unit_ids)
        if self.name == "learned+local":
            local = local_graphs(unit_ids != 0, "float16")
            graphs = {
                direction: np.concatenate(
                    [graph, np.repeat(local[direction], graph.shape[1], axis=1)], axis=2
                )
                for direction, graph in graphs.items()
            }
        return graphs


@functools.cache
def shared_graph_cache(preset, top_k, num_bytes):
    """Return the graphs of a preset, shared by all runs of a process."""
    return GraphCache.from_preset(preset, top_k, num_bytes)


def preset_vocabulary(preset):
    """Return the path of the vocabulary of a preset.

    Raises:
        ValueError: if it has none.
    """
    vocabulary = find_preset(preset).vocabulary
    if vocabulary is None:
        raise ValueError(
            "--predictor must name a preset with a vocabulary, as `pretrain_text.py` "
            f"leaves it. Received: {preset}."
        )
    return vocabulary
