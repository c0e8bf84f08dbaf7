"""Paired differences: values by hand, and an interval that covers what it should."""

import numpy as np
import pytest
from experiment.comparison.paired_intervals import paired_difference


def half_width(differences):
    _, low, high = paired_difference(differences, np.zeros_like(differences))
    return (high - low) / 2


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


def test_the_interval_of_one_seed_is_that_of_its_examples():
    differences = np.random.default_rng(0).normal(0.1, 1.0, (1, 300))
    expected = 1.96 * differences.std(ddof=1) / 300**0.5
    assert half_width(differences) == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("num_seeds, quantile", [(2, 12.706), (3, 4.303), (5, 2.776)])
def test_the_interval_of_seeds_alone_is_that_of_student(num_seeds, quantile):
    of_seeds = np.random.default_rng(0).normal(0.0, 1.0, (num_seeds, 1))
    expected = quantile * of_seeds.std(ddof=1) / num_seeds**0.5
    differences = of_seeds + np.zeros((1, 7))
    assert half_width(differences) == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize("spread_of_seeds", [0.0, 0.01, 0.05])
@pytest.mark.parametrize("num_seeds", [3, 5])
def test_nineteen_of_twenty_intervals_hold_the_difference(num_seeds, spread_of_seeds):
    draw = np.random.default_rng(0)
    held = []
    for _ in range(200):
        differences = 0.1 + draw.normal(0.0, 0.4, (num_seeds, 500))
        differences += draw.normal(0.0, spread_of_seeds, (num_seeds, 1))
        differences += draw.normal(0.0, 0.2, (1, 500))
        _, low, high = paired_difference(differences, np.zeros_like(differences))
        held.append(low < 0.1 < high)
    assert 0.9 <= np.mean(held) <= 0.99


def test_the_other_order_mirrors_the_interval():
    draw = np.random.default_rng(0)
    one, other = draw.normal(0.1, 1.0, (2, 3, 50)).round(1)
    mean, low, high = paired_difference(one, other)
    assert paired_difference(other, one) == pytest.approx((-mean, -high, -low))
