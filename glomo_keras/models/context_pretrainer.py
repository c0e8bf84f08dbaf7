"""What the pretraining of text and of images share: features along predicted graphs."""

import math

import keras
from keras import ops

from glomo_keras.checks import plain_integer
from glomo_keras.checks import positive_integer
from glomo_keras.distribution.replicas import sum_over_replicas
from glomo_keras.layers.graph_propagation import GraphPropagation
from glomo_keras.models.graph_metrics import GRAPH_RATIOS
from glomo_keras.models.graph_metrics import DeadHeads
from glomo_keras.models.graph_metrics import HeadRatio
from glomo_keras.models.unsupervised import UnsupervisedModel
from glomo_keras.ops.composition import join_heads
from glomo_keras.ops.composition import propagate
from glomo_keras.ops.composition import split_heads
from glomo_keras.ops.counts import graph_counts
from glomo_keras.ops.ordering import compute_after
from glomo_keras.ops.relations import relation_counts
from glomo_keras.ops.sizes import shortfall
from glomo_keras.ops.visibility import DIRECTIONS
from glomo_keras.ops.visibility import visible_pairs

_WATCHED = 2  # sequences of a batch whose relations are counted in training
# Units from which blocks take no more time on a CPU, and receivers of a block.
_LONG, _BLOCK_SIZE = 512, 64


