"""An order of work changes no value and no gradient."""

import gradients
import keras
import numpy as np
import pytest
from keras import ops

from glomo_keras.ops.ordering import Cut
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


@pytest.mark.parametrize("value", [1.0, 3e38, np.inf, -np.inf, np.nan])
def test_what_is_cut_out_is_a_slice(random, value):
    earlier = np.full((3, 5), value, "float32")
    tensor = random.normal(size=(2, 7, 11)).astype("float32")
    found = ops.convert_to_numpy(Cut(earlier, earlier)(tensor, slice(2, 5)))
    np.testing.assert_array_equal(found, tensor[:, 2:5])
    assert Cut(earlier)(tensor, slice(None)) is tensor


def test_a_cut_waits_for_what_comes_earlier():
    if keras.backend.backend() != "tensorflow":
        pytest.skip("the traced program is read on the TensorFlow backend")
    import tensorflow as tf

    @tf.function
    def cut(earlier, tensor):
        return Cut(earlier)(tensor, slice(1, 3))

    specs = tf.TensorSpec((2,), name="earlier"), tf.TensorSpec((4, 5))
    graph = cut.get_concrete_function(*specs).graph
    (operation,) = [op for op in graph.get_operations() if op.type == "Slice"]
    waiting, names = [operation], set()
    while waiting:
        inputs = [tensor.op for tensor in waiting.pop().inputs]
        waiting += inputs
        names |= {op.name for op in inputs}
    assert "earlier" in names
