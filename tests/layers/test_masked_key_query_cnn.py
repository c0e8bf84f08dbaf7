"""Queries and keys from masked convolutions."""

import functools

import keras
import numpy as np
import pytest
import reference
import registry
from keras import ops
from weights import stack_of

from glomo_keras.layers import MaskedKeyQueryCNN
from glomo_keras.layers.batch_normalization import BatchNormalization

MASK = np.arange(13)[None] < np.array([[13], [7]])


def arrays(outputs):
    return [ops.convert_to_numpy(output) for output in outputs]


def network_for(random, dtype="float32", **arguments):
    network = MaskedKeyQueryCNN(**{"filters": 5, **arguments}, dtype=dtype)
    network.build((None, None, 3))
    registry.randomize(network, random)
    return network


@pytest.mark.parametrize(
    ("direction", "expected"),
    [("forward", [100, 210, 321]), ("backward", [123, 230, 300])],
)
def test_one_convolution_by_pencil(direction, expected):
    # Taps 1, 10, 100, the last one at the unit itself, over features 1, 2, 3.
    network = MaskedKeyQueryCNN(
        1, num_layers=1, direction=direction, normalization=None, activation="linear"
    )
    features = np.array([[[1.0], [2.0], [3.0]]], "float32")
    network.build(features.shape)
    kernel = np.array([1.0, 10.0, 100.0])[:, None, None]
    network.set_weights([kernel, np.zeros(1), 2 * kernel, np.ones(1)])
    queries, keys = arrays(network(features))
    np.testing.assert_allclose(keys[0, :, 0], expected)
    np.testing.assert_allclose(queries[0, :, 0], 2 * np.array(expected) + 1)


@pytest.mark.parametrize("direction", ["forward", "backward"])
@pytest.mark.parametrize("normalization", ["layer", "batch", None])
@pytest.mark.parametrize("mask", [None, MASK], ids=["plain", "masked"])
def test_equals_reference(precision, random, direction, normalization, mask):
    network = network_for(
        random,
        precision.dtype,
        num_layers=3,
        direction=direction,
        normalization=normalization,
    )
    features = precision.cast(random.normal(size=(2, 13, 3)))
    for name, actual in zip(
        ("queries", "keys"), network(features, mask=mask), strict=True
    ):
        expected = reference.convolution_stack(
            features, stack_of(network, name), direction, mask
        )
        precision.assert_close(actual, expected)
        assert (expected > 0.1).any()


@pytest.mark.parametrize("kernel_size", [1, 2, 5])
def test_any_kernel_size(precision, random, kernel_size):
    network = network_for(
        random, precision.dtype, num_layers=2, kernel_size=kernel_size
    )
    features = precision.cast(random.normal(size=(2, 7, 3)))
    _, keys = network(features)
    stack = stack_of(network, "keys")
    expected = reference.convolution_stack(features, stack, "forward")
    precision.assert_close(keys, expected)


def moved_by(network, features, unit, **options):
    """Which keys and which queries move when a unit's features change."""
    changed = features.copy()
    changed[:, unit] += 1.0
    before = arrays(network(features, **options))
    after = arrays(network(changed, **options))
    return [(a != b).any((0, 2)) for a, b in zip(before, after, strict=True)]


@pytest.mark.parametrize("direction", ["forward", "backward"])
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("normalization", ["layer", None])
def test_no_leak(random, direction, training, normalization):
    # Two layers of kernel 3: a unit reaches itself and the next four.
    network = network_for(
        random,
        num_layers=2,
        direction=direction,
        normalization=normalization,
        activation="tanh",
    )
    features = random.normal(size=(2, 13, 3)).astype("float32")
    reached = range(5, 10) if direction == "forward" else range(1, 6)
    for moved in moved_by(network, features, 5, training=training):
        assert np.flatnonzero(moved).tolist() == list(reached)


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_batch_normalization_leaks_in_training_alone(random, direction):
    network = network_for(
        random,
        num_layers=2,
        direction=direction,
        normalization="batch",
        activation="tanh",
    )
    features = random.normal(size=(2, 13, 3)).astype("float32")
    reached = range(5, 10) if direction == "forward" else range(1, 6)
    for moved in moved_by(network, features, 5, training=False):
        assert np.flatnonzero(moved).tolist() == list(reached)
    for moved in moved_by(network, features, 5, training=True):
        assert moved.all()


def test_the_leak_of_batch_normalization_is_documented():
    text = " ".join(MaskedKeyQueryCNN.__doc__.split())
    assert '`normalization="batch"` takes its statistics over time' in text


