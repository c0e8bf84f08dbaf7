"""What is promised of every public layer, over all entries of the registry."""

import dataclasses
import inspect
import json
import os
import pathlib
import subprocess
import sys

import gradients
import keras
import numpy as np
import pytest
import registry
from keras import ops
from keras import tree
from registry import BATCH
from registry import ENTRIES
from registry import LENGTH

import glomo_keras

# Lengths 7, 3 and none at all.
MASK = np.arange(LENGTH)[None] < np.array([[7], [3], [0]])
SOME_REAL = np.arange(LENGTH)[None] < np.array([[7], [3], [5]])

each_entry = pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
each_masked_entry = pytest.mark.parametrize(
    "entry",
    [entry for entry in ENTRIES if entry.mask_names],
    ids=lambda entry: entry.name,
)


def outputs_of(entry, layer, inputs, mask=None, **options):
    """Outputs as a flat list of NumPy arrays."""
    outputs = tree.flatten(entry.call(layer, inputs, mask, **options))
    return [ops.convert_to_numpy(ops.cast(output, "float32")) for output in outputs]


def assert_all_close(actual, expected, tolerance=1e-5):
    assert len(actual) == len(expected) > 0
    for one, other in zip(actual, expected, strict=True):
        assert one.shape == other.shape
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)


def shapes_of(inputs):
    """Shapes of inputs, in the order of the call signature."""
    return [
        {name: array.shape for name, array in value.items()}
        if isinstance(value, dict)
        else value.shape
        for value in inputs.values()
    ]


def weighted_sum(random):
    """A scalar of all outputs in which no two entries cancel."""
    state = random.bit_generator.state

    def reduce(outputs):
        random.bit_generator.state = state
        total = 0.0
        for output in tree.flatten(outputs):
            weights = random.normal(size=output.shape).astype("float32")
            total = total + ops.sum(ops.cast(output, "float32") * weights)
        return total

    return reduce


def test_every_public_layer_is_registered():
    registered = {entry.layer.__name__ for entry in ENTRIES}
    assert registered == set(glomo_keras.layers.__all__)
    assert len({entry.name for entry in ENTRIES}) == len(ENTRIES)


@pytest.mark.parametrize("name", glomo_keras.layers.__all__)
def test_every_argument_is_registered_with_another_value_than_its_default(name):
    entries = [entry for entry in ENTRIES if entry.layer.__name__ == name]
    for argument, parameter in inspect.signature(entries[0].layer).parameters.items():
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            continue
        values = [
            entry.arguments[argument]
            for entry in entries
            if argument in entry.arguments
        ]
        given = any(value != parameter.default for value in values)
        assert given or any(argument in entry.factories for entry in entries), argument


@each_entry
def test_a_layer_that_is_frozen_before_it_is_built_stays_frozen(entry):
    frozen, plain = entry.make(trainable=False), entry.make()
    for layer in (frozen, plain):
        entry.call(layer, entry.inputs(np.random.default_rng(0), BATCH, LENGTH))
    # Of models all are trained that say so themselves, whatever their layer says.
    assert not [variable.path for variable in frozen.variables if variable.trainable]
    frozen.trainable = True
    assert len(frozen.trainable_variables) == len(plain.trainable_variables) > 0


@each_entry
def test_config_round_trip(entry):
    layer = entry.make(dtype="mixed_bfloat16", name="given_name", trainable=False)
    config = layer.get_config()
    assert json.loads(json.dumps(config)) is not None
    for argument, value in entry.arguments.items():
        if argument == "kernel_regularizer":
            value = keras.regularizers.serialize(keras.regularizers.get(value))
        assert config[argument] == value
    copy = entry.layer.from_config(config)
    assert copy.get_config() == config
    assert copy.name == "given_name" and not copy.trainable
    assert copy.dtype_policy.name == "mixed_bfloat16"
    for argument, value in entry.arguments.items():
        if argument not in ("activation", "kernel_regularizer"):
            assert getattr(copy, argument) == value
    serialized = keras.saving.serialize_keras_object(layer)
    name = f"glomo_keras>{entry.layer.__name__}"
    assert serialized["registered_name"] == name
    assert keras.saving.deserialize_keras_object(serialized).get_config() == config


