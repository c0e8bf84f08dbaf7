"""Masks of what they mask, as far as is known."""

import keras
import numpy as np
import pytest

from glomo_keras.layers.masking import zero_padding

tensorflow_only = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="shapes of a function of TensorFlow"
)


@pytest.mark.parametrize("shape", [(), (2,), (2, 6), (2, 7, 1)])
def test_masks_over_other_units_are_refused(shape):
    with pytest.raises(ValueError, match="(?i)mask.* must have"):
        zero_padding(np.ones((2, 7, 3), "float32"), np.ones(shape, bool))


@tensorflow_only
@pytest.mark.parametrize("name", ["features", "mask"])
def test_a_rank_that_is_not_known_is_named(name):
    import tensorflow as tf

    features = tf.TensorSpec(None if name == "features" else (2, None, 3))
    mask = tf.TensorSpec(None if name == "mask" else (2, None), tf.bool)
    traced = tf.function(zero_padding)
    with pytest.raises(ValueError, match=f"`{name}` needs a known rank"):
        traced.get_concrete_function(features, mask)