def test_batch_statistics_are_those_of_real_units(random):
    longer = random.normal(size=(2, 13, 3)).astype("float32")
    mask = np.ones((2, 13), bool)
    mask[:, 7:] = False
    longer[:, 7:] = 1e6
    network = network_for(random, normalization="batch")
    start = network.get_weights()
    statistics = []
    for features, padding_mask in ((longer[:, :7], mask[:, :7]), (longer, mask)):
        network.set_weights(start)
        network(features, mask=padding_mask, training=True)
        statistics.append([ops.convert_to_numpy(w) for w in moving_statistics(network)])
    for one, other in zip(*statistics, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
    network.set_weights(start)
    for one, weight in zip(statistics[0], moving_statistics(network), strict=True):
        assert (one != ops.convert_to_numpy(weight)).any()


def moving_statistics(network):
    return [w for w in network.non_trainable_weights if "moving" in w.path]


@pytest.mark.parametrize("normalization", ["layer", "batch", None])
def test_directions_mirror_each_other(precision, random, normalization):
    forward = network_for(random, precision.dtype, normalization=normalization)
    backward = network_for(
        random, precision.dtype, normalization=normalization, direction="backward"
    )
    backward.set_weights(forward.get_weights())
    features = precision.cast(random.normal(size=(2, 7, 3)))
    for one, other in zip(
        arrays(forward(features)), arrays(backward(features[:, ::-1])), strict=True
    ):
        precision.assert_close(one[:, ::-1], other)
        assert np.abs(one - other).max() > 0.01


def test_keys_and_queries_have_weights_of_their_own(random):
    network = MaskedKeyQueryCNN(5, num_layers=2)
    features = random.normal(size=(2, 7, 3)).astype("float32")
    queries, keys = arrays(network(features))
    assert np.abs(keys - queries).max() > 0.01
    # A kernel, a bias, gamma and beta in 2 layers of 2 stacks.
    assert len(network.trainable_weights) == 16


def test_masks_travel_through_functional_models():
    unit_ids = np.array([[2, 3, 5, 7, 0], [2, 3, 0, 0, 0]], "int32")
    inputs = keras.Input((None,), dtype="int32")
    embedded = keras.layers.Embedding(11, 3, mask_zero=True)(inputs)
    network = MaskedKeyQueryCNN(5, num_layers=2, normalization=None)
    queries, keys = network(embedded)
    assert keys._keras_mask is not None and queries._keras_mask is not None
    for weight in network.weights:
        weight.assign(ops.ones(weight.shape))
    model = keras.Model(inputs, [queries, keys])
    for output in model.predict(unit_ids, verbose=0):
        assert (output[unit_ids == 0] == 0).all()
        assert (output[unit_ids > 0] != 0).any(-1).all()


def test_every_output_carries_the_mask():
    features = ops.ones((2, 13, 3))
    mask = network_for(np.random.default_rng(0)).compute_mask(features, MASK)
    assert len(mask) == 2 and all(one is MASK for one in mask)


def test_dropout_is_drawn_in_training_alone(random):
    network = network_for(random, dropout=0.5, seed=3, activation="tanh")
    features = random.normal(size=(2, 7, 3)).astype("float32")
    still = arrays(network(features, training=False))
    moved = arrays(network(features, training=True))
    again = arrays(network(features, training=True))
    for one, other, third in zip(still, moved, again, strict=True):
        assert (other == 0).any() and not (one == 0).any()
        assert (other != third).any()


def test_lengths_two_three_and_five_through_one_model(random):
    network = network_for(random, num_layers=2)
    stack = stack_of(network, "queries")
    for length in (2, 3, 5, 1):
        features = random.normal(size=(2, length, 3)).astype("float32")
        queries, _ = arrays(network(features))
        expected = reference.convolution_stack(features, stack, "forward")
        np.testing.assert_allclose(queries, expected, rtol=1e-5, atol=1e-5)


def test_with_a_seed_every_layer_drops_channels_of_its_own():
    layer = MaskedKeyQueryCNN(
        31, num_layers=2, normalization=None, activation="linear", dropout=0.5, seed=3
    )
    layer.build((None, None, 31))
    ones = np.ones((1, 5, 31), "float32")
    dropped = [
        keras.ops.convert_to_numpy(dropout(ones, training=True)) == 0
        for stack in (layer.key_stack, layer.query_stack)
        for *_, dropout in stack
    ]
    for first in range(4):
        for second in range(first):
            assert 0.2 < (dropped[first] == dropped[second]).mean() < 0.8


@pytest.mark.parametrize("is_compiled", [False, True])
@pytest.mark.parametrize("mask", [None, True, False])
@pytest.mark.parametrize("shape", [(0, 7, 3), (2, 0, 3), (2, 7, 3), (0, 5, 7, 3)])
def test_statistics_of_no_units_are_the_moving_ones(random, shape, mask, is_compiled):
    network = MaskedKeyQueryCNN(5, num_layers=2, normalization="batch")
    network.build((None, *shape[1:]))
    registry.randomize(network, random)
    before = network.get_weights()
    if mask is not None:
        mask = np.full(shape[:-1], mask)
    features = random.normal(size=shape).astype("float32")
    call = functools.partial(network, training=True)
    if is_compiled:
        if keras.backend.backend() != "tensorflow":
            pytest.skip("a function of TensorFlow, of batches of any size")
        import tensorflow as tf

        call = tf.function(call, reduce_retracing=True)
        call(tf.zeros((0, *shape[1:])), mask=None if mask is None else mask[:0])
    call(features, mask=mask)
    has_units = np.prod(shape) > 0 and (mask is None or mask.any())
    moved = [
        not np.allclose(one, other, rtol=1e-5)
        for one, other in zip(before, network.get_weights(), strict=True)
    ]
    assert sum(moved) == (8 if has_units else 0)  # means and variances of four


def test_statistics_of_units_are_those_of_keras(random):
    for mask in (None, MASK):
        features = random.normal(size=(2, 13, 3)).astype("float32")
        layers = [BatchNormalization(), keras.layers.BatchNormalization()]
        ours, theirs = (layer(features, training=True, mask=mask) for layer in layers)
        np.testing.assert_array_equal(ours, theirs)
        for one, other in zip(*(layer.get_weights() for layer in layers), strict=True):
            np.testing.assert_array_equal(one, other)
