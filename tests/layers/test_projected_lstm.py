"""The projected LSTM: pencil, reference, states, and Keras's own LSTM."""

import gradients
import keras
import numpy as np
import pytest
import reference_elmo
from keras import ops

from glomo_keras.layers import ProjectedLSTM


def make(random, dtype="float32", **arguments):
    layer = ProjectedLSTM(7, 3, dtype=dtype, **arguments)
    layer.build((None, None, 5))
    for weight in layer.weights:
        weight.assign(random.normal(0, 1.0, weight.shape))
    return layer


def weights_of(layer):
    cell = layer.recurrence.cell
    weights = layer.kernel, layer.bias, cell.recurrent_kernel, cell.projection
    return [np.asarray(ops.convert_to_numpy(w), "float64") for w in weights]


def test_by_pencil():
    # One unit, all gates at 1/2 (zero scores), candidate tanh(x), projection 2.
    layer = ProjectedLSTM(1, 1, cell_clip=0.4, projection_clip=0.3)
    layer.build((None, None, 1))
    layer.kernel.assign([[0.0, 0.0, 1.0, 0.0]])
    layer.bias.assign([0.0, 0.0, 0.0, 0.0])
    layer.recurrence.cell.recurrent_kernel.assign([[0.0, 0.0, 0.0, 0.0]])
    layer.recurrence.cell.projection.assign([[2.0]])
    features = np.arctanh([[[0.2], [0.9], [0.0]]])
    # Cells: 0.1; 0.05 + 0.45 = 0.5, clipped to 0.4; 0.2. Outputs: tanh(cell), clipped.
    expected = [np.tanh(0.1), 0.3, np.tanh(0.2)]
    found = ops.convert_to_numpy(layer(features))[0, :, 0]
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("direction", ["forward", "backward"])
@pytest.mark.parametrize("clips", [(0.7, 0.5), (None, None)])
def test_equals_reference(precision, random, direction, clips):
    layer = make(
        random,
        precision.dtype,
        direction=direction,
        cell_clip=clips[0],
        projection_clip=clips[1],
    )
    lengths = (11, 2, 1)
    features = random.normal(size=(3, 11, 5))
    mask = np.arange(11) < np.array(lengths)[:, None]
    state = [random.normal(0, 0.3, (3, size)) for size in (3, 7)]
    outputs, *last = layer(
        precision.cast(features), mask=mask, initial_state=state, return_state=True
    )
    expected = np.zeros((3, 11, 3))
    expected_last = [np.zeros((3, 3)), np.zeros((3, 7))]
    for row, length in enumerate(lengths):
        rows = features[row, :length]
        rows = rows if direction == "forward" else rows[::-1]
        found, ends = reference_elmo.projected_lstm(
            rows, *weights_of(layer), *clips, [part[row] for part in state]
        )
        expected[row, :length] = found if direction == "forward" else found[::-1]
        for part, end in zip(expected_last, ends, strict=True):
            part[row] = end
    precision.assert_close(outputs, expected)
    for one, other in zip(last, expected_last, strict=True):
        precision.assert_close(one, other)


def test_two_parts_with_the_state_between_are_the_whole(random):
    layer = make(random)
    features = random.normal(size=(2, 7, 5)).astype("float32")
    whole = ops.convert_to_numpy(layer(features))
    first, *state = layer(features[:, :3], return_state=True)
    second = layer(features[:, 3:], initial_state=state)
    parts = np.concatenate([ops.convert_to_numpy(part) for part in (first, second)], 1)
    np.testing.assert_allclose(parts, whole, atol=1e-6)


def test_with_an_identity_for_projection_it_is_the_lstm_of_keras(random):
    layer = ProjectedLSTM(3, 3, cell_clip=None, projection_clip=None)
    other = keras.layers.LSTM(3, return_sequences=True)
    features = random.normal(size=(2, 7, 5)).astype("float32")
    expected = ops.convert_to_numpy(other(features))
    layer.build((None, None, 5))
    # It starts like that one: an open forget gate.
    np.testing.assert_array_equal(layer.bias, other.cell.bias)
    layer.kernel.assign(other.cell.kernel)
    layer.recurrence.cell.recurrent_kernel.assign(other.cell.recurrent_kernel)
    layer.recurrence.cell.projection.assign(np.eye(3))
    np.testing.assert_allclose(
        ops.convert_to_numpy(layer(features)), expected, atol=1e-6
    )


def test_a_gradient_reaches_the_first_unit_through_all_others(random):
    layer = make(random, cell_clip=None, projection_clip=None)
    features = random.normal(size=(1, 7, 5)).astype("float32")
    (gradient,) = gradients.by_arrays(lambda x: ops.sum(layer(x)[0, -1]), features)
    assert (np.abs(gradient[0]).max(axis=-1) > 0).all()


def test_shapes_of_states_are_computed_without_a_call(random):
    layer = make(random)
    shapes = layer.compute_output_shape((2, None, 5), return_state=True)
    assert shapes == ((2, None, 3), (2, 3), (2, 7))
