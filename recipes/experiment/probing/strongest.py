"""The strongest senders of graphs, and the arcs that they are."""

import numpy as np

from glomo_keras.ops import DIRECTIONS

NO_SENDER = -1


def strongest_senders(graphs):
    """Return the strongest sender of every word, in every head.

    Args:
        graphs: dict by direction of arrays `(batch, layers, heads, length, length)`.

    Returns:
        Int array `(batch, 2 * layers * heads, length)`, the forward heads first; -1
        where a word reads nothing.
    """
    senders = []
    for direction in DIRECTIONS:
        graph = np.asarray(graphs[direction])
        graph = graph.reshape(len(graph), -1, *graph.shape[-2:])
        strongest = graph.argmax(axis=-1)
        senders.append(np.where(graph.max(axis=-1) > 0, strongest, NO_SENDER))
    return np.concatenate(senders, axis=1)


def found_arcs(senders, arcs):
    """Return which arcs are found by which head.

    A head finds an arc where the one of its words that may read the other, the later
    one of forward graphs, reads it most.

    Args:
        senders: list by sentence of int arrays `(heads, length)`, half of them forward.
        arcs: `Arcs`.

    Returns:
        Bool array `(arcs, heads)`.
    """
    num_forward = len(senders[0]) // 2
    found = np.empty((len(arcs), 2 * num_forward), bool)
    for number, (sentence, earlier, later) in enumerate(
        zip(arcs.sentences, arcs.earlier, arcs.later, strict=True)
    ):
        of_sentence = senders[sentence]
        found[number, :num_forward] = of_sentence[:num_forward, later] == earlier
        found[number, num_forward:] = of_sentence[num_forward:, earlier] == later
    return found