@each_entry
def test_integers_of_numpy_are_integers(entry, random):
    def of_numpy(value):
        is_integer = isinstance(value, int) and not isinstance(value, bool)
        return np.int64(value) if is_integer else value

    arguments = tree.map_structure(of_numpy, entry.arguments)
    layer = dataclasses.replace(entry, arguments=arguments).make(name="layer")
    entry.call(layer, entry.inputs(random, BATCH, LENGTH))
    config, expected = layer.get_config(), entry.make(name="layer").get_config()
    assert json.dumps(config)
    for argument in entry.arguments:
        assert config[argument] == expected[argument]


@each_entry
def test_symbolic_shapes_and_dtypes_are_those_of_values(entry, random):
    layer = entry.make()
    inputs = entry.inputs(random, BATCH, LENGTH)
    symbolic = tree.map_structure(
        lambda array: keras.KerasTensor(array.shape, str(array.dtype)), inputs
    )
    specs = tree.flatten(entry.call(layer, symbolic))
    values = tree.flatten(entry.call(layer, inputs))
    assert len(specs) == len(values)
    for spec, value in zip(specs, values, strict=True):
        assert tuple(spec.shape) == tuple(value.shape)
        assert spec.dtype == keras.backend.standardize_dtype(value.dtype)


@each_entry
def test_shapes_are_computed_without_a_call(entry, random):
    layer = entry.make()
    inputs = entry.inputs(random, BATCH, LENGTH)
    symbolic = tree.map_structure(
        lambda array: keras.KerasTensor(array.shape, str(array.dtype)), inputs
    )
    specs = tree.flatten(entry.call(layer, symbolic))
    computed = []
    shapes = layer.compute_output_shape(*shapes_of(inputs))
    tree.map_shape_structure(computed.append, shapes)
    assert computed == [tuple(spec.shape) for spec in specs]


@each_entry
def test_unknown_batch_and_length_stay_unknown(entry):
    model = entry.model(entry.make())
    for output in tree.flatten(model.output):
        assert output.shape[0] is None
        assert all(output.shape[axis] is None for axis in entry.output_axes)


@each_entry
def test_compiled_equals_eager(entry, random):
    layer = entry.make_random(random)
    inputs = entry.inputs(random, BATCH, LENGTH)
    eager = outputs_of(entry, layer, inputs, MASK)
    assert_all_close(_compiled(entry, layer, inputs), eager)


def _compiled(entry, layer, inputs):
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        @tf.function(jit_compile=True)
        def function(inputs, mask):
            return entry.call(layer, inputs, mask)

        inputs = tree.map_structure(tf.constant, inputs)
        outputs = function(inputs, tf.constant(MASK))
    else:
        import jax

        @jax.jit
        def function(arguments, mask):
            variables = [v.value for v in layer.trainable_variables]
            others = [v.value for v in layer.non_trainable_variables]
            outputs, _ = layer.stateless_call(
                variables,
                others,
                *arguments,
                **dict.fromkeys(entry.mask_names, mask),
                **entry.options,
            )
            return outputs

        # As a list: JAX sorts the keys of a dict.
        outputs = function(list(inputs.values()), MASK)
    return [ops.convert_to_numpy(output) for output in tree.flatten(outputs)]


