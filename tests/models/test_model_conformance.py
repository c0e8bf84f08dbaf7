"""What is promised of every public model, over all entries of the registry."""

import inspect
import json

import keras
import model_registry
import numpy as np
import pytest
from model_registry import MODELS

from glomo_keras import models
from glomo_keras.models import ablations


def label(entry):
    return f"{entry.name}-{len(entry.arguments)}"


each_model = pytest.mark.parametrize("entry", MODELS, ids=label)
each_preset = pytest.mark.parametrize(
    "entry", [entry for entry in MODELS if entry.is_preset], ids=label
)


def made(entry, **changes):
    model = entry.make(**changes)
    entry.outputs(model)  # builds what is not yet
    return model


def as_input(array, name=None):
    return keras.Input(array.shape[1:], dtype=str(array.dtype), name=name)


def plain(value):
    """A value as it stands in a configuration that went through JSON."""
    return json.loads(json.dumps(value))


def regularizer(name):
    return keras.regularizers.serialize(keras.regularizers.get(name))


def assert_same_outputs(entry, model, other):
    for one, two in zip(entry.outputs(model), entry.outputs(other), strict=True):
        assert np.isfinite(one).all()
        np.testing.assert_array_equal(one, two)


def public_models():
    for module in (models, ablations):
        for name, value in vars(module).items():
            if isinstance(value, type) and issubclass(value, keras.Model):
                if not name.startswith("_"):
                    yield value


def test_every_public_model_is_registered():
    registered = {entry.model for entry in MODELS}
    assert registered == set(public_models())


@pytest.mark.parametrize("model", sorted({e.model for e in MODELS}, key=str))
def test_every_argument_is_registered_with_another_value_than_its_default(model):
    entries = [entry for entry in MODELS if entry.model is model]
    for name, parameter in inspect.signature(model).parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD or name == "dtype":
            continue
        if any(name in entry.parts for entry in entries):
            continue
        values = [e.arguments[name] for e in entries if name in e.arguments]
        assert any(value != parameter.default for value in values), name


@each_model
def test_every_argument_is_an_attribute_of_its_name(entry):
    model = entry.make(dtype="mixed_bfloat16")
    for name, value in entry.arguments.items():
        held = getattr(model, name)
        if name == "activation":
            held = keras.activations.serialize(held)
        elif name == "kernel_regularizer":
            held, value = keras.regularizers.serialize(held), regularizer(value)
        assert held == value, name
    for name in entry.parts:
        assert isinstance(getattr(model, name), keras.Model), name
    assert model.dtype_policy.name == "mixed_bfloat16"
    assert not any(isinstance(v, dict) for k, v in vars(model).items() if "config" in k)


@each_model
def test_config_round_trip(entry):
    model = entry.make(dtype="mixed_bfloat16", name="given_name")
    config = model.get_config()
    for name, value in entry.arguments.items():
        value = regularizer(value) if name == "kernel_regularizer" else value
        assert plain(config[name]) == plain(value), name
    assert json.loads(json.dumps(config)) is not None
    serialized = keras.saving.serialize_keras_object(model)
    assert serialized["registered_name"] == f"glomo_keras>{entry.name}"
    for copy in (
        entry.model.from_config(config),
        keras.saving.deserialize_keras_object(json.loads(json.dumps(serialized))),
    ):
        assert type(copy) is entry.model
        assert copy.get_config() == config
        assert copy.name == "given_name"
        assert copy.dtype_policy.name == "mixed_bfloat16"


@each_model
def test_numbers_of_numpy_are_those_of_python(entry):
    arguments = {
        name: np.int64(value) if type(value) is int else value
        for name, value in entry.arguments.items()
    }
    config = entry.make(**arguments).get_config()
    assert plain(config)
    for name, value in entry.arguments.items():
        if type(value) is int:
            assert type(config[name]) is int, name


@each_model
def test_round_trips(entry, tmp_path):
    model = made(entry)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded) is entry.model
    model.save_weights(tmp_path / "model.weights.h5")
    fresh = made(entry)
    fresh.load_weights(tmp_path / "model.weights.h5")
    for other in (loaded, fresh):
        assert_same_outputs(entry, other, model)


@each_preset
def test_presets_round_trip(entry, tmp_path):
    model = made(entry)
    fingerprint = model.save_to_preset(tmp_path / "preset")
    loaded = entry.model.from_preset(tmp_path / "preset")
    assert type(loaded) is entry.model
    assert loaded.get_config() == model.get_config()
    assert_same_outputs(entry, loaded, model)
    assert loaded.save_to_preset(tmp_path / "copy") == fingerprint


@each_preset
def test_a_clone_of_what_contains_it_has_another_one_like_it(entry):
    # Of a functional model itself, Keras makes clones that are no longer of its class.
    model = made(entry)
    if isinstance(entry.inputs, dict):
        inputs = {name: as_input(array, name) for name, array in entry.inputs.items()}
    else:
        inputs = as_input(entry.inputs)
    outer = keras.Model(inputs, model(inputs))
    clone = keras.models.clone_model(outer)
    (part,) = (layer for layer in clone.layers if isinstance(layer, entry.model))
    assert part is not model and part.get_config() == model.get_config()
    clone.set_weights(outer.get_weights())
    assert_same_outputs(entry, clone, outer)


@each_preset
def test_what_is_frozen_stays_frozen(entry, tmp_path):
    model = made(entry, trainable=False)
    assert not model.trainable_weights
    number = len(made(entry).trainable_weights)
    model.save(tmp_path / "model.keras")
    model.save_to_preset(tmp_path / "preset")
    for copy in (
        keras.saving.load_model(tmp_path / "model.keras"),
        entry.model.from_preset(tmp_path / "preset"),
        entry.model.from_config(model.get_config()),
    ):
        assert not copy.trainable and not copy.trainable_weights
        copy.trainable = True
        assert len(copy.trainable_weights) == number


@each_preset
def test_dropout_is_seeded_by_the_seed_and_the_name_of_the_layer(entry):
    model, other = made(entry), made(entry)
    other.set_weights(model.get_weights())
    again = made(entry, seed=8)
    again.set_weights(model.get_weights())
    first = entry.outputs(model, training=True)
    for one, two in zip(first, entry.outputs(other, training=True), strict=True):
        np.testing.assert_array_equal(one, two)
    if "Uniform" in entry.name or "Empty" in entry.name:
        return  # their graphs do not depend on what is dropped
    pairs = zip(first, entry.outputs(again, training=True), strict=True)
    assert any((one != two).any() for one, two in pairs)


@pytest.mark.parametrize(
    "entry", [model_registry.TEXT, model_registry.IMAGE], ids=label
)
def test_every_dropout_of_a_predictor_has_a_seed_of_its_own(entry):
    model = entry.make()
    seeds = [
        dropout.seed
        for direction in ("forward", "backward")
        for stack in ("query_stack", "key_stack")
        for *_, dropout in getattr(model.get_layer(f"{direction}_network"), stack)
    ]
    assert len(seeds) == 2 * 2 * entry.arguments["num_convolutions"]
    assert len(set(seeds)) == len(seeds)
    assert None not in seeds
