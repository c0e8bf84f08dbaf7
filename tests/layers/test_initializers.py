"""Initial weights."""

import inspect
import json

import keras
import numpy as np
import pytest
from keras import ops
from registry import ENTRIES

from glomo_keras.layers import GatedGraphFusion
from glomo_keras.layers import GraphPropagation
from glomo_keras.layers import MaskedKeyQueryCNN
from glomo_keras.layers import SquaredReLUAffinity
from glomo_keras.layers.initializers import CurrentUnitInitializer
from glomo_keras.layers.initializers import MessageInitializer
from glomo_keras.layers.initializers import OrthogonalInitializer

WITH_KERNELS = {
    entry.layer: entry
    for entry in ENTRIES
    if "kernel_initializer" in inspect.signature(entry.layer).parameters
    and entry.arguments.get("conditional", True)
}


def kernels_of(entry, **arguments):
    """Initial values of the weights, and the layer."""
    layer = entry.make(**arguments)
    entry.call(layer, entry.inputs(np.random.default_rng(0), 3, 7))
    return [ops.convert_to_numpy(weight) for weight in layer.trainable_weights], layer


def rms(array):
    return np.sqrt(np.mean(np.square(array)))


def values_of(initializer, shape):
    return ops.convert_to_numpy(initializer(shape, dtype="float32"))


@pytest.mark.parametrize("decay", [0.0, 0.4, 1.0])
def test_the_current_unit_is_the_strongest(decay):
    kernel = values_of(CurrentUnitInitializer(decay, seed=3), (3, 101, 103))
    taps = [rms(tap) for tap in kernel]
    np.testing.assert_allclose(taps[:2], decay * taps[2], rtol=0.05, atol=1e-7)
    # Whatever the decay, the variance of Glorot's: 2 / (fan in + fan out).
    glorot = np.sqrt(2 / (3 * 101 + 3 * 103))
    assert rms(kernel) == pytest.approx(glorot, rel=0.02)


def test_the_current_unit_of_an_image_stands_in_the_last_row():
    kernel = values_of(CurrentUnitInitializer(0.4, seed=3), (2, 3, 101, 103))
    taps = np.sqrt(np.square(kernel).mean(axis=(2, 3)))
    expected = np.full((2, 3), 0.4)
    expected[1, 1] = 1.0
    np.testing.assert_allclose(taps / taps[1, 1], expected, rtol=0.05)


def test_the_current_unit_of_one_tap_is_glorot():
    ours = values_of(CurrentUnitInitializer(seed=3), (1, 5, 7))
    glorot = values_of(keras.initializers.GlorotUniform(seed=3), (1, 5, 7))
    np.testing.assert_allclose(ours, glorot, rtol=1e-6)


def test_convolutions_start_with_it_and_with_kernels_of_their_own():
    network = MaskedKeyQueryCNN(53, num_layers=2)
    network.build((None, None, 53))
    kernels = [
        ops.convert_to_numpy(convolution.kernel)
        for stack in (network.key_stack, network.query_stack)
        for convolution, _, _ in stack
    ]
    for kernel in kernels:
        assert rms(kernel[0]) < 0.5 * rms(kernel[-1])
    for one in range(4):
        for other in range(one):
            assert (kernels[one] != kernels[other]).any()


@pytest.mark.parametrize("entry", WITH_KERNELS.values(), ids=lambda e: e.name)
def test_kernels_start_as_told(entry):
    initializer = keras.initializers.RandomUniform(5.0, 6.0)
    weights, layer = kernels_of(
        entry, kernel_initializer=initializer, kernel_regularizer="l2"
    )
    kernels = [weight for weight in weights if (weight >= 5).all()]
    # W1 of a fusion starts at zero, whatever the initializer of the kernels.
    zeros = [w for w in layer.trainable_weights if w.regularizer and not np.any(w)]
    assert kernels and len(kernels) == len(layer.losses) - len(zeros)
    assert len(zeros) == (
        "fusion" in vars(layer) or isinstance(layer, GatedGraphFusion)
    )
    for one in range(len(kernels)):  # no two are drawn alike
        for other in range(one):
            assert not np.array_equal(kernels[one], kernels[other])
    config = layer.get_config()
    assert json.loads(json.dumps(config))["kernel_initializer"]["class_name"] == (
        "RandomUniform"
    )
    copy = entry.layer.from_config(config)
    assert copy.kernel_initializer.get_config() == initializer.get_config()
    assert copy.get_config() == config


def test_layers_draw_no_more_than_their_weights_need():
    keras.utils.set_random_seed(29)
    fusion = GatedGraphFusion(5)
    fusion.build((None, None, 3), (None, None, 2))
    affinity = SquaredReLUAffinity(1, 1, 3)
    affinity.build((None, None, 5), (None, None, 5))
    keras.utils.set_random_seed(29)
    gate = keras.layers.Dense(5)
    gate.build((None, 5))
    kernels = [gate.kernel]
    kernels += [keras.initializers.GlorotUniform()((5, 3)) for _ in range(2)]
    found = (fusion.gate.kernel,)
    found += affinity.key_kernel, affinity.query_kernel
    for one, other in zip(found, kernels, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("inputs", [7, 14])
def test_messages_pass_into_the_candidate(inputs):
    # The last 7 inputs are messages, the last 7 columns the candidate.
    ours = values_of(MessageInitializer(seed=3), (inputs, 21))
    glorot = values_of(keras.initializers.GlorotUniform(seed=3), (inputs, 21))
    expected = np.zeros((inputs, 21))
    for unit in range(7):
        expected[inputs - 7 + unit, 14 + unit] = 1.0
    np.testing.assert_allclose(ours - glorot, expected, atol=1e-6)


@pytest.mark.parametrize("message", ["plain", "product_concat"])
def test_a_unit_starts_near_what_it_reads(message):
    layer = GraphPropagation(message=message)
    features = np.zeros((1, 2, 30), "float32")
    features[0, 0] = np.random.default_rng(3).normal(size=30)
    graph = np.array([[[[0, 0], [1, 0]]]], "float32")  # unit 1 reads unit 0
    updated = ops.convert_to_numpy(layer(features, graph))[0, 1]
    assert np.corrcoef(updated, features[0, 0])[0, 1] > 0.6


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_orthogonal_matrices_of_any_dtype(dtype):
    ours = OrthogonalInitializer(seed=3)((7, 21), dtype)
    assert keras.backend.standardize_dtype(ours.dtype) == dtype
    rows = ops.convert_to_numpy(ops.cast(ours, "float32"))
    np.testing.assert_allclose(rows @ rows.T, np.eye(7), atol=2e-2)
    keras_own = values_of(keras.initializers.Orthogonal(seed=3), (7, 21))
    np.testing.assert_allclose(rows, keras_own, atol=2e-3)


@pytest.mark.parametrize(
    "initializer, shape",
    [
        (CurrentUnitInitializer(0.2, seed=5), (3, 7, 21)),
        (MessageInitializer(seed=5), (7, 21)),
        (OrthogonalInitializer(seed=5), (7, 21)),
    ],
)
def test_config_round_trip(initializer, shape):
    config = keras.saving.serialize_keras_object(initializer)
    copy = keras.saving.deserialize_keras_object(config)
    assert type(copy) is type(initializer)
    assert copy.get_config() == initializer.get_config()
    np.testing.assert_array_equal(values_of(copy, shape), values_of(initializer, shape))
