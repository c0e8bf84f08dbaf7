"""The projected LSTM: pencil, reference, states, and Keras's own LSTM."""

import inspect

import gradients
import keras
import numpy as np
import pytest
import reference_elmo
from keras import ops

from glomo_keras.layers import ProjectedLSTM


def make(random, dtype="float32", **arguments):
    arguments = {"return_sequences": True, **arguments}
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
    layer = ProjectedLSTM(1, 1, 0.4, 0.3, return_sequences=True)
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


@pytest.mark.parametrize("go_backwards", [False, True])
@pytest.mark.parametrize("clips", [(0.7, 0.5), (None, None)])
def test_equals_reference(precision, random, go_backwards, clips):
    layer = make(
        random,
        precision.dtype,
        return_state=True,
        go_backwards=go_backwards,
        cell_clip=clips[0],
        projection_clip=clips[1],
    )
    lengths = (11, 2, 1)
    features = random.normal(size=(3, 11, 5))
    mask = np.arange(11) < np.array(lengths)[:, None]
    state = [random.normal(0, 0.3, (3, size)) for size in (3, 7)]
    outputs, *last = layer(precision.cast(features), mask=mask, initial_state=state)
    expected = np.zeros((3, 11, 3))
    expected_last = [np.zeros((3, 3)), np.zeros((3, 7))]
    for row, length in enumerate(lengths):
        rows = features[row, :length]
        rows = rows[::-1] if go_backwards else rows
        found, ends = reference_elmo.projected_lstm(
            rows, *weights_of(layer), *clips, [part[row] for part in state]
        )
        # From the end come the padded units first.
        places = slice(-length, None) if go_backwards else slice(0, length)
        expected[row, places] = found
        for part, end in zip(expected_last, ends, strict=True):
            part[row] = end
    precision.assert_close(outputs, expected)
    for one, other in zip(last, expected_last, strict=True):
        precision.assert_close(one, other)


def test_two_parts_with_the_state_between_are_the_whole(random):
    layer = make(random, return_state=True)
    features = random.normal(size=(2, 7, 5)).astype("float32")
    whole = ops.convert_to_numpy(layer(features)[0])
    first, *state = layer(features[:, :3])
    second, *_ = layer(features[:, 3:], initial_state=state)
    parts = np.concatenate([ops.convert_to_numpy(part) for part in (first, second)], 1)
    np.testing.assert_allclose(parts, whole, atol=1e-6)


@pytest.mark.parametrize("functional", [False, True])
def test_the_mask_of_features_comes_along_with_states(random, functional):
    layer = make(random, return_state=True)
    embed = keras.layers.Embedding(7, 5, mask_zero=True)
    ids = np.array([[1, 2, 0, 0], [3, 4, 5, 6]])
    state = [random.normal(size=(2, size)).astype("float32") for size in (3, 7)]
    masks = layer.compute_mask(ops.ones((2, 4, 5)), ids != 0)
    if functional:
        inputs = [keras.Input((None,)), keras.Input((3,)), keras.Input((7,))]
        model = keras.Model(inputs, layer(embed(inputs[0]), initial_state=inputs[1:]))
        found = model([ids, *state])
    else:
        found = layer(embed(ids), initial_state=state)
        np.testing.assert_array_equal(found[0]._keras_mask, masks[0])
    expected = layer(embed(ids), initial_state=state, mask=ids != 0)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(*map(ops.convert_to_numpy, (one, other)), atol=1e-6)
    assert not ops.convert_to_numpy(found[0])[0, 2:].any()


def test_with_an_identity_for_projection_it_is_the_lstm_of_keras(random):
    layer = ProjectedLSTM(3, 3, None, None, return_sequences=True)
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


@pytest.mark.parametrize("go_backwards", [False, True])
def test_the_last_output_is_that_of_the_last_real_unit(random, go_backwards):
    layer = make(random, return_state=True, go_backwards=go_backwards)
    last = make(random, return_sequences=False, go_backwards=go_backwards)
    last.set_weights(layer.get_weights())
    features = random.normal(size=(3, 7, 5)).astype("float32")
    mask = np.arange(7) < np.array([[7], [3], [0]])
    outputs, output, _ = map(ops.convert_to_numpy, layer(features, mask=mask))
    np.testing.assert_array_equal(last(features, mask=mask), output)
    ends = [6, 6, 6] if go_backwards else [6, 2, 6]
    np.testing.assert_array_equal(output, outputs[np.arange(3), ends])
    assert not output[2].any() and output[:2].all()


@pytest.mark.parametrize("arguments", [{}, {"return_state": True}])
@pytest.mark.parametrize("return_sequences", [False, True])
def test_it_stands_in_bidirectional(random, tmp_path, return_sequences, arguments):
    arguments = {**arguments, "return_sequences": return_sequences}
    inputs = keras.Input((None, 5))
    masked = keras.layers.Masking()(inputs)
    both = keras.layers.Bidirectional(ProjectedLSTM(7, 3, **arguments), name="both")
    model = keras.Model(inputs, both(masked))
    features = random.normal(size=(2, 7, 5)).astype("float32")
    features[1, 4:] = 0
    found = [ops.convert_to_numpy(x) for x in keras.tree.flatten(model(features))]
    assert found[0].shape == ((2, 7, 6) if return_sequences else (2, 6))
    assert len(found) == (5 if arguments.get("return_state") else 1)
    # Each direction by itself.
    mask = np.arange(7) < np.array([[7], [4]])
    forward, backward = (
        keras.tree.flatten(layer(features, mask=mask))
        for layer in (both.forward_layer, both.backward_layer)
    )
    assert both.backward_layer.go_backwards
    if return_sequences:
        backward[0] = ops.flip(backward[0], axis=1)
    expected = [ops.concatenate([forward[0], backward[0]], axis=-1)]
    for one, other in zip(found, [*expected, *forward[1:], *backward[1:]], strict=True):
        np.testing.assert_allclose(one, ops.convert_to_numpy(other), atol=1e-6)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    again = keras.tree.flatten(loaded(features))
    for one, other in zip(found, again, strict=True):
        np.testing.assert_array_equal(one, ops.convert_to_numpy(other))


def test_shapes_of_states_are_computed_without_a_call(random):
    layer = make(random, return_state=True)
    assert layer.compute_output_shape((2, None, 5)) == ((2, None, 3), (2, 3), (2, 7))


def test_arguments_are_in_the_order_of_the_lstm_of_keras(random):
    layer = make(random, return_sequences=True)
    names = list(inspect.signature(layer.call).parameters)
    keras_names = list(inspect.signature(keras.layers.LSTM(7).call).parameters)
    assert names[1:4] == keras_names[1:] == ["initial_state", "mask", "training"]
    features = random.normal(size=(2, 5, 5)).astype("float32")
    state = [random.normal(size=(2, n)).astype("float32") for n in (3, 7)]
    mask = np.arange(5) < np.array([[5], [2]])
    expected = layer(features, mask=mask, initial_state=state)
    found = layer(features, state, mask, training=True)
    np.testing.assert_array_equal(found, ops.convert_to_numpy(expected))
    assert not ops.convert_to_numpy(found)[1, 2:].any()
