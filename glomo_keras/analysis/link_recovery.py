"""Does a learned graph point where the known relations are?"""

from typing import NamedTuple

import numpy as np
from keras import ops

SELECTIONS = ("even", "odd")


class LinkRecovery(NamedTuple):
    """What `link_recovery` found; everything but the choice is on unseen sequences.

    Attributes:
        accuracy: float, share of the scored links whose true sender is the strongest
            one of its receiver in the chosen head.
        by_kind: dict from kind to the same share among the links of this kind.
        layer: int, layer of the chosen head, from 0.
        head: int, index of the chosen head in its layer, from 0.
        num_links: int, how many links were scored.
        num_links_by_kind: dict from kind to how many of them are of this kind.
        num_selection_links: int, how many links the head was chosen on.
        selection_accuracy: float, the accuracy that made this head the chosen one.
        head_accuracies: float array `(layers, heads)`, what each head would have
            scored.
    """

    accuracy: float
    by_kind: dict
    layer: int
    head: int
    num_links: int
    num_links_by_kind: dict
    num_selection_links: int
    selection_accuracy: float
    head_accuracies: np.ndarray


def link_recovery(graphs, links, selection="even"):
    """Share of known links that are the strongest ones of a learned graph.

    A link counts as found by a head if, in the row of its receiver, the true sender
    has a weight above zero and above that of every other sender. Empty rows, ties
    and rows that are not finite are misses.

    Picking the best of many heads flatters, so the head is chosen on one half of the
    sequences and scored on the other: by default chosen on those with an even index
    and scored on those with an odd one, the other way around with
    `selection="odd"`. The first of several equally good heads is chosen.

    Args:
        graphs: float array or tensor `(num_sequences, layers, heads, length,
            length)`, receivers in rows.
        links: int array `(num_links, 4)` with the columns sequence (an index into
            `graphs`), receiver, sender, kind, as `glomo_keras.data` plants them.
        selection: `"even"` or `"odd"`, the sequences that the head is chosen on.

    Returns:
        A `LinkRecovery`.

    Raises:
        ValueError: if a shape is wrong, a link lies outside the graphs, or a half of
            the sequences has no link.

    Example:

    >>> graphs = np.zeros((2, 1, 2, 5, 5))
    >>> graphs[:, 0, 1, 4, 2] = 1.0  # head 1: unit 4 reads unit 2
    >>> recovery = link_recovery(graphs, [[0, 4, 2, 0], [1, 4, 2, 0]])
    >>> recovery.accuracy, recovery.layer, recovery.head
    (1.0, 0, 1)
    """
    graphs = ops.convert_to_numpy(graphs)
    links = ops.convert_to_numpy(links)
    _check(graphs, links, selection)
    sequence, receiver, sender, kind = links.T
    hits = _hits(graphs, sequence, receiver, sender)
    chosen_on = sequence % 2 == SELECTIONS.index(selection)
    if chosen_on.all() or not chosen_on.any():
        raise ValueError(
            "`links` must have links in sequences of even and of odd index: the head "
            "is chosen on one half and scored on the other. Received: "
            f"{np.sum(sequence % 2 == 0)} links in even and "
            f"{np.sum(sequence % 2 == 1)} in odd sequences. Pass more sequences."
        )
    selection_accuracies = hits[chosen_on].mean(axis=0)  # (layers, heads)
    layer, head = np.unravel_index(
        np.argmax(selection_accuracies), selection_accuracies.shape
    )
    scored, kinds = hits[~chosen_on], kind[~chosen_on]
    rows_by_kind = {int(k): kinds == k for k in np.unique(kinds)}
    head_hits = scored[:, layer, head]
    return LinkRecovery(
        accuracy=float(head_hits.mean()),
        by_kind={k: float(head_hits[rows].mean()) for k, rows in rows_by_kind.items()},
        layer=int(layer),
        head=int(head),
        num_links=len(head_hits),
        num_links_by_kind={k: int(rows.sum()) for k, rows in rows_by_kind.items()},
        num_selection_links=int(chosen_on.sum()),
        selection_accuracy=float(selection_accuracies[layer, head]),
        head_accuracies=scored.mean(axis=0),
    )


def _hits(graphs, sequence, receiver, sender):
    """Which head finds which link: bool `(num_links, layers, heads)`."""
    hits = np.zeros((len(sequence), *graphs.shape[1:3]), bool)
    places = np.arange(graphs.shape[-1])
    for link, (n, i, j) in enumerate(zip(sequence, receiver, sender, strict=True)):
        row = graphs[n, :, :, i]  # (layers, heads, senders)
        strongest_other = row[..., places != j].max(axis=-1, initial=0)
        hits[link] = (row[..., j] > strongest_other) & np.isfinite(row[..., j])
    return hits


def _check(graphs, links, selection):
    if selection not in SELECTIONS:
        raise ValueError(
            '`selection` must be "even" or "odd", the sequences that the head is '
            f"chosen on. Received: selection={selection!r}."
        )
    if graphs.ndim != 5 or graphs.shape[-1] != graphs.shape[-2]:
        raise ValueError(
            "`graphs` must have shape (num_sequences, layers, heads, length, length). "
            f"Received: shape {graphs.shape}. Pass the graphs of one direction."
        )
    if links.ndim != 2 or links.shape[-1] != 4 or links.dtype.kind not in "iu":
        raise ValueError(
            "`links` must be integers of shape (num_links, 4): sequence, receiver, "
            f"sender, kind. Received: shape {links.shape}, dtype {links.dtype}."
        )
    num_sequences, length = graphs.shape[0], graphs.shape[-1]
    limits = np.array([num_sequences, length, length])
    outside = ((links[:, :3] < 0) | (links[:, :3] >= limits)).any(axis=-1)
    if outside.any():
        raise ValueError(
            f"`links` must lie in the {num_sequences} graphs of {length} units. "
            f"Received: {links[outside][0].tolist()} (sequence, receiver, sender, "
            "kind). Number the sequences from 0 in the order of `graphs`."
        )
