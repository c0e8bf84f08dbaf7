"""A graph predictor whose graphs are trained on annotated trees."""

import keras
import numpy as np
from keras import ops

from experiment.dependencies.tree_arms import TreeArm
from experiment.dependencies.tree_arms import tree_graphs
from experiment.dependencies.tree_batches import TreeBatches
from glomo_keras.distribution import DistributedTraining
from glomo_keras.models import GraphPredictor
from glomo_keras.models.ablations import AbstainingGraphPredictor
from glomo_keras.ops import DIRECTIONS
from glomo_keras.ops import entmax_affinity
from glomo_keras.ops import visible_pairs

NUM_HEADS = 2  # the head of a word, and its dependents
_NOT_VISIBLE = -1.0


def start_from(preset, dropout):
    """Make a predictor of one layer and two heads from a pretrained one.

    Embeddings and networks are those of the preset. Queries and keys are new, and rows
    may stay empty: a word has its head on one side alone.

    Args:
        preset: name or folder of a preset of a `GraphPredictor`.
        dropout: float, in the convolutions while they are trained.
    """
    pretrained = GraphPredictor.from_preset(preset, dropout=dropout)
    config = pretrained.get_config()
    config |= {"num_graph_layers": 1, "num_heads": NUM_HEADS, "key_dim": None}
    config |= {"threshold": "entmax", "top_k": None, "trainable": True}
    predictor = AbstainingGraphPredictor.from_config(config)
    for name in ("embedding", "forward_network", "backward_network"):
        weights = pretrained.get_layer(name).get_weights()
        predictor.get_layer(name).set_weights(weights)
    return predictor


class TreeScores(DistributedTraining, keras.Model):
    """The scores of the graphs of a predictor, before 1.5-entmax.

    Args:
        predictor: `AbstainingGraphPredictor` of one layer.

    Call arguments:
        inputs: as of the predictor.

    Returns:
        Float tensor `(batch, directions, heads, length, length + 1)`, the score of
        nobody last.
    """

    def __init__(self, predictor):
        super().__init__()
        self.predictor = predictor

    def call(self, inputs, training=None):
        features, mask = self.predictor.embed(inputs)
        scores = []
        for direction in DIRECTIONS:
            network = self.predictor.get_layer(f"{direction}_network")
            queries, keys = network(features, mask=mask, training=training)
            affinity = self.predictor.affinity(direction)
            scores.append(affinity.scores(queries, keys, mask, mask)[:, 0])
        return ops.stack(scores, axis=1)


class EntmaxLoss(keras.losses.Loss):
    """The loss of 1.5-entmax, mean over the rows of words.

        loss = sum_j (p_j - y_j) s_j + Omega(y) - Omega(p),  p = entmax(s)
        Omega(p) = 4/3 sum_j (p_j^1.5 - p_j)

    Zero where p = y, and its gradient in the scores is p - y: unlike that of -log p it
    reaches a sender whose weight is exactly zero.

    Call arguments:
        y_true: float tensor like the scores, `tree_targets`.
        y_pred: float tensor, the scores of `TreeScores`.

    Reference: Peters et al., 2019 (arXiv 1905.05702), Fenchel-Young losses.
    """

    def call(self, y_true, y_pred):
        is_visible = ops.not_equal(y_true, _NOT_VISIBLE)
        target = ops.maximum(y_true, 0.0)
        graph = ops.stop_gradient(entmax_affinity(y_pred, is_visible))
        # Of pairs that are not visible both graphs are zero.
        losses = (graph - target) * y_pred + _omega(target) - _omega(graph)
        is_word = ops.cast(ops.any(is_visible, axis=-1), losses.dtype)
        losses = ops.sum(losses, axis=-1) * is_word
        share = ops.mean(is_word)  # the reduction is a mean over all rows
        return losses / ops.maximum(share, keras.config.epsilon())


def _omega(weights):
    return 4 / 3 * (weights**1.5 - weights)


class TreeTargets(TreeBatches):
    """Batches of sentences for `TreeScores`: units, and the graphs of their trees.

    Args:
        sentences: `SentenceArrays`.
        examples: int array, the sentences that take part.
        batch_size: int, sentences of about 32 words.
        steps: int, batches an epoch of training.
        **training: as of `TreeBatches`.
    """

    def __init__(self, sentences, examples, batch_size, steps, **training):
        arm = TreeArm("none")
        super().__init__(sentences, arm, examples, batch_size, steps, **training)

    def __getitem__(self, index):
        length, examples = self._batch(index)
        _, unit_ids, heads, _ = self.sentences.padded(
            examples, self._size(length), length
        )
        mask = unit_ids != 0
        return {"unit_ids": unit_ids, "padding_mask": mask}, tree_targets(heads, mask)


def tree_targets(heads, padding_mask):
    """Return the graphs of trees, by direction, and which pairs count.

    Args:
        heads: int array `(batch, length)`, places from 1; 0 at roots and padding.
        padding_mask: bool array `(batch, length)`, `True` at real words.

    Returns:
        Float array `(batch, directions, heads, length, length + 1)`: `tree_graphs`, and
        nobody where a row of them is empty; -1 at pairs that are not visible, and in
        rows of words whose head is beyond what is read of the sentence.
    """
    graphs = tree_graphs(heads, padding_mask, "float32", NUM_HEADS)
    length = heads.shape[1]
    pairs = padding_mask[:, :, None] & padding_mask[:, None, :]
    targets = []
    for direction in DIRECTIONS:
        visible = pairs & ops.convert_to_numpy(visible_pairs(length, direction))
        is_known = np.repeat(padding_mask[:, None, :, None], NUM_HEADS, axis=1)
        if direction == "backward":
            is_known[:, 0, :, 0] &= heads <= length
        visible = visible[:, None] & is_known
        graph = np.where(visible, graphs[direction][:, 0], _NOT_VISIBLE)
        is_empty = ~(graph > 0).any(axis=-1, keepdims=True)
        nobody = np.where(is_known, is_empty, _NOT_VISIBLE)
        targets.append(np.concatenate([graph, nobody], axis=-1))
    return np.stack(targets, axis=1).astype("float32")


def found_shares(model, batches):
    """Return how often the strongest sender of a row is one of the tree.

    Args:
        model: `TreeScores`.
        batches: `TreeTargets`, not of training.

    Returns:
        Dict by name of floats: of rows that have a head, or dependents, on their side;
        and how many of the others are empty, of those that see anyone.
    """
    found, number = np.zeros((2, NUM_HEADS)), np.zeros((2, NUM_HEADS))
    for index in range(batches.num_batches):
        inputs, targets = batches[index]
        is_visible = targets != _NOT_VISIBLE
        scores = np.where(is_visible, model.predict_on_batch(inputs), -np.inf)
        strongest = scores.argmax(axis=-1)[..., None]
        is_found = np.take_along_axis(targets, strongest, axis=-1)[..., 0] > 0
        is_filled = (targets[..., :-1] > 0).any(axis=-1)
        graph = ops.convert_to_numpy(entmax_affinity(scores, is_visible))
        is_empty = (graph[..., :-1] == 0).all(axis=-1)
        has_none = is_visible[..., :-1].any(axis=-1) & ~is_filled
        for place, (rows, is_right) in enumerate(
            ((is_filled, is_found), (has_none, is_empty))
        ):
            found[place] += (rows & is_right).sum(axis=(0, 1, 3))
            number[place] += rows.sum(axis=(0, 1, 3))
    shares = found / np.maximum(number, 1)
    names = ("heads", "dependents", "no head", "no dependents")
    return dict(zip(names, shares.ravel().tolist(), strict=True))
