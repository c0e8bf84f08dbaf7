"""Convolutions of any batch, an empty one too."""

import numpy as np
import pytest
from keras import ops

from glomo_keras.ops.convolution import valid_convolution


@pytest.mark.parametrize("batch", [0, 2])
@pytest.mark.parametrize("sizes, extent", [((7,), (3,)), ((5, 7), (2, 3))])
def test_windows_times_kernel(random, batch, sizes, extent):
    features = random.normal(size=(batch, *sizes, 3)).astype("float32")
    kernel = random.normal(size=(*extent, 3, 11)).astype("float32")
    axes = tuple(range(1, 1 + len(sizes)))
    windows = np.lib.stride_tricks.sliding_window_view(features, extent, axes)
    windows = np.moveaxis(windows, 1 + len(sizes), -1)  # the kernel's order
    expected = np.tensordot(windows, kernel, kernel.ndim - 1)
    output = valid_convolution(ops.convert_to_tensor(features), kernel)
    output = ops.convert_to_numpy(output)
    assert output.shape == expected.shape
    np.testing.assert_allclose(output, expected, atol=1e-4)


@pytest.mark.parametrize("batch", [0, 2])
@pytest.mark.parametrize(
    "sizes, extent, padding, expected",
    [
        ((2,), (3,), None, (0,)),
        ((0,), (3,), [(2, 0)], (0,)),
        ((5, 2), (2, 3), None, (4, 0)),
        ((0, 7), (2, 3), [(1, 0), (1, 1)], (0, 7)),
    ],
)
def test_too_few_places_give_none(batch, sizes, extent, padding, expected):
    features = ops.ones((batch, *sizes, 3))
    output = valid_convolution(features, ops.ones((*extent, 3, 11)), padding)
    assert tuple(output.shape) == (batch, *expected, 11)
