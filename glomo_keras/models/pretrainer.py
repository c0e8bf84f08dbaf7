"""Unsupervised pretraining of a graph predictor: context prediction."""

import keras
from keras import ops

from glomo_keras.checks import positive_integer
from glomo_keras.layers.context_decoder import ContextDecoder
from glomo_keras.layers.masking import zero_padding
from glomo_keras.models.checks import check_model
from glomo_keras.models.checks import check_unit_ids
from glomo_keras.models.checks import numbers_of
from glomo_keras.models.context_pretrainer import ContextPretrainer
from glomo_keras.models.graph_metrics import Perplexity
from glomo_keras.models.graph_metrics import UnitMean
from glomo_keras.models.graph_predictor import GraphPredictor
from glomo_keras.ops.context import context_targets
from glomo_keras.ops.visibility import DIRECTIONS


@keras.saving.register_keras_serializable(package="glomo_keras")
class GLoMoPretrainer(ContextPretrainer):
    """Trains a graph predictor on unit ids alone.

    In each direction the embeddings f^0 of the units travel along the predicted
    graphs, f^l = update(f^(l-1), G^l) for l = 1 ... L, and a decoder predicts from
    f^L of every position the `context_length` units that follow. The loss is

        mean over the directions of
            mean over valid (position, step) pairs of -log p    (nats a unit)

    With `unit_classes` the decoder predicts the classes of these units instead, which
    teaches grammar before topic and costs a small part of the softmax.

    After training `pretrainer.graph_predictor` is what is kept.

    Metrics: `nats` (the loss as a mean over units), `forward_perplexity` and
    `backward_perplexity` (of the first step; with `unit_classes` both are those of
    classes, unless `two_level` makes them those of units), `density` (active share of
    visible pairs), `empty_rows` and `one_sender_rows` (shares of the rows that see a
    sender), `dead_heads` (heads without an active sender in the whole epoch);
    `specificity`, `effective_senders`, `effective_share` (of the visible senders), and
    `within_1`, `within_4`, `within_16` (share of a row's weight up to so many units
    away), see `glomo_keras.ops.relation_counts`: of every sequence in evaluation, of
    the first two of a batch in training. `describe_heads()` has them by head.

    Args:
        graph_predictor: `GraphPredictor`, what is trained.
        context_length: int, units predicted from a position (the paper's D).
        update: `"gru"` or `"residual"`, see `GraphPropagation`.
        message: `"plain"` or `"product_concat"`, see `GraphPropagation`.
        shared_update: bool, whether the graph layers of a direction share one
            update.
        num_decoder_layers: int, GRU layers of a decoder.
        first_input: `"unit"` or `"zeros"`, see `ContextDecoder`.
        num_positions: int or None. In training, positions drawn each step, with
            replacement and the same for all sequences. `None` means every position.
            Evaluation always takes every position.
        chunk_size: int, units of the vocabulary that a softmax treats at once.
        unit_classes: int array `(vocabulary_size,)`, the class of every unit, as
            `glomo_keras.data.unit_classes` makes them; or `None`, units are predicted.
        two_level: bool, whether the units of the classes are predicted too: log
            p(class) + log p(unit | class) in place of log p(class).
        num_sampled: int or None, units that a training step's softmax over the
            vocabulary is estimated from. `None` means all of them.
        block_size: int, `"auto"` or None. Messages are computed for so many receivers
            at a time, no graph is held, and the gradient computes again what lies
            between the layers: for long texts. The metrics of the graphs are then those
            of the first sequence of a batch. `None` holds the graphs; `"auto"` does so
            too in evaluation, for less than 512 units, and where XLA compiles.
        seed: int or None, seed of the positions and of the sample.
        **kwargs: `keras.Model` arguments (`name`, `dtype`).

    Call arguments:
        inputs: int tensor `(batch, length)` of unit ids, 0 at padding; or a dict of
            `unit_ids` and, optionally, of `padding_mask`, bool `(batch, length)`,
            and `pair_weight`, float `(batch,)`. With `pair_weight` the loss is
            `sum_b pair_weight[b] * (sum of sequence b's -log p)`, averaged over the
            directions, in place of the mean over this batch: devices that are given
            one over the number of valid pairs of the *global* batch share its mean.
        training: bool, whether to draw positions and apply dropout.

    Returns:
        Dict of, for each direction, `<direction>`: log-likelihoods `(batch,
        num_positions, context_length)` and `<direction>_valid`: bool tensor of the
        same shape; and `counts`: dict of float tensors `(batch or fewer, 2,
        num_graph_layers, num_heads)`, forward first, of what
        `glomo_keras.ops.graph_counts` and `relation_counts` count, by their names.

    Raises:
        ValueError: if an argument is out of its range.
        TypeError: if `graph_predictor` is of another class.

    Example:

    >>> import numpy as np
    >>> predictor = glomo_keras.models.GraphPredictor(
    ...     13, embedding_dim=16, num_graph_layers=1, num_convolutions=1)
    >>> pretrainer = GLoMoPretrainer(predictor, context_length=2)
    >>> pretrainer.compile("adam")
    >>> history = pretrainer.fit(np.full((4, 7), 3), verbose=0)
    >>> sorted(history.history)[:3]
    ['backward_perplexity', 'dead_heads', 'density']

    Reference: Yang et al., 2018 (arXiv 1806.05662), section 2.2, eq. 2 and 3.
    """

    def __init__(
        self,
        graph_predictor,
        context_length=3,
        update="gru",
        message="plain",
        shared_update=True,
        num_decoder_layers=1,
        first_input="unit",
        num_positions=None,
        chunk_size=2048,
        unit_classes=None,
        two_level=False,
        num_sampled=None,
        block_size="auto",
        seed=None,
        **kwargs,
    ):
        check_model("graph_predictor", graph_predictor, GraphPredictor)
        kwargs.setdefault("dtype", graph_predictor.dtype_policy)
        dim, num_heads = graph_predictor.embedding_dim, graph_predictor.num_heads
        if dim % num_heads:
            raise ValueError(
                "`num_heads` of the graph predictor must divide its `embedding_dim`. "
                f"Received: num_heads={num_heads}, embedding_dim={dim}."
            )
        super().__init__(
            graph_predictor,
            dim,
            update,
            message,
            shared_update,
            num_positions,
            block_size,
            seed,
            **kwargs,
        )
        self.context_length = positive_integer("context_length", context_length)
        self.num_decoder_layers = positive_integer(
            "num_decoder_layers", num_decoder_layers
        )
        self.first_input = first_input
        self.chunk_size = positive_integer("chunk_size", chunk_size)
        self.decoders = {
            direction: ContextDecoder(
                graph_predictor.embedding,
                self.context_length,
                self.num_decoder_layers,
                direction,
                first_input,
                self.chunk_size,
                unit_classes,
                two_level,
                num_sampled,
                # A seed of each direction's own, or both draw the same units.
                None if seed is None else seed + number,
                dtype=self.dtype_policy,
                name=f"{direction}_decoder",
            )
            for number, direction in enumerate(DIRECTIONS)
        }
        self.unit_classes = self.decoders["forward"].unit_classes
        self.two_level = two_level
        self.num_sampled = self.decoders["forward"].num_sampled
        self.nats = UnitMean(name="nats")
        self.perplexities = {
            direction: Perplexity(name=f"{direction}_perplexity")
            for direction in DIRECTIONS
        }
        self.build()

    def build(self, inputs_shape=None):
        self.build_propagations()
        for decoder in self.decoders.values():
            decoder.build((None, None, self.dim), (None, None))
        self.built = True

    def call(self, inputs, training=None):
        unit_ids, padding_mask, pair_weight = _unpack(inputs)
        features, graphs = self.feature_predictor(unit_ids, padding_mask, training)
        outputs = {}
        for direction in DIRECTIONS:
            outputs[direction], outputs[f"{direction}_valid"] = self.decode(
                direction, features[direction][-1], unit_ids, padding_mask, training
            )
        counted = slice(
            1 if self.choose_block_size(unit_ids.shape[1], training) else None
        )
        outputs["counts"] = self.count_graphs(graphs, padding_mask[counted], training)
        if pair_weight is None:
            self.add_own_loss(inputs, outputs)
        return outputs

    def check_examples(self, x):
        unit_ids = x.get("unit_ids") if isinstance(x, dict) else x
        if numbers_of(unit_ids) is not None:
            check_unit_ids(unit_ids, self.graph_predictor.vocabulary_size)

    def decode(self, direction, features, unit_ids, padding_mask, training=None):
        """Predict units from the features of the last layer.

        Args:
            direction: `"forward"` or `"backward"`.
            features: float tensor `(batch, length, dim)`, f^L.
            unit_ids: int tensor `(batch, length)`.
            padding_mask: bool tensor `(batch, length)`.
            training: bool, whether to draw positions.

        Returns:
            `(log_likelihoods, valid)`, float and bool tensors `(batch, num_positions,
            steps)`.
        """
        positions = None
        if training:
            positions = self.draw_positions(ops.shape(unit_ids)[1])
        values = self.decoders[direction](
            features,
            unit_ids,
            positions=positions,
            features_mask=padding_mask,
            training=training,
        )
        _, valid = context_targets(
            unit_ids, positions, self.context_length, direction, padding_mask
        )
        return values, valid

    def feature_predictor(self, unit_ids, padding_mask, training=None):
        """Return the features of every graph layer, and the graphs they travel along.

        Args:
            unit_ids: int tensor `(batch, length)`.
            padding_mask: bool tensor `(batch, length)`, `True` at real units.
            training: bool, whether to apply dropout.

        Returns:
            `(features, graphs)`: a dict of `forward` and `backward`, lists of f^0 ...
            f^L, float tensors `(batch, length, dim)`; and what the graph predictor
            returns, with blocks for the first sequence alone.
        """
        inputs = {"unit_ids": unit_ids, "padding_mask": padding_mask}
        embeddings, _ = self.graph_predictor.embed(inputs)
        embeddings = zero_padding(embeddings, padding_mask)
        sample = {name: tensor[:1] for name, tensor in inputs.items()}
        return self.features_and_graphs(
            embeddings, inputs, sample, padding_mask, training
        )

    def update_likelihoods(self, direction, nats, valid):
        self.nats.update_state(nats, sample_weight=valid)
        self.perplexities[direction].update_state(
            nats[..., 0], sample_weight=valid[..., 0]
        )

    def get_config(self):
        return {
            **super().get_config(),
            "context_length": self.context_length,
            "num_decoder_layers": self.num_decoder_layers,
            "first_input": self.first_input,
            "chunk_size": self.chunk_size,
            "unit_classes": self.unit_classes,
            "two_level": self.two_level,
            "num_sampled": self.num_sampled,
        }


def _unpack(inputs):
    """Return unit ids, padding mask and pair weights (or `None`) of either form."""
    if not isinstance(inputs, dict):
        inputs = {"unit_ids": inputs}
    unknown = set(inputs) - {"unit_ids", "padding_mask", "pair_weight"}
    if unknown or "unit_ids" not in inputs:
        raise ValueError(
            "`inputs` must be unit ids or a dict of `unit_ids` and, optionally, "
            f"`padding_mask` and `pair_weight`. Received the keys: {sorted(inputs)}."
        )
    check_unit_ids(inputs["unit_ids"])
    # Arrays beside tensors are refused by layers where nothing is compiled.
    unit_ids = ops.cast(inputs["unit_ids"], "int32")
    padding_mask = inputs.get("padding_mask")
    if padding_mask is None:
        padding_mask = unit_ids != 0
    return unit_ids, ops.cast(padding_mask, "bool"), inputs.get("pair_weight")