@each_entry
@pytest.mark.parametrize(
    ("policy", "tolerance"), [("mixed_bfloat16", 2e-2), ("mixed_float16", 5e-3)]
)
def test_mixed_precision_is_finite_and_close(entry, policy, tolerance, random):
    layer = entry.make_random(random)
    low = entry.make(policy)
    inputs = entry.inputs(random, BATCH, LENGTH)
    outputs = tree.flatten(entry.call(low, inputs))
    expected_dtype = entry.output_dtype or keras.DTypePolicy(policy).compute_dtype
    for output in outputs:
        assert keras.backend.standardize_dtype(output.dtype) == expected_dtype
    for weight in low.trainable_weights:
        assert keras.backend.standardize_dtype(weight.dtype) == "float32"
    low.set_weights(layer.get_weights())
    for one, other in zip(
        outputs_of(entry, low, inputs, MASK),
        outputs_of(entry, layer, inputs, MASK),
        strict=True,
    ):
        assert np.isfinite(one).all()
        error = np.abs(one - other) / max(1.0, np.abs(other).max())
        if entry.jumps:
            assert np.quantile(error, 0.99) < 2 * tolerance
        else:
            assert error.max() < tolerance


@each_entry
def test_no_sample_and_no_unit_give_empty_outputs(entry, random):
    layer = entry.make_random(random)
    traced = _of_unknown_sizes(entry, layer)
    for sizes in ((0, LENGTH), (BATCH, 0), (0, 0)):
        inputs = entry.inputs(random, *sizes)
        mask = np.ones(sizes, bool)
        wanted = layer.compute_output_shape(*shapes_of(inputs))
        expected = []
        tree.map_shape_structure(expected.append, wanted)
        answers = [entry.call(layer, inputs), entry.call(layer, inputs, mask)]
        # Images of a known size have units.
        if traced is not None and (sizes[1] or "pixels" not in inputs):
            answers.append(traced(entry.flatten(inputs, mask)))
        for outputs in answers:
            outputs = [ops.convert_to_numpy(output) for output in tree.flatten(outputs)]
            assert [output.shape for output in outputs] == expected
            assert all((output == 0).all() for output in outputs)
        masks = dict.fromkeys(entry.mask_names, mask)
        found = gradients.by_weights(
            layer, weighted_sum(random), *inputs.values(), **masks, **entry.options
        )
        for path, gradient in found.items():
            assert gradient is None or (gradient == 0).all(), path


def _of_unknown_sizes(entry, layer):
    """A graph of TensorFlow that knows no sizes, as a function of flat inputs."""
    if keras.backend.backend() != "tensorflow":
        return None
    import tensorflow as tf

    model = entry.model(layer)
    signature = {
        name: tf.TensorSpec(tensor.shape, tensor.dtype, name)
        for name, tensor in model.input.items()
    }
    function = tf.function(model, input_signature=[signature], autograph=False)
    return lambda flat: function(tree.map_structure(tf.constant, flat))


@each_masked_entry
@pytest.mark.parametrize("training", [False, True])
def test_appended_padding_changes_nothing(entry, training, random):
    draws = entry.arguments.get("dropout") or entry.arguments.get("num_sampled")
    if training and (draws or entry.label == "batch"):
        pytest.skip("what is drawn, and batch statistics, differ from call to call")
    layer = entry.make_random(random)
    inputs = entry.inputs(random, BATCH, LENGTH)
    inputs = entry.spoil(inputs, MASK)
    expected = outputs_of(entry, layer, inputs, MASK, **_training(layer, training))
    mask = np.pad(MASK, [(0, 0), (0, 6)])
    longer = entry.spoil(entry.pad(inputs, 6), mask)
    actual = outputs_of(entry, layer, longer, mask, **_training(layer, training))
    for one, other in zip(actual, expected, strict=True):
        real = tuple(
            slice(0, LENGTH) if axis in entry.output_axes else slice(None)
            for axis in range(one.ndim)
        )
        np.testing.assert_allclose(one[real], other, rtol=1e-5, atol=1e-5)
        for axis in entry.output_axes:
            assert (np.moveaxis(one, axis, 0)[LENGTH:] == 0).all()