class ContextPretrainer(UnsupervisedModel, keras.Model):
    """Features that travel along predicted graphs, and the loss of their decoders.

    A subclass makes the decoders, and its `call` returns, for each direction,
    log-likelihoods `<direction>` and `<direction>_valid`, both `(batch, num_positions,
    steps)`, and `counts`, what `count_graphs` returns.

    Args:
        graph_predictor: what is trained.
        dim: int, size of the features.
        update: `"gru"` or `"residual"`, see `GraphPropagation`.
        message: `"plain"` or `"product_concat"`, see `GraphPropagation`.
        shared_update: bool, whether the graph layers of a direction share one update.
        num_positions: int or None, positions drawn in a training step.
        block_size: int, `"auto"` or None, receivers of a block. `None` holds the
            graphs, `"auto"` decides by the length, see `choose_block_size`.
        seed: int or None, seed of the positions.
        **kwargs: `keras.Model` arguments.
    """

    def __init__(
        self,
        graph_predictor,
        dim,
        update="gru",
        message="plain",
        shared_update=True,
        num_positions=None,
        block_size="auto",
        seed=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if block_size != "auto":
            block_size = positive_integer("block_size", block_size, or_none=True)
        if block_size not in ("auto", None):
            graph_predictor.check_attention()
        num_positions = positive_integer("num_positions", num_positions, or_none=True)
        self.graph_predictor = graph_predictor
        self.dim = dim
        self.update = update
        self.message = message
        self.shared_update = shared_update
        self.num_positions = num_positions
        self.block_size = block_size
        self.seed = seed = plain_integer(seed)
        self._position_seed = keras.random.SeedGenerator(seed)
        num_layers = graph_predictor.num_graph_layers
        self.propagations = {
            direction: [
                GraphPropagation(
                    update,
                    message,
                    dtype=self.dtype_policy,
                    name=f"{direction}_propagation_{layer}",
                )
                for layer in range(1 if shared_update else num_layers)
            ]
            for direction in DIRECTIONS
        }
        if graph_predictor.propagations is not None:
            self._share_updates(graph_predictor.propagations)
        heads = (len(DIRECTIONS), num_layers, graph_predictor.num_heads)
        self.ratios = {name: HeadRatio(heads, name=name) for name in GRAPH_RATIOS}
        self.dead_heads = DeadHeads(math.prod(heads))

    def _share_updates(self, propagations):
        """Take the updates that the graphs depend on, which must be like one's own."""
        for direction, propagation in propagations.items():
            own = self.propagations[direction]
            names = ("update", "message")
            differ = [n for n in names if getattr(own[0], n) != getattr(propagation, n)]
            if differ or len(own) > 1:
                raise ValueError(
                    "`update`, `message` and `shared_update` must be those of a graph "
                    'predictor that has updates of its own: "gru", "plain" and True. '
                    f"Received: {self.update!r}, {self.message!r} and "
                    f"{self.shared_update}."
                )
            self.propagations[direction] = [propagation]

    def build_propagations(self):
        """Build the updates of all directions and layers."""
        features = (None, None, self.dim)
        graph = (None, self.graph_predictor.num_heads, None, None)
        for direction in DIRECTIONS:
            for propagation in self.propagations[direction]:
                if not propagation.built:  # those of the graph predictor are
                    propagation.build(features, graph)

    def features_and_graphs(self, first, inputs, sample, mask=None, training=None):
        """Return features of both directions, and graphs to count senders in.

        Args:
            first: float tensor `(batch, length, dim)`, f^0.
            inputs: what the graph predictor takes.
            sample: a small part of it, whose graphs are returned where those of all
                are not held.
            mask: bool tensor `(batch, length)`, or `None`.
            training: bool, whether to apply dropout.

        Returns:
            `(features, graphs)`: a dict of `forward` and `backward`, lists of f^0 ...
            f^L, float tensors `(batch, length, dim)`; and what the graph predictor
            returns, of the inputs, or with blocks of the sample.
        """
        block_size = self.choose_block_size(first.shape[1], training)
        if block_size is None:
            graphs = self.graph_predictor(inputs, training=training)
            return self.features_along(graphs, first, mask), graphs
        graphs = self.graph_predictor(sample, training=False)
        graphs = {d: ops.stop_gradient(graphs[d]) for d in DIRECTIONS}
        features = self.features_in_blocks(inputs, first, block_size, mask, training)
        return features, graphs

    def choose_block_size(self, length, training=None):
        """Return the receivers of a block, or `None` where graphs are held.

        With `block_size="auto"` training on long sequences goes in blocks, which then
        takes no more time and far less memory. Evaluation holds the graphs, to count in
        all of them, as does a predictor whose graphs cannot be done without, and a
        model that XLA compiles, which takes minutes over the blocks of a step.

        Args:
            length: int or None, number of units.
            training: bool, whether it is a training step.
        """
        if self.block_size != "auto":
            return self.block_size
        is_long = length is not None and length >= _LONG
        attends = self.graph_predictor.attends
        if training and is_long and attends and not self.jit_compile:
            return _BLOCK_SIZE
        return None

    def features_along(self, graphs, first, mask=None):
        """Return the features that travel along given graphs.

        Args:
            graphs: dict of `forward` and `backward`, what the graph predictor returns.
            first: float tensor `(batch, length, dim)`, f^0.
            mask: bool tensor `(batch, length)`, or `None`.

        Returns:
            Dict of `forward` and `backward`, lists of f^0 ... f^L.
        """
        return {
            direction: self.propagate(
                first,
                direction,
                zip(ops.unstack(graphs[direction], axis=1), strict=True),
                mask=mask,
            )
            for direction in DIRECTIONS
        }

    def features_in_blocks(self, inputs, first, block_size, mask=None, training=None):
        """Return the features that travel along the graphs of inputs, without these.

        Messages are computed for `block_size` receivers at a time, and what lies
        between two layers, which would fill gigabytes, again in the gradient.

        Args:
            inputs: what the graph predictor takes.
            first: float tensor `(batch, length, dim)`, f^0.
            block_size: int, receivers of a block.
            mask: bool tensor `(batch, length)`, or `None`.
            training: bool, whether to apply dropout.

        Returns:
            Dict of `forward` and `backward`, lists of f^0 ... f^L.
        """
        factors = self.graph_predictor.project(
            inputs, training=training, recompute=True
        )
        features = {}
        for direction in DIRECTIONS:
            layers = self._propagate_in_blocks(
                first, direction, factors[direction], block_size, mask
            )
            features[direction] = layers
            # Memory for one direction at a time.
            first = compute_after(first, layers[-1])
        return features

    def _propagate_in_blocks(self, first, direction, factors, block_size, mask):
        affinity = self.graph_predictor.affinity(direction)

        def along(values, *tensors):
            messages = affinity.attend(
                values=split_heads(values, self.graph_predictor.num_heads),
                **dict(zip(factors, tensors, strict=True)),
                queries_mask=mask,
                keys_mask=mask,
                block_size=block_size,
            )
            return ops.cast(join_heads(messages), values.dtype)

        layers = [ops.unstack(factor, axis=1) for factor in factors.values()]
        return self.propagate(
            first, direction, zip(*layers, strict=True), along, mask, recompute=True
        )

    def propagate(
        self, first, direction, tensors, along=propagate, mask=None, recompute=False
    ):
        """Return the features of every graph layer, f^0 ... f^L.

        Args:
            first: float tensor `(batch, length, dim)`, f^0.
            direction: `"forward"` or `"backward"`.
            tensors: for every layer a tuple of what `along` needs, such as the graph.
            along: function `along(values, *tensors_of_a_layer)`, messages like values.
            mask: bool tensor `(batch, length)`, or `None`.
            recompute: bool, whether the gradient computes an update again instead of
                keeping all that is between two layers.

        Returns:
            List of float tensors `(batch, length, dim)`.
        """
        layers = [first]
        for layer, tensors_of_layer in enumerate(tensors):
            propagation = self.propagations[direction][
                0 if self.shared_update else layer
            ]

            def update(features, *tensors, propagation=propagation):
                return propagation.step(
                    features, lambda values: along(values, *tensors), mask
                )

            update = keras.remat(update) if recompute else update
            layers.append(update(layers[-1], *tensors_of_layer))
        return layers

    def count_graphs(self, graphs, mask=None, training=None, distances=None):
        """Count active senders, and what tells whether the graphs are relations.

        Args:
            graphs: dict of `forward` and `backward`, graphs.
            mask: bool tensor `(batch, length)`, `True` at real units, or `None`.
            training: bool, whether to take but two sequences for `relation_counts`.
            distances: int tensor `(length, length)`, see `relation_counts`.

        Returns:
            Dict of what `glomo_keras.ops.graph_counts` and `relation_counts` count, by
            their names: float tensors `(batch, 2, num_graph_layers, num_heads)`,
            forward first; of the latter, in training, `(2, ...)`.
        """
        watched = slice(_WATCHED if training else None)
        counts = []
        for direction in DIRECTIONS:
            length = ops.shape(graphs[direction])[-1]
            visible = visible_pairs(length, direction, mask, mask)
            graph = ops.stop_gradient(graphs[direction])
            seen = visible if mask is None else visible[watched]
            counts.append(
                graph_counts(graph, visible)
                | relation_counts(graph[watched], seen, distances)
            )
        return {
            name: ops.stack([count[name] for count in counts], axis=1)
            for name in counts[0]
        }

    def draw_positions(self, length):
        """Return the positions of a training step, or `None` for all.

        Args:
            length: int or scalar int tensor, number of units.

        Returns:
            Int tensor `(num_positions,)`, or `(0,)` where there is no unit.
        """
        if self.num_positions is None:
            return None
        positions = keras.random.randint(
            (self.num_positions,),
            0,
            length + shortfall(length, 1),
            dtype="int32",
            seed=self._position_seed,
        )
        if isinstance(length, int) and length > 0:
            return positions
        return positions[: length * self.num_positions]

    def mean_loss(self, outputs):
        """Return the mean of -log p over valid pairs, and over the directions.

        Of a replica, its share of the mean over the pairs of all of them.
        """
        means = []
        for direction in DIRECTIONS:
            valid = ops.cast(outputs[f"{direction}_valid"], outputs[direction].dtype)
            number = ops.maximum(sum_over_replicas(ops.sum(valid)), 1.0)
            means.append(-ops.sum(outputs[direction]) / number)
        return sum(means) / len(means)

    def share_of_loss(self, x, y_pred):
        return self.mean_loss(y_pred)

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        pair_weight = x.get("pair_weight") if isinstance(x, dict) else None
        if pair_weight is None:
            return super().compute_loss(x, y, y_pred, sample_weight, training)
        self.check_own_loss(y, sample_weight)
        sums = [-ops.sum(y_pred[d], axis=(1, 2)) for d in DIRECTIONS]
        loss = ops.sum(pair_weight * sum(sums)) / len(DIRECTIONS)
        return loss + self.added_losses()

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        for direction in DIRECTIONS:
            nats = -y_pred[direction]
            valid = ops.cast(y_pred[f"{direction}_valid"], nats.dtype)
            self.update_likelihoods(direction, nats, valid)
        counts = y_pred["counts"]
        # (directions, layers, heads)
        sums = {name: ops.sum(count, axis=0) for name, count in counts.items()}
        for name, (part, whole) in GRAPH_RATIOS.items():
            self.ratios[name].update_state(sums[part], sums[whole])
        self.dead_heads.update_state(ops.reshape(sums["active"], (-1,)))
        return self.get_metrics_result()

    def describe_heads(self):
        """Return the metrics of the graphs for every head.

        They are those of the last epoch, or of the last evaluation, if that was later.

        Returns:
            Dict by the names of the metrics of dicts of `forward` and `backward`:
            nested lists `[layer][head]` of floats, `None` where nothing was counted.
        """
        return {
            name: dict(zip(DIRECTIONS, ratio.by_head(), strict=True))
            for name, ratio in self.ratios.items()
        }

    def update_likelihoods(self, direction, nats, valid):
        """Update the metrics of likelihood, in the units of the subclass.

        Args:
            direction: `"forward"` or `"backward"`.
            nats: float tensor `(batch, num_positions, steps)`, -log p.
            valid: float tensor of the same shape, 1 where a pair counts.
        """
        raise NotImplementedError

    def get_config(self):
        return {
            **super().get_config(),
            "graph_predictor": keras.saving.serialize_keras_object(
                self.graph_predictor
            ),
            "update": self.update,
            "message": self.message,
            "shared_update": self.shared_update,
            "num_positions": self.num_positions,
            "block_size": self.block_size,
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        graph_predictor = keras.saving.deserialize_keras_object(
            config["graph_predictor"], custom_objects=custom_objects
        )
        return cls(**{**config, "graph_predictor": graph_predictor})
