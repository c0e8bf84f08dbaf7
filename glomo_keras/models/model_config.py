"""Models as configurations that JSON can hold, and back."""

import contextlib
import json
import math
import os
import random
import re
from itertools import zip_longest

import keras
import numpy as np

_KERAS_PACKAGES = ("keras", "keras_hub", "builtins")
_COUNTER = re.compile(r"_\d+(?=/|$)")


def serialize_model(model):
    """Return class and arguments of a model, as JSON holds them.

    Args:
        model: a `keras.Model`.

    Returns:
        Dict; how the model was compiled is left out.

    Raises:
        TypeError: if JSON cannot hold an argument.
    """
    try:
        config = json.loads(json.dumps(keras.saving.serialize_keras_object(model)))
    except (TypeError, ValueError, RecursionError) as error:
        raise TypeError(
            f"`{type(model).__name__}.get_config` must return what JSON can hold: "
            f"{error}. Serialize such values in it, for instance by "
            "`keras.saving.serialize_keras_object`."
        ) from error
    config.pop("compile_config", None)
    return config


def class_and_arguments(model):
    """Return what a model is, apart from weights, name, and what of it is trained.

    Keras counts names up, so that they tell nothing of a model.

    Args:
        model: a `keras.Model`.

    Returns:
        Dict that JSON can hold.
    """
    config = serialize_model(model)
    left_out = ("name", "trainable", "frozen_layers")
    inner = {k: v for k, v in config["config"].items() if k not in left_out}
    return {"class": config["registered_name"], "config": inner}


def build_model(config, source):
    """Make a model of its configuration.

    Args:
        config: dict, as `serialize_model` returns it.
        source: path, where it comes from.

    Returns:
        A `keras.Model`, with weights of its own.

    Raises:
        TypeError: if the class, or one that it asks for, is not registered.
        ValueError: if the configuration does not make a model.
    """
    check_registered(
        config,
        f"{source} asks for it. Import the module that defines and registers it, then "
        "load the preset.",
    )
    try:
        model = keras.saving.deserialize_keras_object(config)
    except Exception as error:  # constructors raise whatever they like
        reason = str(error).rpartition("Exception encountered: ")[-1].strip()
        raise ValueError(
            f"{source} has a configuration that makes no {config['class_name']}: "
            f"{reason or type(error).__name__}. Copy or save the preset again."
        ) from error
    if not isinstance(model, keras.Model):
        raise ValueError(
            f"{source} must have the configuration of a model. Received one of a "
            f"{config['class_name']}. Give a folder that `save_to_preset` wrote."
        )
    return model


def check_registered(config, advice):
    """Raise TypeError where a configuration has a class that nobody registered."""
    stack = [config]
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            stack.extend(value.values())
            if {"class_name", "module", "registered_name"} <= set(value):
                _check_registered(value, advice)
        elif isinstance(value, list):
            stack.extend(value)


def _check_registered(config, advice):
    name, module = config["registered_name"], config["module"]
    if isinstance(module, str) and module.split(".")[0] in _KERAS_PACKAGES:
        return
    if keras.saving.get_registered_object(name) is None:
        raise TypeError(
            f"The class {name!r} of the module {module!r} is not registered. {advice}"
        )


def check_rebuild(model, config):
    """Raise unless the configuration of a model makes another one with its weights.

    Args:
        model: a `keras.Model`.
        config: dict, what `serialize_model` returned for it.

    Raises:
        TypeError: if its class is not registered.
        ValueError: if the other model has other weights.
    """
    name = type(model).__name__
    check_registered(
        config,
        f"A saved {name} could not be loaded. Decorate the class with "
        "`@keras.saving.register_keras_serializable(package=...)`.",
    )
    with fixed_random_state():
        rebuilt = build_model(config, f"`{name}.get_config()`")
    if type(rebuilt) is not type(model):
        raise TypeError(
            f"{config['registered_name']!r} is registered for another class than that "
            f"of the model, {type(model)!r}. Give the two different names."
        )
    differences = weight_differences(rebuilt, model)
    if differences:
        raise ValueError(
            f"The {name} could not be loaded again: its configuration makes one with "
            f"other weights ({'; '.join(differences[:3])}). Models that were quantized "
            "or changed after they were made cannot be saved: save the model before, "
            "or have `get_config` return all arguments."
        )


def check_finite(model):
    """Raise ValueError where a weight is NaN or infinite, and name it."""
    for weight in model.weights:
        array = keras.ops.convert_to_numpy(weight)
        if array.dtype.kind in "biu" or np.isfinite(array).all():
            continue
        number = int(array.size - np.isfinite(array).sum())
        raise ValueError(
            f"The weights must be finite. {number:,} of {array.size:,} numbers of "
            f"{weight.path} are not. The training has diverged: save an earlier "
            "checkpoint."
        )


def weight_differences(model, other, dtypes=True):
    """Return how the weights of two models differ, but for their values.

    What the paths of all weights of a model begin with is no difference: its name, or
    the scope that it was made in.

    Args:
        model: a `keras.Model`.
        other: another one.
        dtypes: bool, whether to compare dtypes.

    Returns:
        List of strings: paths and shapes of the one, and of the other.
    """

    def describe(model):
        # Keras counts up the names that nobody gave.
        paths = [_COUNTER.sub("", weight.path).split("/") for weight in model.weights]
        scopes = [path[:-1] for path in paths]
        shared = len(os.path.commonprefix(scopes))
        return [
            f"{'/'.join(path[shared:])} {tuple(weight.shape)}"
            + (f" {weight.dtype}" if dtypes else "")
            for path, weight in zip(paths, model.weights, strict=True)
        ]

    pairs = zip_longest(describe(model), describe(other), fillvalue="no weight")
    return [f"{one} against {two}" for one, two in pairs if one != two]


def variable_bytes(variables):
    """Return the bytes that variables take.

    Args:
        variables: variables of Keras or TensorFlow.

    Returns:
        Int.

    Example:

    >>> variable_bytes([keras.Variable(np.zeros((2, 3)), dtype="bfloat16")])
    12
    """
    return sum(
        math.prod(variable.shape)
        * np.dtype(keras.backend.standardize_dtype(variable.dtype)).itemsize
        for variable in variables
    )


@contextlib.contextmanager
def fixed_random_state():
    """Leave the random state, from which Keras draws seeds, as it was."""
    state = random.getstate()
    try:
        yield
    finally:
        random.setstate(state)
