"""The sampled softmax: by hand, and what it tends to."""

import numpy as np
import pytest
from keras import ops

from glomo_keras.ops import log_likelihood
from glomo_keras.ops import sampled_log_likelihood


def test_it_tends_to_the_full_softmax(random):
    outputs = random.normal(size=(3, 5)).astype("float32")
    table = random.normal(size=(11, 5)).astype("float32")
    targets = np.array([0, 7, 10], "int32")
    exact = ops.convert_to_numpy(log_likelihood(outputs, table, targets))
    found = sampled_log_likelihood(outputs, table, targets, 200_000, seed=3)
    np.testing.assert_allclose(ops.convert_to_numpy(found), exact, atol=0.02)


def test_by_pencil():
    # One kind of word besides the target: q(0) = log 2 / log 3, q(1) = 1 - q(0).
    outputs, table = np.ones((1, 1)), np.zeros((2, 1))
    found = {
        round(float(sampled_log_likelihood(outputs, table, [0], 1, seed=seed)[0]), 5)
        for seed in range(20)
    }
    share = np.log(2) / np.log(3)
    # The word drawn is the target, which does not count twice, or it is the other.
    possible = [0.0, np.log(1 / (1 + 1 / (1 - share)))]
    assert sorted(found) == pytest.approx(sorted(possible), abs=1e-4)


def test_large_vocabularies():
    # One output of zeros: log p = -log(1 + mean of 1 / q), whose expectation is
    # -log(size), less the target's part.
    size = 800_000
    table, outputs = np.zeros((size, 1), "float32"), np.zeros((1, 1), "float32")
    found = sampled_log_likelihood(outputs, table, [size - 1], 100_000, seed=1)
    assert float(found[0]) == pytest.approx(-np.log(size), abs=0.02)


def test_the_draw_follows_the_seed(random):
    arrays = random.normal(size=(2, 3, 5)), random.normal(size=(31, 5))
    targets = np.zeros((2, 3), "int32")
    values = [
        ops.convert_to_numpy(sampled_log_likelihood(*arrays, targets, 7, seed=seed))
        for seed in (1, 1, 2)
    ]
    np.testing.assert_array_equal(values[0], values[1])
    assert (values[0] != values[2]).any()
