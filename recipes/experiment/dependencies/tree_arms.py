"""The arms of the task on trees: graphs of texts, and those of the trees themselves."""

import numpy as np

from experiment.text.graph_arms import TextArm
from glomo_keras.ops import DIRECTIONS

NUM_HEADS = {"gold": 2, "needle": 16, "needle-alone": 1}
SPLITS = {"train": "train", "test": "dev"}  # of the treebank, by those of the task
NEEDLE = 5  # the head of the arm `needle` that is a relation


class TreeArm(TextArm):
    """Graphs of sentences, for batches of sentences whose trees are known.

    Args:
        name: str, one of `ARMS`.
        graph_cache: `GraphCache`, see `TextArm`.
        seed: int, of the permutations of `shuffled`.
    """

    @property
    def graph_shape(self):
        if self.name in NUM_HEADS:
            return 1, NUM_HEADS[self.name]
        return super().graph_shape

    def of_split(self, split, sentences):
        """Return the arm for the sentences of a split of the task, `SentenceArrays`."""
        return self

    def batch_inputs(self, field, rows, unit_ids, heads=None):
        """Return the graphs of some sentences; see `TextArm.batch_inputs`.

        Args:
            field: str.
            rows: int array `(batch,)`.
            unit_ids: int array `(batch, length)`.
            heads: int array `(batch, length)`, places of heads from 1; 0 at roots and
                padding.
        """
        if self.name not in NUM_HEADS:
            return super().batch_inputs(field, rows, unit_ids)
        if self.name != "needle":
            graphs = tree_graphs(heads, unit_ids != 0, num_heads=NUM_HEADS[self.name])
        else:
            seeds = np.zeros(len(unit_ids), np.int64)  # of empty sentences, too
            seeds[: len(rows)] = rows
            graphs = needle_graphs(heads, unit_ids != 0, seeds)
        return {f"{field}_{direction}": graphs[direction] for direction in DIRECTIONS}


class AttentionArm(TreeArm):
    """Graphs of a Transformer's attention, from a file.

    Args:
        name: `"attention"`.
        file: `AttentionFile`.
        split: str, of the file; `None` until `of_split`.
        whole_lengths: int array, words of the sentences of the split.
    """

    def __init__(self, name, file, split=None, whole_lengths=None):
        super().__init__(name)
        self.file, self.split, self.whole_lengths = file, split, whole_lengths

    @property
    def graph_shape(self):
        return self.file.graph_shape

    def of_split(self, split, sentences):
        whole_lengths = sentences.whole_lengths
        return AttentionArm(self.name, self.file, SPLITS[split], whole_lengths)

    def batch_inputs(self, field, rows, unit_ids, heads=None):
        length = unit_ids.shape[1]
        shape = (len(unit_ids), *self.graph_shape, length, length)
        graphs = {d: np.zeros(shape, "float16") for d in DIRECTIONS}
        for place, (number, units) in enumerate(zip(rows, unit_ids, strict=False)):
            num_words = int(self.whole_lengths[number])
            num_read = int(np.count_nonzero(units))
            of_sentence = self.file.graphs(self.split, int(number), num_words, num_read)
            for direction, graph in of_sentence.items():
                graphs[direction][place, :, :, :num_read, :num_read] = graph
        return {f"{field}_{direction}": graphs[direction] for direction in DIRECTIONS}


def head_matrix(heads):
    """Return which word has which head.

    Args:
        heads: int array `(batch, length)`, places from 1; 0 for none.

    Returns:
        Bool array `(batch, length, length)`, words in rows and their heads in columns.
    """
    places = np.arange(1, heads.shape[1] + 1)
    return heads[:, :, None] == places


def tree_graphs(heads, padding_mask, dtype="float16", num_heads=2):
    """Return the graphs of trees: one or two heads of one layer.

    The first reads the head of a word, the second its dependents with equal weights, as
    far as they are on the side of the direction.

    Args:
        heads: int array `(batch, length)`, places from 1; 0 at roots and padding.
        padding_mask: bool array `(batch, length)`, `True` at real words.
        dtype: str.
        num_heads: int, 1 for the first alone.

    Returns:
        Dict by direction of arrays `(batch, 1, num_heads, length, length)`. Rows sum to
        one, or to zero where there is nothing on the side.
    """
    is_head = head_matrix(heads) & padding_mask[:, :, None]
    relations = np.stack([is_head, is_head.swapaxes(1, 2)], axis=1)[:, :num_heads]
    return {
        direction: _shares(_one_side(relations, direction))[:, None].astype(dtype)
        for direction in DIRECTIONS
    }


def needle_graphs(heads, padding_mask, seeds, dtype="float16"):
    """Return the graph of heads among 15 others that know nothing of the words.

    Every other one of the others is uniform over the side of the direction; the rest
    are graphs of heads of the sentence with its words permuted.

    Args:
        heads: int array `(batch, length)`, places from 1; 0 at roots and padding.
        padding_mask: bool array `(batch, length)`, `True` at real words.
        seeds: int array `(batch,)`, of the permutations.
        dtype: str.

    Returns:
        Dict by direction of arrays `(batch, 1, 16, length, length)`; that of
        number `NEEDLE` is the graph of heads.
    """
    heads = np.where(heads <= heads.shape[1], heads, 0)  # beyond what is read
    pairs = padding_mask[:, :, None] & padding_mask[:, None, :]
    num_heads = NUM_HEADS["needle"]
    graphs = np.empty((len(heads), num_heads, *pairs.shape[1:]), bool)
    graphs[:] = pairs[:, None]
    shape = num_heads // 2, heads.shape[1]
    keys = np.array([np.random.default_rng(seed).random(shape) for seed in seeds])
    keys = np.where(padding_mask[:, None], keys, 2.0)
    order = keys.argsort(axis=-1)  # padding stays where it is
    moved_to = order.argsort(axis=-1)
    of_all = np.broadcast_to(heads[:, None], order.shape)
    of_moved = np.take_along_axis(of_all, order, -1)
    permuted = np.take_along_axis(moved_to, np.maximum(of_moved - 1, 0), -1) + 1
    permuted = np.where(of_moved > 0, permuted, 0)
    for number in range(num_heads // 2):
        graphs[:, 2 * number] = head_matrix(permuted[:, number])
    graphs[:, NEEDLE] = head_matrix(heads)
    graphs &= pairs[:, None]
    return {
        direction: _shares(_one_side(graphs, direction))[:, None].astype(dtype)
        for direction in DIRECTIONS
    }


def _one_side(relations, direction):
    ones = np.ones(relations.shape[-2:], bool)
    before = np.tril(ones, -1)
    return relations & (before if direction == "forward" else before.T)


def _shares(relations):
    return relations / np.maximum(relations.sum(axis=-1, keepdims=True), 1)
