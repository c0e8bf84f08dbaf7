"""Maximum spanning trees of graphs, beside the trees that were annotated."""

import numpy as np

from experiment.probing.arcs import PUNCTUATION
from glomo_keras.ops import DIRECTIONS


def pair_weights(graphs):
    """Return how strongly two words are joined, in whatever order.

        weights[i, j] = forward[i, j] + backward[j, i]   for j < i, and symmetric

    Args:
        graphs: dict by direction of arrays `(batch, layers, heads, length, length)`.

    Returns:
        Float array `(batch, layers * heads + 1, length, length)`: every head, and the
        mean of all at the end.
    """
    forward, backward = (np.asarray(graphs[d], np.float32) for d in DIRECTIONS)
    one_side = forward + np.swapaxes(backward, -1, -2)
    weights = one_side + np.swapaxes(one_side, -1, -2)
    weights = weights.reshape(len(weights), -1, *weights.shape[-2:])
    return np.concatenate([weights, weights.mean(axis=1, keepdims=True)], axis=1)


def spanning_trees(weights, lengths, random):
    """Return maximum spanning trees, by the algorithm of Prim.

    Words that nothing joins are joined by chance.

    Args:
        weights: float array `(batch, heads, length, length)`, symmetric.
        lengths: int array `(batch,)`, words of every sentence; those beyond are
            padding.
        random: `np.random.Generator`, which decides between equal weights.

    Returns:
        Int array `(batch, heads, length)`, the word that each is joined to, -1 for the
        first and for padding.
    """
    noise = random.random(weights.shape[-2:]).astype(np.float32)
    weights = weights + 1e-7 * (noise + noise.T)
    batch, heads, length = weights.shape[:3]
    is_padding = np.arange(length) >= np.asarray(lengths)[:, None, None]
    weights = np.where(is_padding[:, :, None], -np.inf, weights)
    joined_to = np.full((batch, heads, length), -1)
    best, best_from = weights[:, :, 0].copy(), np.zeros((batch, heads, length), int)
    is_joined = np.zeros((batch, heads, length), bool)
    is_joined[:, :, 0] = True
    rows = np.arange(batch)[:, None], np.arange(heads)[None, :]
    for _ in range(1, length):
        candidates = np.where(is_joined, -np.inf, best)
        word = candidates.argmax(axis=-1)  # (batch, heads)
        is_real = candidates[(*rows, word)] > -np.inf
        place = joined_to[(*rows, word)]
        joined_to[(*rows, word)] = np.where(is_real, best_from[(*rows, word)], place)
        is_joined[(*rows, word)] = True
        of_word = weights[(*rows, word)]  # (batch, heads, length)
        is_better = (of_word > best) & is_real[..., None]
        best = np.where(is_better, of_word, best)
        best_from = np.where(is_better, word[..., None], best_from)
    return joined_to


def count_attachments(trees, arcs, num_sentences):
    """Count the annotated arcs that are edges of spanning trees.

    Args:
        trees: list by sentence of int arrays `(heads, length)`, see `spanning_trees`.
        arcs: `Arcs` of trees; punctuation does not count.
        num_sentences: int.

    Returns:
        Int arrays `(sentences, heads)` and `(sentences,)`: arcs that are edges, and
        all.
    """
    arcs = arcs.take(arcs.labels != PUNCTUATION)
    counts = np.zeros((num_sentences, len(trees[0])), int)
    for sentence, earlier, later in zip(
        arcs.sentences, arcs.earlier, arcs.later, strict=True
    ):
        tree = trees[sentence]
        counts[sentence] += (tree[:, earlier] == later) | (tree[:, later] == earlier)
    return counts, np.bincount(arcs.sentences, minlength=num_sentences)
