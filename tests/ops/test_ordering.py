"""An order of work changes no value and no gradient."""

import gradients
import numpy as np
import pytest
from keras import ops

from glomo_keras.ops.ordering import compute_after


@pytest.mark.parametrize("value", [1.0, 3e38, np.inf, -np.inf, np.nan])
def test_neither_values_nor_gradients_change(random, value):
    earlier = random.normal(size=(2, 3, 5)).astype("float32")
    earlier[0, :2, :2] = value  # whose sum may overflow
    tensor = random.normal(size=(2, 7, 11)).astype("float32")
    found = ops.convert_to_numpy(compute_after(tensor, earlier, earlier))
    np.testing.assert_array_equal(found, tensor)

    def total(tensor, earlier):
        return ops.sum(compute_after(tensor, earlier) * 3.0)

    of_tensor, of_earlier = gradients.by_arrays(total, tensor, earlier)
    assert (of_tensor == 3.0).all() and (of_earlier == 0.0).all()
