"""Intervals of paired differences, over test examples and seeds together."""

import numpy as np

DRAWS = 10_000


def paired_difference(scores, others, draws=DRAWS, seed=0):
    """Mean difference of two arms and its 95% interval.

    Both arms were run with the same seeds and tested on the same examples. Each draw
    takes seeds and examples with replacement, the same ones for both arms, so that
    the interval covers both sources of chance. Of three seeds it is a little narrow.

    Args:
        scores: float array `(seeds, examples)`.
        others: float array `(seeds, examples)`, the arm to compare with.
        draws: int, of the bootstrap.
        seed: int, of the draws.

    Returns:
        Tuple of floats: mean difference, lower and upper end of the interval.
    """
    differences = np.asarray(scores, float) - np.asarray(others, float)
    # The same draws for either order of the arms: one interval mirrors the other.
    sign = -1.0 if differences.mean() < 0 else 1.0
    differences = sign * differences
    num_seeds, num_examples = differences.shape
    # Examples with the same differences are interchangeable: drawing how many of each
    # kind there are is the same as drawing examples, and far cheaper.
    kinds, sizes = np.unique(differences, axis=1, return_counts=True)
    draw = np.random.default_rng(seed)
    means = np.empty(draws)
    for first in range(0, draws, 500):
        part = slice(first, min(first + 500, draws))
        count = part.stop - first
        seeds = draw.multinomial(num_seeds, [1 / num_seeds] * num_seeds, count)
        examples = draw.multinomial(num_examples, sizes / num_examples, count)
        seed_means = (seeds / num_seeds) @ kinds  # (draws, kinds)
        means[part] = (seed_means * examples).sum(axis=1) / num_examples
    low, high = sorted(sign * np.percentile(means, [2.5, 97.5]))
    return float(sign * differences.mean()), float(low), float(high)
