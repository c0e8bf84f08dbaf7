"""Numbers for distances and offsets, against loops over all pairs."""

import gradients
import keras
import numpy as np
import pytest
from keras import ops

from glomo_keras.ops import position_bias


def matrix_of(table, *sizes, direction="forward"):
    if len(sizes) == 1:
        numbers = position_bias.distance_numbers(table, *sizes)
        return position_bias.matrix_of_offsets(numbers, *sizes)
    numbers = position_bias.pixel_offset_numbers(table, *sizes, direction)
    return position_bias.pixel_offset_matrix(numbers, *sizes)


@pytest.mark.parametrize("length", [0, 1, 2, 7])
@pytest.mark.parametrize("furthest", [1, 3, 11])
def test_distances(random, length, furthest):
    table = random.normal(size=(2, 3, furthest)).astype("float32")
    found = ops.convert_to_numpy(matrix_of(table, length))
    assert found.shape == (2, 3, length, length)
    for i, j in np.ndindex(length, length):
        if i != j:
            expected = table[..., min(abs(i - j), furthest) - 1]
            np.testing.assert_array_equal(found[..., i, j], expected)


@pytest.mark.parametrize("direction", ["forward", "backward"])
@pytest.mark.parametrize("size", [(1, 1), (3, 5), (5, 2), (0, 3), (3, 0)])
@pytest.mark.parametrize("furthest", [1, 3])
def test_offsets_of_pixels(random, direction, size, furthest):
    height, width = size
    table = random.normal(size=(2, 3, furthest + 1, 2 * furthest + 1)).astype("float32")
    found = ops.convert_to_numpy(matrix_of(table, *size, direction=direction))
    assert found.shape == (2, 3, height * width, height * width)
    sign = 1 if direction == "forward" else -1
    for i, j in np.ndindex(found.shape[2:]):
        if sign * (i - j) > 0:
            rows = sign * (i // width - j // width)
            columns = sign * (i % width - j % width)
            column = min(max(columns, -furthest), furthest) + furthest
            np.testing.assert_array_equal(
                found[..., i, j], table[..., min(rows, furthest), column]
            )


@pytest.mark.parametrize("size", [(7,), (3, 4)])
def test_gradients_are_sums_over_pairs(random, size):
    shape = (2, 3) if len(size) == 1 else (2, 3, 5)
    table = random.normal(size=shape).astype("float32")
    units = int(np.prod(size))
    upstream = random.normal(size=(2, units, units)).astype("float32")
    expected = np.zeros(shape)
    for place in np.ndindex(shape):  # the matrix is linear in the table
        one = np.zeros(shape, "float32")
        one[place] = 1
        expected[place] = np.sum(ops.convert_to_numpy(matrix_of(one, *size)) * upstream)
    (found,) = gradients.by_arrays(
        lambda table: ops.sum(matrix_of(table, *size) * upstream), table
    )
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="unknown sizes are TensorFlow's"
)
@pytest.mark.parametrize("size", [(7,), (3, 4), (0, 3)])
def test_sizes_that_are_not_known(random, size):
    import tensorflow as tf

    shape = (2, 3) if len(size) == 1 else (2, 3, 5)
    table = random.normal(size=shape).astype("float32")

    @tf.function(input_signature=[tf.TensorSpec([None] * len(size))])
    def traced(units):
        return matrix_of(table, *ops.shape(units))

    expected = ops.convert_to_numpy(matrix_of(table, *size))
    np.testing.assert_array_equal(traced(np.zeros(size, "float32")), expected)
