"""Paired differences: values by hand, and an interval that covers what it should."""

import numpy as np
import pytest
from experiment.comparison.paired_intervals import paired_difference


def test_the_difference_is_that_of_the_means():
    scores = np.array([[1, 1, 0, 1], [0, 1, 1, 1]], float)
    others = np.array([[1, 0, 0, 1], [0, 0, 1, 0]], float)
    mean, low, high = paired_difference(scores, others)
    assert mean == pytest.approx(3 / 8)
    assert low <= mean <= high


def test_equal_arms_have_no_interval():
    scores = np.random.default_rng(0).integers(0, 2, (3, 50))
    assert paired_difference(scores, scores) == (0.0, 0.0, 0.0)


def test_pairing_by_example_narrows_the_interval():
    draw = np.random.default_rng(0)
    others = draw.integers(0, 2, (1, 2_000)).astype(float)
    scores = others.copy()
    scores[0, :100] = 1.0  # better on few examples, the same on all others
    _, low, high = paired_difference(scores, others)
    assert 0 < low < high < 0.05


def test_grouping_of_examples_changes_nothing():
    """The interval of one seed is that of a plain bootstrap of its examples."""
    draw = np.random.default_rng(0)
    differences = draw.normal(0.1, 1.0, 300)
    _, low, high = paired_difference(differences[None], np.zeros((1, 300)))
    means = [draw.choice(differences, 300).mean() for _ in range(5_000)]
    np.testing.assert_allclose(
        [low, high], np.percentile(means, [2.5, 97.5]), atol=0.01
    )


def test_the_spread_of_seeds_widens_the_interval():
    draw = np.random.default_rng(0)
    shared = draw.normal(0.0, 0.1, 500)
    apart = np.stack([shared + 0.2, shared - 0.2, shared + 0.1])
    together = np.stack([shared] * 3)
    zeros = np.zeros((3, 500))
    wide, narrow = (
        np.diff(paired_difference(scores, zeros)[1:])[0] for scores in (apart, together)
    )
    assert wide > 5 * narrow


def test_the_other_order_mirrors_the_interval():
    draw = np.random.default_rng(0)
    one, other = draw.normal(0.1, 1.0, (2, 3, 50)).round(1)
    mean, low, high = paired_difference(one, other)
    assert paired_difference(other, one) == (-mean, -high, -low)
