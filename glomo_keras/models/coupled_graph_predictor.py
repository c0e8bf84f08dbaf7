"""A graph predictor whose graphs come from the features that travel along them."""

import keras
from keras import ops

from glomo_keras.layers.graph_propagation import GraphPropagation
from glomo_keras.models.graph_predictor import GraphPredictor
from glomo_keras.ops.visibility import DIRECTIONS


@keras.saving.register_keras_serializable(package="glomo_keras")
class CoupledGraphPredictor(GraphPredictor):
    """Graphs of features, and features along graphs: the paper's "- decouple" ablation.

        queries, keys of layer l = MaskedKeyQueryCNN(f^(l-1))
        G^l = SquaredReLUAffinity_l(queries, keys),  f^l = GRU(f^(l-1) along G^l)

    with f^0 the embeddings. In a `GraphPredictor` the networks read f^0 at every layer,
    so that graphs know nothing of the features; here each graph depends on what has
    been read along those before it, as attention does in a Transformer. The networks
    and the update of the features are shared by the layers. `GLoMoPretrainer` trains
    the features along with the graphs, and the predictor keeps their update.

    There are no messages without graphs: `project` is refused.

    Args:
        num_graph_layers: int, number of graph layers, 2 or more.
        num_heads: int, heads of each graph layer; it must divide `embedding_dim`.
        **kwargs: `vocabulary_size`, `embedding_dim`, `key_dim`, `num_convolutions`,
            `kernel_size`, `normalization`, `threshold`, `use_bias`, `top_k`, `dropout`,
            `seed`, `kernel_initializer`, `kernel_regularizer`, `position_bias`,
            `dtype` and the others are those of `GraphPredictor`.

    Attributes:
        propagations: dict of `forward` and `backward`, the updates of the features,
            `GraphPropagation`. They are frozen where the predictor is.

    Call arguments:
        inputs: unit ids, or a dict of `unit_ids` and `padding_mask`, as of
            `GraphPredictor`.
        training: bool, whether to apply dropout.

    Returns:
        Dict of `forward` and `backward`, float tensors `(batch, num_graph_layers,
        num_heads, length, length)`, receivers in rows.

    Raises:
        ValueError: if an argument is out of its range, or `num_heads` does not divide
            `embedding_dim`.
        TypeError: if the first one is the name of a preset, or an argument is unknown.

    Example:

    >>> predictor = CoupledGraphPredictor(vocabulary_size=13, embedding_dim=16)
    >>> unit_ids = keras.ops.array([[2, 3, 4, 5, 0]])
    >>> graphs = predictor({"unit_ids": unit_ids, "padding_mask": unit_ids != 0})
    >>> tuple(graphs["forward"].shape)
    (1, 3, 8, 5, 5)

    Reference: Yang et al., 2018 (arXiv 1806.05662), section 3.3, Table 2.
    """

    attends = False

    @property
    def propagations(self):
        return {d: self.get_layer(f"{d}_propagation") for d in DIRECTIONS}

    @classmethod
    def make_layers(cls, *, num_graph_layers, dtype, **choices):
        """Make for each direction a network, affinities by layer, and an update."""
        if num_graph_layers < 2:
            raise ValueError(
                "`num_graph_layers` must be 2 or more: the first graphs come from the "
                "embeddings, as they all do in a `GraphPredictor`. Received: "
                f"num_graph_layers={num_graph_layers}. Use `GraphPredictor` for one "
                "layer."
            )
        layers = super().make_layers(num_graph_layers=1, dtype=dtype, **choices)
        for direction, (network, affinity) in layers.items():
            affinities = [
                _copy_of_layer(affinity, f"{direction}_affinity_{layer}", layer)
                for layer in range(num_graph_layers)
            ]
            propagation = GraphPropagation(dtype=dtype, name=f"{direction}_propagation")
            layers[direction] = network, affinities, propagation
        return layers

    @staticmethod
    def connect(layers, features, mask=None):
        graphs = {}
        for direction, (network, affinities, propagation) in layers.items():
            state, of_layers = features, []
            for affinity in affinities:
                if of_layers:
                    graph = ops.squeeze(of_layers[-1], axis=1)
                    state = propagation(state, graph, features_mask=mask)
                queries, keys = network(state, mask=mask)
                of_layers.append(
                    affinity(queries, keys, queries_mask=mask, keys_mask=mask)
                )
            graphs[direction] = ops.concatenate(of_layers, axis=1)
        return graphs

    def affinity(self, direction):
        self.check_attention()  # there is one a layer

    def check_attention(self):
        raise ValueError(
            "Messages without graphs need graphs that do not depend on messages. "
            "Received: a `CoupledGraphPredictor`. Use its graphs, and no blocks."
        )


def _copy_of_layer(affinity, name, number):
    """Return a layer like another one, with a seed of its own where there is one."""
    config = {**affinity.get_config(), "name": name}
    initializer = config["kernel_initializer"]
    arguments = initializer.get("config") if isinstance(initializer, dict) else None
    # That of a function is its name.
    if isinstance(arguments, dict) and arguments.get("seed") is not None:
        arguments = {**arguments, "seed": arguments["seed"] + number}
        config["kernel_initializer"] = {**initializer, "config": arguments}
    return type(affinity).from_config(config)