def _training(layer, training):
    accepts = "training" in inspect.signature(layer.call).parameters
    return {"training": training} if accepts else {}


@each_masked_entry
def test_outputs_at_padding_are_zeros(entry, random):
    layer = entry.make_random(random)
    inputs = entry.spoil(entry.inputs(random, BATCH, LENGTH), MASK)
    for output in outputs_of(entry, layer, inputs, MASK):
        assert np.isfinite(output).all()
        assert (output[2] == 0).all()  # the sample without any real unit
        for axis in entry.output_axes:
            assert (np.moveaxis(output, axis, 1)[1, 3:] == 0).all()
        assert (output[0] != 0).any() and (output[1] != 0).any()


@each_masked_entry
def test_no_mask_is_a_mask_of_all_units(entry, random):
    layer = entry.make_random(random)
    inputs = entry.inputs(random, BATCH, LENGTH)
    everything = np.ones((BATCH, LENGTH), bool)
    assert_all_close(
        outputs_of(entry, layer, inputs),
        outputs_of(entry, layer, inputs, everything),
    )


@each_entry
def test_a_sample_alone_equals_the_sample_in_a_batch(entry, random):
    layer = entry.make_random(random)
    inputs = entry.inputs(random, BATCH, LENGTH)
    together = outputs_of(entry, layer, inputs, SOME_REAL)
    alone = outputs_of(entry, layer, entry.select(inputs, 1), SOME_REAL[1:2])
    assert_all_close(alone, [output[1:2] for output in together])


@each_entry
def test_every_weight_gets_a_gradient(entry, random):
    layer = entry.make_random(random)
    inputs = entry.inputs(random, BATCH, LENGTH)
    assert layer.trainable_weights
    found = gradients.by_weights(
        layer, weighted_sum(random), *inputs.values(), **entry.options
    )
    for path, gradient in found.items():
        assert gradient is not None, path
        assert np.isfinite(gradient).all() and (gradient != 0).any(), path


@each_masked_entry
def test_gradients_are_finite_and_ignore_padding(entry, random):
    # NaN at padding, and a sample that is nothing but padding.
    layer = entry.make_random(random)
    inputs = entry.inputs(random, BATCH, LENGTH)
    reduce = weighted_sum(random)
    masks = dict.fromkeys(entry.mask_names, MASK)
    plain = entry.spoil(inputs, MASK, value=7.0)
    expected = gradients.by_weights(
        layer, reduce, *plain.values(), **masks, **entry.options
    )
    poisoned = entry.spoil(inputs, MASK)
    found = gradients.by_weights(
        layer, reduce, *poisoned.values(), **masks, **entry.options
    )
    for path, gradient in found.items():
        assert np.isfinite(expected[path]).all(), path
        assert np.isfinite(gradient).all(), path
        np.testing.assert_allclose(gradient, expected[path], rtol=1e-4, atol=1e-5)


@each_entry
def test_same_seed_same_result(entry, random):
    inputs = entry.inputs(random, BATCH, LENGTH)
    results = []
    for seed in (29, 29, 31):
        keras.utils.set_random_seed(seed)
        layer = entry.make()
        entry.call(layer, inputs)  # builds
        training = _training(layer, True)
        results.append(
            layer.get_weights()[:1] + outputs_of(entry, layer, inputs, **training)
        )
    for one, other in zip(results[0], results[1], strict=True):
        np.testing.assert_array_equal(one, other)
    if entry.arguments.get("dropout"):
        registry.randomize(layer, np.random.default_rng(3))  # some start at zero
        still = outputs_of(entry, layer, inputs, training=False)
        drawn = outputs_of(entry, layer, inputs, **training)
        assert any((a != b).any() for a, b in zip(still, drawn, strict=True))


