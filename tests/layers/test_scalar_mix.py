"""The mix of layers: pencil, reference, normalization over real units, the pull."""

import warnings

import numpy as np
import pytest
import reference_elmo
from keras import ops

from glomo_keras.layers import ScalarMix


def make(scores, gamma, dtype="float32", **arguments):
    mix = ScalarMix(dtype=dtype, **arguments)
    mix.build((None, len(scores), None, 5))
    mix.scores.assign(scores)
    mix.gamma.assign(gamma)
    return mix


def test_by_pencil():
    # softmax(log 3, 0) = 3/4, 1/4; times gamma 2: 2 (3/4 * 4 + 1/4 * 8) = 10.
    mix = make([np.log(3.0), 0.0], 2.0)
    layers = np.stack([np.full((1, 1, 5), 4.0), np.full((1, 1, 5), 8.0)], axis=1)
    np.testing.assert_allclose(ops.convert_to_numpy(mix(layers)), 10.0, atol=1e-5)
    np.testing.assert_allclose(mix.normalized_weights(), [0.75, 0.25], atol=1e-6)


def test_a_single_layer_is_scaled_alone():
    mix = make([3.0], 2.0)
    layers = np.full((1, 1, 2, 5), 4.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # Keras has one for such a softmax
        np.testing.assert_array_equal(ops.convert_to_numpy(mix(layers)), 8.0)
        assert mix.normalized_weights().tolist() == [1.0]


@pytest.mark.parametrize("normalize", [True, False])
def test_equals_reference(precision, random, normalize):
    scores = random.normal(size=3)
    mix = make(scores, 1.7, precision.dtype, normalize=normalize)
    layers = random.normal(2.0, 3.0, size=(2, 3, 7, 5))
    lengths = (7, 2)
    mask = np.arange(7) < np.array(lengths)[:, None]
    expected = np.zeros((2, 7, 5))
    for row, length in enumerate(lengths):
        expected[row, :length] = reference_elmo.scalar_mix(
            layers[row, :, :length], scores, 1.7, normalize
        )
    precision.assert_close(mix(precision.cast(layers), mask=mask), expected)


def test_the_pull_is_a_loss_of_the_scores():
    mix = make([1.0, -2.0], 1.0, l2=0.1)
    mix(np.zeros((1, 2, 3, 5), "float32"))
    (loss,) = mix.losses
    assert float(loss) == pytest.approx(0.5)
    assert not make([1.0, -2.0], 1.0).losses
