"""How often the strongest sender of a word is its head, or a dependent of it."""

import collections

import numpy as np
from keras import ops

from experiment.comparison.arms import local_graphs
from glomo_keras.ops import DIRECTIONS

NUM_RELATIONS = 15
ALL = "all"  # the row of all relations together
GRAPHS = ("mixtures", "heads", "neighbours")


class RelationCounts:
    """Counts of the relations that single graphs find, side by side.

    A graph finds the head of a word where its row of the word is the highest at the
    head, and a dependent likewise. Only words that have a head, or a dependent, on the
    side that the graph reads are counted.

    Args:
        labels: list of str, of relations.
    """

    def __init__(self, labels):
        self.labels = [*labels, ALL]
        self._found = {}  # by kind of graph, direction and role: (graphs, labels)
        self._there = collections.defaultdict(float)  # by direction and role: (labels,)

    def add(self, graphs, heads, labels):
        """Count a batch.

        Args:
            graphs: dict by kind of graph of dicts by direction of arrays `(batch,
                graphs, length, length)`.
            heads: int array `(batch, length)`, places from 1; 0 at roots and padding.
            labels: int array `(batch, length)`; words with -1 are left out.
        """
        places = np.arange(1, heads.shape[1] + 1)
        known = (heads > 0) & (labels >= 0)
        before = {"forward": heads < places, "backward": heads > places}
        other = {"forward": "backward", "backward": "forward"}
        for direction in DIRECTIONS:
            # Words whose head is on the side; words that are on that side of their head
            has_head = known & before[direction]
            is_dependent = known & before[other[direction]]
            batch, word = np.nonzero(is_dependent)
            pairs = np.stack([batch, heads[is_dependent], labels[is_dependent]])
            once = np.unique(pairs, axis=1)  # receivers with a dependent of the label
            self._there[direction, "head"] += self._by_label(labels[has_head])
            there = self._by_label(once[2])
            there[-1] = len(np.unique(pairs[:2], axis=1).T)
            self._there[direction, "dependent"] += there
            for kind, by_direction in graphs.items():
                graph = np.asarray(by_direction[direction])
                strongest = graph.argmax(axis=-1)  # (batch, graphs, length)
                reads = graph.max(axis=-1) > 0
                is_head = reads & (strongest + 1 == heads[:, None]) & has_head[:, None]
                rows = np.arange(len(heads))[:, None, None]
                of_sender = np.where(known, heads, 0)[rows, strongest]
                found = reads & (of_sender == places)
                sender_labels = labels[rows, strongest]
                for role, is_found, its_labels in (
                    ("head", is_head, np.broadcast_to(labels[:, None], found.shape)),
                    ("dependent", found, sender_labels),
                ):
                    counts = np.array(
                        [
                            self._by_label(its_labels[:, number][is_found[:, number]])
                            for number in range(graph.shape[1])
                        ]
                    )
                    key = kind, direction, role
                    self._found[key] = self._found.get(key, 0) + counts

    def rates(self):
        """Return the shares that are found, for the most frequent relations.

        Returns:
            Dict by label, the first of which is `ALL`, of dicts: `words`, the int
            number of words whose relation it is; `head` and `dependent`, dicts by kind
            of graph of the share that is found by the best graph of either direction.
        """
        words = sum(self._there[direction, "head"] for direction in DIRECTIONS)
        order = np.argsort(-words, kind="stable")[: NUM_RELATIONS + 1]
        result = {}
        for number in order[words[order] > 0].tolist():
            row = {"words": int(words[number])}
            for role in ("head", "dependent"):
                there = sum(self._there[d, role][number] for d in DIRECTIONS)
                row[role] = {
                    kind: round(
                        sum(
                            float(self._found[kind, d, role][:, number].max())
                            for d in DIRECTIONS
                        )
                        / max(1.0, float(there)),
                        4,
                    )
                    for kind in GRAPHS
                    if (kind, DIRECTIONS[0], role) in self._found
                }
            result[self.labels[number]] = row
        return result

    def _by_label(self, labels):
        counts = np.bincount(labels, minlength=len(self.labels)).astype(float)
        counts[-1] = len(labels)
        return counts


