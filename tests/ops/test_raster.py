"""Pixels in raster order, and the windows that are predicted from them."""

import numpy as np
import pytest
import reference
from keras import ops

from glomo_keras.ops import raster_units
from glomo_keras.ops import window_offsets
from glomo_keras.ops import window_targets


def test_raster_order(random):
    image = random.normal(size=(2, 3, 5, 7)).astype("float32")
    mask = random.random(size=(2, 3, 5)) < 0.5
    units, flat = raster_units(image, mask)
    units, flat = ops.convert_to_numpy(units), ops.convert_to_numpy(flat)
    for row, column in np.ndindex(3, 5):
        np.testing.assert_array_equal(units[:, row * 5 + column], image[:, row, column])
        np.testing.assert_array_equal(flat[:, row * 5 + column], mask[:, row, column])
    sequence = np.ones((2, 7, 3), "float32")
    units, flat = raster_units(sequence)
    assert units is sequence and flat is None


def test_windows_by_pencil():
    # The 2 x 2 image  0 1  from its first and its last pixel.
    #                  2 3
    assert window_offsets((2, 2)) == [(0, 1), (1, 0), (1, 1)]
    assert window_offsets((2, 2), "backward") == [(0, -1), (-1, 0), (-1, -1)]
    pixels = np.arange(4).reshape(1, 2, 2, 1)
    targets, valid = window_targets(pixels, np.array([0]), (2, 2))
    assert ops.convert_to_numpy(targets)[0, 0, :, 0].tolist() == [1, 2, 3]
    assert ops.convert_to_numpy(valid).all()
    targets, valid = window_targets(pixels, np.array([3]), (2, 2), "backward")
    assert ops.convert_to_numpy(targets)[0, 0, :, 0].tolist() == [2, 1, 0]
    _, valid = window_targets(pixels, np.array([3]), (2, 2))
    assert not ops.convert_to_numpy(valid).any()


@pytest.mark.parametrize("direction", ["forward", "backward"])
@pytest.mark.parametrize("window", [(3, 3), (2, 4), (1, 3)])
def test_targets_equal_reference(random, direction, window):
    pixels = random.integers(0, 256, (2, 5, 7, 3))
    cells = reference.window_cells(*window, direction)
    positions = np.array([34, 0, 8, 8, 27])
    targets, valid = window_targets(pixels, positions, window, direction)
    targets, valid = ops.convert_to_numpy(targets), ops.convert_to_numpy(valid)
    for number, position in enumerate(positions):
        for cell, (down, right) in enumerate(cells):
            row, column = position // 7 + down, position % 7 + right
            inside = 0 <= row < 5 and 0 <= column < 7
            assert valid[number, cell] == inside
            if inside:
                np.testing.assert_array_equal(
                    targets[:, number, cell], pixels[:, row, column]
                )


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_what_is_predicted_is_unseen(direction):
    for down, right in window_offsets((3, 3), direction):
        later = (down, right) > (0, 0)
        assert later == (direction == "forward")
