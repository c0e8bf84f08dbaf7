"""Shares of what is counted by sentence, with intervals."""

import numpy as np

DRAWS = 2_000


def share(found, there):
    """Return a share and its 95% interval, over sentences that are drawn anew.

    Args:
        found: array `(sentences,)`, what a head finds of every sentence.
        there: array `(sentences,)`, what there is to find.

    Returns:
        Tuple of three floats; all are NaN where there is nothing to find.
    """
    return difference(found, np.zeros_like(found), there)


def difference(found, others, there):
    """Return the difference of two shares of the same, and its 95% interval."""
    found, others, there = (np.asarray(a, float) for a in (found, others, there))
    if not there.sum():
        return (float("nan"),) * 3
    weights = np.random.default_rng(0).multinomial(
        len(there), [1 / len(there)] * len(there), DRAWS
    )
    totals = weights @ there
    drawn = (weights @ (found - others))[totals > 0] / totals[totals > 0]
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float((found - others).sum() / there.sum()), float(low), float(high)