@each_entry
def test_the_image_data_format_changes_nothing(entry, random):
    layer = entry.make_random(random)
    inputs = entry.inputs(random, BATCH, LENGTH)
    expected = outputs_of(entry, layer, inputs, MASK)
    assert keras.config.image_data_format() == "channels_last"
    keras.config.set_image_data_format("channels_first")
    try:
        other = entry.make()
        entry.call(other, inputs)  # which builds it
        other.set_weights(layer.get_weights())
        assert_all_close(outputs_of(entry, other, inputs, MASK), expected, 1e-6)
    finally:
        keras.config.set_image_data_format("channels_last")


WRONG_ARGUMENTS = [
    pytest.param(entry, *wrong, id=f"{entry.name}-{next(iter(wrong[0]))}-{number}")
    for entry in ENTRIES
    for number, wrong in enumerate(entry.wrong_arguments)
]
WRONG_INPUTS = [
    pytest.param(entry, *wrong, id=f"{entry.name}-{next(iter(wrong[0]))}-{number}")
    for entry in ENTRIES
    for number, wrong in enumerate(entry.wrong_inputs)
]


@pytest.mark.parametrize(("entry", "changes", "error", "message"), WRONG_ARGUMENTS)
def test_wrong_arguments_are_named(entry, changes, error, message):
    with pytest.raises(error, match=message):
        entry.make(**changes)


@pytest.mark.parametrize(("entry", "shapes", "error", "message"), WRONG_INPUTS)
def test_wrong_inputs_are_named(entry, shapes, error, message, random):
    inputs = entry.inputs(random, BATCH, LENGTH)
    for name, shape in shapes.items():
        if isinstance(shape, dict):
            inputs[name] = {key: np.zeros(s, "float32") for key, s in shape.items()}
        else:
            inputs[name] = np.zeros(shape, "float32")
    with pytest.raises(error, match=f"(?s){message}"):
        entry.call(entry.make(), inputs)


@each_masked_entry
def test_a_mask_of_another_length_is_named(entry, random):
    inputs = entry.inputs(random, BATCH, LENGTH)
    with pytest.raises(ValueError, match=r"(?s)A mask must .* of shape \(3, (1, )?6\)"):
        entry.call(entry.make(), inputs, MASK[:, :-1])


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    """Everything saved here, loaded and run in one fresh process."""
    folder = tmp_path_factory.mktemp("saved")
    random = np.random.default_rng(2018)
    manifest, expected = [], {}
    for entry in ENTRIES:
        model = entry.model(entry.make())
        registry.randomize(model, random)
        inputs = entry.flatten(entry.inputs(random, BATCH, LENGTH), MASK)
        stem = folder / entry.name
        np.savez(f"{stem}.inputs.npz", **inputs)
        model.save(f"{stem}.keras")
        model.save_weights(f"{stem}.weights.h5")
        pathlib.Path(f"{stem}.json").write_text(model.to_json())
        if keras.backend.backend() == "tensorflow":
            model.export(f"{stem}.saved_model", verbose=False)
        outputs = tree.flatten(model(inputs))
        expected[entry.name] = [ops.convert_to_numpy(output) for output in outputs]
        manifest.append(entry.name)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    package = pathlib.Path(glomo_keras.__file__).resolve().parents[1]
    program = pathlib.Path(__file__).with_name("load_saved.py")
    result = subprocess.run(
        [sys.executable, str(program), str(folder)],
        env={
            **os.environ,
            "PYTHONPATH": str(package),
            "KERAS_BACKEND": keras.backend.backend(),
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return folder, expected


@each_entry
@pytest.mark.parametrize("kind", ["keras", "weights", "saved_model"])
def test_round_trips_in_a_fresh_process(entry, kind, loaded):
    if kind == "saved_model" and keras.backend.backend() != "tensorflow":
        pytest.skip("SavedModels are written on the TensorFlow backend")
    folder, expected = loaded
    with np.load(folder / f"{entry.name}.{kind}.outputs.npz") as arrays:
        actual = [arrays[key] for key in sorted(arrays)]
    assert_all_close(actual, expected[entry.name])
