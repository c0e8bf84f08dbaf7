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
from glomo_keras.layers import PackedGraphTransfer
from glomo_keras.models import GraphCache
from glomo_keras.models import GraphPredictor
from glomo_keras.models import PackedGraphCache
from glomo_keras.models import find_preset
from glomo_keras.ops import DIRECTIONS
from glomo_keras.ops import pack_graphs


class TextArm(Arm):
    """Graphs of texts, as inputs of the model: `FIELD_forward`, `FIELD_backward`.

    Where the cache packs them, there is one input of both directions: `FIELD_graphs`.

    Args:
        name: str, one of `ARMS`.
        graph_cache: `GraphCache` or `PackedGraphCache`, which arms may share. The arms
            of `PREDICTED_ARMS` need it.
        seed: int, of the permutations of `shuffled`.
    """

    def __init__(self, name, graph_cache=None, seed=0):
        super().__init__(name)
        if name in PREDICTED_ARMS and graph_cache is None:
            raise ValueError(f"The arm {name!r} needs a `graph_cache`.")
        self.seed = seed
        self.graph_cache = graph_cache if name in PREDICTED_ARMS else None

    @property
    def is_packed(self):
        """Whether graphs are packed; those of controls, of no direction, cannot be."""
        return isinstance(self.graph_cache, PackedGraphCache)

    @property
    def graph_shape(self):
        """Ints `(layers, heads)` of the graphs, `(terms, heads)` if they are packed."""
        if self.graph_cache is None:
            return 1, 1
        layers, heads = self.graph_cache.graph_shape
        return layers, heads + (self.name == "learned+local")

    def connect(self, features, inputs, settings):
        if self.name == "none":
            return features
        transfer_class, arguments = GraphTransfer, settings.transfer_arguments()
        if self.is_packed:
            transfer_class = PackedGraphTransfer
            del arguments["composed"]  # the cache decides it: products are terms
        transfers = [  # the same layers for all texts of an example
            transfer_class(
                **arguments,
                units=next(iter(features.values())).shape[-1],
                name=f"graph_transfer_{hop}",
            )
            for hop in range(1, settings.num_hops + 1)
        ]
        fused = {}
        for field, field_features in features.items():
            graphs = self._connect_graphs(field, field_features.shape[1], inputs)
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
            Dict by name of float16 arrays, of the shape that the cache gives; empty for
            the arm `none`.
        """
        if self.name == "none":
            return {}
        return self._by_input(
            field, self.graphs(self._units_of_graphs(field, rows, unit_ids))
        )

    def graphs(self, unit_ids):
        """Return the graphs of texts, packed or by direction; see `batch_inputs`."""
        if self.name == "local":
            return local_graphs(unit_ids != 0, "float16")
        if self.graph_cache is None:
            graph = control_graph(self.name, unit_ids != 0, "float16")
            return dict.fromkeys(DIRECTIONS, graph)
        graphs = self.graph_cache(unit_ids)
        if self.name == "learned+local":
            local = local_graphs(unit_ids != 0, "float16")
            if self.is_packed:
                return np.concatenate([graphs, self._pack_local(local)], axis=3)
            graphs = {
                direction: np.concatenate(
                    [graph, np.repeat(local[direction], graph.shape[1], axis=1)], axis=2
                )
                for direction, graph in graphs.items()
            }
        return graphs

    def _pack_local(self, local):
        """Return local graphs as one more head of each layer, and their products."""
        num_layers = self.graph_cache.predictor.num_graph_layers
        layers = {
            direction: np.repeat(graph, num_layers, axis=1)
            for direction, graph in local.items()
        }
        return ops.convert_to_numpy(pack_graphs(layers, self.graph_cache.composed))

    def _units_of_graphs(self, field, rows, unit_ids):
        """Return the units that graphs are computed of: of `shuffled` permuted ones."""
        if self.name != "shuffled":
            return unit_ids
        unit_ids = unit_ids.copy()
        for number, row in enumerate(rows):  # what fills up a batch has no row
            seed = [self.seed, int(row), *field.encode()]
            permuted = permute_units(unit_ids[number], np.random.default_rng(seed))
            unit_ids[number] = permuted
        return unit_ids

    def _connect_graphs(self, field, length, inputs):
        """Return the graphs of a field; what they need of batches joins the inputs."""
        make = functools.partial(keras.Input, dtype="float16")
        if self.is_packed:
            graphs = make((length, *self.graph_shape, length), name=f"{field}_graphs")
        else:
            shape = (*self.graph_shape, length, length)
            graphs = {
                direction: make(shape, name=f"{field}_{direction}")
                for direction in DIRECTIONS
            }
        inputs |= self._by_input(field, graphs)
        return graphs

    def _by_input(self, field, graphs):
        """Return graphs of a field by the names of the inputs of the model."""
        if self.is_packed:
            return {f"{field}_graphs": graphs}
        return {f"{field}_{direction}": graphs[direction] for direction in DIRECTIONS}


# One preset at a time: graphs are large, and a search goes from preset to preset.
@functools.lru_cache(maxsize=1)
def shared_graph_cache(preset, top_k, num_bytes):
    """Return the graphs of a preset, shared by all runs of a process."""
    return GraphCache.from_preset(preset, top_k, num_bytes)


@functools.lru_cache(maxsize=1)
def shared_packed_cache(preset, top_k, composed, num_bytes):
    """Return the packed graphs of a preset, shared by all runs of a process.

    Args:
        preset: name or folder of a preset of a `GraphPredictor`.
        top_k: int or None, senders that a row keeps; see `GraphCache`.
        composed: bool, whether the model mixes products of graphs as well.
        num_bytes: int, bytes of graphs that are held.

    Returns:
        A `PackedGraphCache`; of rows that keep few senders a `GraphCache`, which holds
        these alone.
    """
    if top_k is not None:
        return GraphCache.from_preset(preset, top_k, num_bytes)
    predictor = GraphPredictor.from_preset(preset)
    if predictor.top_k is not None:
        return GraphCache(predictor, num_bytes)
    return PackedGraphCache(predictor, composed, num_bytes)


def preset_vocabulary(preset):
    """Return the path of the vocabulary of a preset.

    Raises:
        ValueError: if it has none.
    """
    vocabulary = find_preset(preset).vocabulary
    if vocabulary is None:
        raise ValueError(
            "The graph predictor must be a preset with a vocabulary, as "
            f"`pretrain_text.py` leaves it. Received: {preset}."
        )
    return vocabulary
