"""Every head of a source of graphs against the relations of a treebank."""

import dataclasses

import numpy as np

from experiment.probing.arcs import ALL
from experiment.probing.arcs import SAME_NAME
from experiment.probing.arcs import name_pairs
from experiment.probing.arcs import tree_arcs
from experiment.probing.shares import difference
from experiment.probing.shares import share
from experiment.probing.spanning_trees import count_attachments
from experiment.probing.spanning_trees import pair_weights
from experiment.probing.spanning_trees import spanning_trees
from experiment.probing.strongest import found_arcs
from experiment.probing.strongest import strongest_senders
from experiment.process import UsageError

MAX_OFFSET = 12
# On either half, for a relation to have a row; pairs of names are few.
MIN_ARCS = 50
MIN_ARCS_OF = {ALL: 1, SAME_NAME: 5}


@dataclasses.dataclass
class Readings:
    """What a source of graphs reads in every sentence.

    Attributes:
        senders: list by sentence of int arrays `(2 * layers * heads, length)`.
        trees: list by sentence of int arrays `(layers * heads + 1, length)`.
        shape: ints `(layers, heads)`.
    """

    senders: list
    trees: list
    shape: tuple

    @classmethod
    def of(cls, source, sentences, clock):
        """Read all sentences.

        Args:
            source: iterable of a tuple of int array `(batch,)` of sentences, and a dict
                by direction of arrays `(batch, layers, heads, length, length)`.
            sentences: list of `Sentence`.
            clock: `RunClock` of what is read.
        """
        random = np.random.default_rng(0)  # which decides between equal weights
        senders, trees, shape = [None] * len(sentences), [None] * len(sentences), None
        num_words = sum(len(sentence.words) for sentence in sentences)
        steps = clock.steps(num_words)
        for numbers, graphs in source:
            lengths = np.array([len(sentences[number].words) for number in numbers])
            shape = graphs["forward"].shape[1:3]
            strongest = strongest_senders(graphs)
            joined = spanning_trees(pair_weights(graphs), lengths, random)
            for row, number in enumerate(numbers):
                senders[number] = strongest[row, :, : lengths[row]]
                trees[number] = joined[row, :, : lengths[row]]
            steps.advance(int(lengths.sum()))
        return cls(senders, trees, shape)

    def name(self, head):
        """Return the name of a head: direction, layer and number, from 1."""
        layers, heads = self.shape
        direction, number = divmod(head, layers * heads)
        layer, place = divmod(number, heads)
        return f"{('forward', 'backward')[direction]} {layer + 1}.{place + 1}"


def probe(readings, untrained, sentences):
    """Return what every relation is found by, on sentences that chose no head.

    Heads, and offsets, are chosen on the sentences with even numbers and counted on
    those with odd ones.

    Args:
        readings: `Readings` of the source.
        untrained: `Readings` of the same predictor with random weights, or `None`.
        sentences: list of `Sentence`.

    Returns:
        Dict that JSON can hold: `relations`, a list of dicts, and `attachment`.
    """
    chosen_on = np.arange(len(sentences)) % 2 == 0
    arcs = tree_arcs(sentences)
    rows = [_relation(ALL, arcs, readings, untrained, chosen_on)]
    if rows == [None]:
        raise UsageError(
            "There must be arcs in sentences with even and with odd numbers. Received: "
            f"{len(arcs)} arcs in {len(sentences)} sentences."
        )
    labels, counts = np.unique(arcs.labels, return_counts=True)
    for label in labels[np.argsort(-counts, kind="stable")]:
        of_label = arcs.take(arcs.labels == label)
        rows.append(_relation(str(label), of_label, readings, untrained, chosen_on))
    names = name_pairs(sentences)
    rows.append(_relation(SAME_NAME, names, readings, untrained, chosen_on))
    return {
        "relations": [row for row in rows if row],
        "attachment": _attachment(readings, untrained, arcs, sentences, chosen_on),
    }


def _relation(label, arcs, readings, untrained, chosen_on):
    """Return the row of a relation, or `None` where there are too few arcs."""
    is_chosen_on = chosen_on[arcs.sentences]
    fewest = min(is_chosen_on.sum(), (~is_chosen_on).sum())
    if fewest < MIN_ARCS_OF.get(label, MIN_ARCS):
        return None
    scored = arcs.take(~is_chosen_on)
    there = np.bincount(scored.sentences, minlength=len(chosen_on))[~chosen_on]

    def by_sentence(found):
        counts = np.bincount(scored.sentences, found, minlength=len(chosen_on))
        return counts[~chosen_on]

    def best(found):
        head = int(found[is_chosen_on].mean(axis=0).argmax())
        return head, by_sentence(found[~is_chosen_on, head])

    found = found_arcs(readings.senders, arcs)
    head, of_head = best(found)
    distances = (arcs.later - arcs.earlier)[:, None]
    offset, of_offset = best(distances == np.arange(1, MAX_OFFSET + 1))
    previous = by_sentence(scored.later - scored.earlier == 1)
    lengths = np.array([s.shape[1] for s in readings.senders])[scored.sentences]
    chance = [1 / scored.later, 1 / (lengths - 1 - scored.earlier)]
    row = {
        "relation": label,
        "arcs": len(scored),
        "head": readings.name(head),
        "found": share(of_head, there),
        "offset": offset + 1,
        "by_offset": share(of_offset, there),
        "to_offset": difference(of_head, of_offset, there),
        "by_previous": share(previous, there)[0],
        "by_chance": float(max(part.mean() for part in chance)),
        "by_head": {
            readings.name(number): round(float(value), 4)
            for number, value in enumerate(found[~is_chosen_on].mean(axis=0))
        },
    }
    if untrained is not None:
        _, of_untrained = best(found_arcs(untrained.senders, arcs))
        row["by_untrained"] = share(of_untrained, there)
    return row


def _attachment(readings, untrained, arcs, sentences, chosen_on):
    """Return the undirected attachment of the spanning trees."""
    result = {}
    for name, source in (("graphs", readings), ("untrained", untrained)):
        if source is None:
            continue
        found, there = count_attachments(source.trees, arcs, len(sentences))
        head = int(found[chosen_on, :-1].sum(axis=0).argmax())
        layer, place = divmod(head, source.shape[1])
        result[name] = {
            "head": f"{layer + 1}.{place + 1}",
            "found": share(found[~chosen_on, head], there[~chosen_on]),
            "of_all_heads": share(found[~chosen_on, -1], there[~chosen_on]),
        }
    chains = [np.arange(-1, len(sentence.words) - 1)[None] for sentence in sentences]
    random = np.random.default_rng(0)
    by_chance = [
        spanning_trees(np.zeros((1, 1, n, n), np.float32), np.array([n]), random)[0]
        for n in (len(sentence.words) for sentence in sentences)
    ]
    for name, trees in (("neighbours", chains), ("chance", by_chance)):
        found, there = count_attachments(trees, arcs, len(sentences))
        result[name] = {"found": share(found[~chosen_on, 0], there[~chosen_on])}
    return result
