"""Likelihood of pixels."""

import gradients
import numpy as np
import pytest
import reference
from keras import ops

from glomo_keras.ops import bits_per_dimension
from glomo_keras.ops import pixel_log_likelihood
from glomo_keras.ops import scale_pixels


def parameters_for(random, *shape):
    parameters = random.normal(size=(*shape, 3))
    parameters[..., 2] = random.uniform(-4, 0, shape)
    return parameters


def test_levels_lie_between_minus_one_and_one():
    found = ops.convert_to_numpy(scale_pixels(np.arange(256, dtype="uint8")))
    np.testing.assert_allclose(found, reference.scaled(np.arange(256)), atol=1e-6)
    assert found[0] == -1 and found[-1] == 1


def test_likelihood_equals_reference(precision, random):
    parameters = precision.cast(parameters_for(random, 11, 3, 5))
    levels = random.integers(0, 256, (11, 3))
    levels[0], levels[1] = 0, 255
    expected = [
        sum(
            np.log(reference.level_probability(parameters[i, c], levels[i, c]))
            for c in range(3)
        )
        for i in range(11)
    ]
    found = pixel_log_likelihood(parameters, levels)
    tolerance = max(precision.tolerance, 1e-8)  # the reference subtracts sigmoids
    np.testing.assert_allclose(found, expected, rtol=10 * tolerance)


@pytest.mark.parametrize("log_scale", [-30.0, -7.0, -2.0, 4.0])
def test_levels_sum_to_one(log_scale):
    parameters = np.zeros((256, 1, 2, 3), "float32")
    parameters[..., 1] = [-0.99, 0.3]
    parameters[..., 2] = log_scale
    values = pixel_log_likelihood(parameters, np.arange(256)[:, None])
    assert float(ops.sum(ops.exp(values))) == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("mean", [-100.0, -1.0, 0.0, 1.0, 100.0])
@pytest.mark.parametrize("log_scale", [-90.0, 0.0, 90.0])
def test_extremes_are_finite(mean, log_scale):
    parameters = np.zeros((256, 1, 1, 3), "float32")
    parameters[..., 1], parameters[..., 2] = mean, log_scale
    levels = np.arange(256)[:, None]
    values = ops.convert_to_numpy(pixel_log_likelihood(parameters, levels))
    (gradient,) = gradients.by_arrays(
        lambda p: ops.sum(pixel_log_likelihood(p, levels)), parameters
    )
    assert np.isfinite(values).all() and np.isfinite(gradient).all()


def test_bits():
    assert bits_per_dimension(3 * np.log(2.0)) == pytest.approx(1.0)
    assert bits_per_dimension(np.log(256.0), channels=1) == pytest.approx(8.0)
