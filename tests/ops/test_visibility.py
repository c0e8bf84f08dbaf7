"""`visible_pairs`: who may read whom."""

import numpy as np
import pytest
import reference
from keras import ops

from glomo_keras.ops import visible_pairs

# Two sequences of length 5: four units and one padded, two units and three padded.
MASK = np.array([[1, 1, 1, 1, 0], [1, 1, 0, 0, 0]], bool)


def test_three_units_by_pencil():
    forward = ops.convert_to_numpy(visible_pairs(3, "forward"))
    backward = ops.convert_to_numpy(visible_pairs(3, "backward"))
    assert forward.dtype == bool
    assert forward.tolist() == [[0, 0, 0], [1, 0, 0], [1, 1, 0]]
    assert backward.tolist() == [[0, 1, 1], [0, 0, 1], [0, 0, 0]]


@pytest.mark.parametrize("direction", ["forward", "backward"])
@pytest.mark.parametrize("masked", ["", "queries", "keys", "both"])
def test_equals_reference(direction, masked):
    masks = {
        "queries_mask": MASK if masked in ("queries", "both") else None,
        "keys_mask": MASK if masked in ("keys", "both") else None,
    }
    actual = ops.convert_to_numpy(visible_pairs(5, direction, **masks))
    expected = reference.visible_pairs(5, direction, **masks)
    assert actual.shape == ((2, 5, 5) if masked else (5, 5))
    np.testing.assert_array_equal(actual, expected)


def test_masks_of_numbers_count_as_truth_values():
    actual = visible_pairs(5, "forward", keys_mask=MASK.astype("float32"))
    expected = reference.visible_pairs(5, "forward", keys_mask=MASK)
    np.testing.assert_array_equal(ops.convert_to_numpy(actual), expected)


def test_default_direction_is_forward():
    assert not ops.convert_to_numpy(visible_pairs(2))[0, 1]
    assert ops.convert_to_numpy(visible_pairs(2))[1, 0]


@pytest.mark.parametrize("direction", ["left", None, 1, "Forward"])
def test_unknown_direction_is_an_error(direction):
    with pytest.raises(ValueError, match="`direction` must be") as raised:
        visible_pairs(3, direction)
    assert repr(direction) in str(raised.value)