def found_relations(transfer, features, batches, labels):
    """Return the relations that the graphs find, and that their mixtures do.

    Args:
        transfer: `GraphTransfer`.
        features: function of int arrays of words that returns what it transfers.
        batches: `TreeBatches`, without targets.
        labels: list of str.

    Returns:
        Dict, see `RelationCounts.rates`.
    """
    counts = RelationCounts(labels)
    for index in range(batches.num_batches):
        inputs, heads, word_labels = batches.with_trees(index)
        words = inputs[batches.field]
        graphs = {d: inputs[f"{batches.field}_{d}"] for d in DIRECTIONS}
        _, mixed = transfer(
            features(words), graphs, features_mask=words != 0, return_graphs=True
        )
        kinds = {
            "mixtures": {d: ops.convert_to_numpy(mixed[d]) for d in DIRECTIONS},
            "heads": {
                d: g.reshape(len(g), -1, *g.shape[-2:]) for d, g in graphs.items()
            },
            "neighbours": {d: g[:, 0] for d, g in local_graphs(words != 0).items()},
        }
        counts.add(kinds, heads, word_labels)
    return counts.rates()


def mean_weights(transfer, features, batches):
    """Return the mixture weights of a trained transfer, on average over words.

    Returns:
        Dict by direction of lists `[mixture][term][head]` of floats that sum to one.
    """
    sums, num_words = dict.fromkeys(DIRECTIONS, 0.0), 0
    for index in range(batches.num_batches):
        inputs, _, _ = batches.with_trees(index)
        words = inputs[batches.field]
        is_real = (words != 0)[:, :, None, None, None]
        for direction, mixer in transfer.mixers.items():
            weights = ops.convert_to_numpy(mixer.mixture_weights(features(words)))
            weights = weights + 0.0 * is_real  # free parameters are the same for all
            sums[direction] += (weights * is_real).sum(axis=(0, 1))
        num_words += int(is_real.sum())
    return {d: np.round(total / num_words, 4).tolist() for d, total in sums.items()}


def relation_table(runs):
    """Return the lines of a table of the relations that the graphs of runs find.

    Args:
        runs: list of dicts, the records of one arm, with `relations`.

    Returns:
        List of str: shares in percent, means over runs.
    """
    lines = [
        f"{runs[0]['arm']}: how often the strongest sender is the word's head, and one "
        "of its dependents, in percent; of mixtures and heads the best on either side",
        "",
        "| relation | words | head: mixtures | heads | neighbours "
        "| dependent: mixtures | heads | neighbours |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for label, first in runs[0]["relations"].items():
        cells = [label, str(first["words"])]
        for role in ("head", "dependent"):
            for kind in GRAPHS:
                values = [run["relations"][label][role][kind] for run in runs]
                cells.append(f"{100 * np.mean(values):.1f}")
        lines.append(f"| {' | '.join(cells)} |")
    return [*lines, ""]


def weight_lines(runs):
    """Return a line about the largest mixture weight of the runs of one arm.

    There is none where a single graph has all the weight.
    """
    if np.size(runs[0]["mixture_weights"]["forward"]) == len(
        runs[0]["mixture_weights"]["forward"]
    ):
        return []
    largest = [max(np.max(w) for w in run["mixture_weights"].values()) for run in runs]
    line = (
        f"{runs[0]['arm']}: the largest mixture weight is {np.mean(largest):.2f} on "
        "average over words"
    )
    needles = [
        max(
            np.max(np.array(weights)[..., run["needle"]])
            for weights in run["mixture_weights"].values()
        )
        for run in runs
        if "needle" in run
    ]
    if needles:
        line += f", that of the graph of heads {np.mean(needles):.2f}"
    return [line]
