"""Queries and keys of pixels: the raster past, the whole of it, and nothing else."""

import gradients
import numpy as np
import pytest
import reference
import registry
from keras import ops
from weights import stack_of

from glomo_keras.layers import MaskedKeyQueryCNN

DIRECTIONS = ("forward", "backward")


def network_for(random, dtype="float32", **arguments):
    network = MaskedKeyQueryCNN(**{"filters": 11, **arguments}, dtype=dtype)
    network.build((None, None, None, 3))
    registry.randomize(network, random)
    return network


def arrays(outputs):
    return [ops.convert_to_numpy(output) for output in outputs]


def test_one_convolution_by_pencil():
    # Two channels out: the pixel itself and those before it; the rows above alone.
    # Kernel rows are (above), (current), with a weight a place: 1 10 100 / 1e3 1e4 1e5.
    network = MaskedKeyQueryCNN(
        2, num_layers=1, normalization=None, activation="linear"
    )
    network.build((1, 2, 2, 1))
    kernel = np.array([[1, 10, 100], [1e3, 1e4, 1e5]])[:, :, None, None]
    kernel = np.repeat(kernel, 2, axis=-1)
    network.set_weights([kernel, np.zeros(2)] * 2)
    image = np.array([[1, 2], [3, 4]], "float32")[None, :, :, None]
    _, keys = arrays(network(image))
    # The pixel 2 sees 1 to its left; 3 sees 1 above and 2 above to the right; 4 sees 1
    # above to the left, 2 above and 3 to its left. No pixel sees one to its right.
    assert keys[0, :, :, 0].tolist() == [[10_000, 21_000], [30_210, 43_021]]
    assert keys[0, :, :, 1].tolist() == [[0, 0], [210, 21]]


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("normalization", ["layer", None])
@pytest.mark.parametrize("kernel_size", [1, 3, 5])
def test_equals_reference(precision, random, direction, normalization, kernel_size):
    network = network_for(
        random,
        precision.dtype,
        num_layers=3,
        kernel_size=kernel_size,
        direction=direction,
        normalization=normalization,
    )
    features = precision.cast(random.normal(size=(2, 4, 5, 3)))
    mask = np.ones((2, 4, 5), bool)
    mask[1, 3:] = mask[1, :, 4:] = False
    for padding in (None, mask):
        for name, actual in zip(
            ("queries", "keys"), network(features, mask=padding), strict=True
        ):
            expected = reference.convolution_stack(
                features, stack_of(network, name), direction, padding
            )
            precision.assert_close(actual, expected)
            assert (expected > 0.1).any()


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize(
    "kernel_size, num_layers, place",
    [(3, 1, (4, 4)), (3, 2, (5, 3)), (3, 3, (8, 1)), (5, 2, (6, 6)), (1, 2, (2, 2))],
)
def test_the_receptive_field_has_no_blind_spot(
    random, direction, kernel_size, num_layers, place
):
    height, width = 11, 9
    network = network_for(
        random,
        kernel_size=kernel_size,
        num_layers=num_layers,
        direction=direction,
        normalization=None,
        activation="tanh",  # no gradient is exactly zero by chance
    )
    image = random.normal(size=(1, height, width, 3)).astype("float32")
    radius = num_layers * (kernel_size // 2)
    i, j = place
    rows, columns = np.mgrid[:height, :width]
    near = (np.abs(rows - i) <= radius) & (np.abs(columns - j) <= radius)
    before = (rows < i) | ((rows == i) & (columns <= j))
    if direction == "backward":
        before = (rows > i) | ((rows == i) & (columns >= j))
    for output in range(2):  # queries, keys

        def at_place(features, output=output):
            return ops.sum(network(features)[output][0, i, j])

        (gradient,) = gradients.by_arrays(at_place, image)
        np.testing.assert_array_equal(gradient[0].any(axis=-1), near & before)


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("size", [(1, 1), (1, 6), (7, 1), (4, 5), (9, 3)])
def test_no_leak(random, direction, training, size):
    network = network_for(random, num_layers=2, direction=direction)
    image = random.normal(size=(2, *size, 3)).astype("float32")
    before = arrays(network(image, training=training))
    for place in np.ndindex(*size):
        changed = image.copy()
        changed[(slice(None), *place)] += 1.0
        after = arrays(network(changed, training=training))
        number = place[0] * size[1] + place[1]
        for one, other in zip(before, after, strict=True):
            moved = (one != other).any(axis=(0, 3)).reshape(-1)
            earlier = moved[:number] if direction == "forward" else moved[number + 1 :]
            assert moved[number] and not earlier.any()


def test_directions_mirror_each_other(precision, random):
    forward = network_for(random, precision.dtype)
    backward = network_for(random, precision.dtype, direction="backward")
    backward.set_weights(forward.get_weights())
    features = precision.cast(random.normal(size=(2, 5, 7, 3)))
    turned = features[:, ::-1, ::-1]
    for one, other in zip(
        arrays(forward(features)), arrays(backward(turned)), strict=True
    ):
        precision.assert_close(one[:, ::-1, ::-1], other)
        assert np.abs(one - other).max() > 0.01


def test_even_kernels_are_refused():
    with pytest.raises(ValueError, match="must be odd for images.*kernel_size=4"):
        MaskedKeyQueryCNN(5, kernel_size=4).build((None, 5, 7, 3))
