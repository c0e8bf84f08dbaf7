"""Intervals of paired differences, over test examples and seeds together."""

import numpy as np

DRAWS = 100_000


def paired_difference(scores, others):
    """Mean difference of two arms and its 95% interval.

    Both arms were run with the same seeds and tested on the same examples. What a
    difference d of a seed and an example is made of:

        d[seed, example] = mean + of the seed + of the example + the rest

    The interval covers the chance of all three. The variance of what is of the seed is
    that of the means of seeds less the share of the rest in it; as few seeds tell it,
    it counts with the wide tails of Student's t, of `seeds - 1` degrees of freedom.
    Of one seed the interval is that of the examples alone.

    Args:
        scores: float array `(seeds, examples)`.
        others: float array `(seeds, examples)`, the arm to compare with.

    Returns:
        Tuple of floats: mean difference, lower and upper end of the interval.
    """
    differences = np.asarray(scores, float) - np.asarray(others, float)
    num_seeds, num_examples = differences.shape
    mean = float(differences.mean())
    of_examples = differences.mean(axis=0) - mean
    deviation = 0.0  # of the mean, by examples and the rest
    if num_examples > 1:
        deviation = of_examples.std(ddof=1) / num_examples**0.5
    draw = np.random.default_rng(0)  # the same one for all: equal tables
    errors = deviation * draw.standard_normal(DRAWS)
    if num_seeds > 1:
        of_seeds = differences.mean(axis=1) - mean
        rest = differences - mean - of_examples - of_seeds[:, None]
        degrees = (num_seeds - 1) * max(num_examples - 1, 1)
        variance = of_seeds.var(ddof=1) - (rest**2).sum() / degrees / num_examples
        deviation = (max(variance, 0.0) / num_seeds) ** 0.5
        errors = errors + deviation * draw.standard_t(num_seeds - 1, DRAWS)
    half = float(np.percentile(np.abs(errors), 95))
    return mean, mean - half, mean + half
