"""Checks of what models are made of, and are asked for by mistake."""

import os

import numpy as np

from glomo_keras.checks import check_rank


def check_model(name, model, kind, advice=None):
    """Raise unless an argument is a model of a class.

    Args:
        name: string, name of the argument.
        model: the value to check.
        kind: the class.
        advice: string, what to do. `None` tells how to load a preset.

    Returns:
        `model`.

    Raises:
        TypeError: if it is something else.

    Example:

    >>> from glomo_keras.models import GraphPredictor
    >>> check_model("graph_predictor", "x", GraphPredictor)
    Traceback (most recent call last):
    TypeError: `graph_predictor` must be of the class `GraphPredictor`. Received: 'x' of
    type str. To load a preset use GraphPredictor.from_preset(...).
    """
    if not isinstance(model, kind):
        loading = f"To load a preset use {kind.__name__}.from_preset(...)."
        raise TypeError(
            f"`{name}` must be of the class `{kind.__name__}`. Received: {model!r} of "
            f"type {type(model).__name__}. {advice or loading}"
        )
    return model


def check_no_preset(name, value, kind):
    """Raise where the first argument of a class is a preset's name or folder.

    Args:
        name: string, name of the argument, a number.
        value: the value to check.
        kind: the class.

    Raises:
        TypeError: if it is a string or a path.

    Example:

    >>> from glomo_keras.models import GraphPredictor
    >>> check_no_preset("vocabulary_size", "glomo_text_small_en", GraphPredictor)
    Traceback (most recent call last):
    TypeError: `vocabulary_size` must be an integer. Received:
    vocabulary_size='glomo_text_small_en'. To load a preset use
    GraphPredictor.from_preset('glomo_text_small_en').
    """
    if isinstance(value, str | os.PathLike):
        raise TypeError(
            f"`{name}` must be an integer. Received: {name}={value!r}. To load a "
            f"preset use {kind.__name__}.from_preset({str(value)!r})."
        )


def check_named_inputs(inputs, *names):
    """Raise unless the inputs of a model are a dict of tensors by name.

    Args:
        inputs: the value to check.
        *names: strings, the inputs that must be there.

    Raises:
        TypeError: if it is no dict.
        ValueError: if an input is missing.

    Example:

    >>> check_named_inputs([[2, 3]], "unit_ids", "padding_mask")
    Traceback (most recent call last):
    TypeError: `inputs` must be a dict of `unit_ids` and `padding_mask`. Received an
    object of type list. Name the tensors: {"unit_ids": ..., "padding_mask": ...}.
    """
    expected = " and ".join(f"`{name}`" for name in names)
    if not isinstance(inputs, dict):
        example = ", ".join(f'"{name}": ...' for name in names)
        raise TypeError(
            f"`inputs` must be a dict of {expected}. Received an object of type "
            f"{type(inputs).__name__}. Name the tensors: {{{example}}}."
        )
    if not set(names) <= set(inputs):
        raise ValueError(
            f"`inputs` must be a dict of {expected}. Received the keys: "
            f"{sorted(map(str, inputs))}."
        )


def check_is_tensor(name, value):
    """Raise TypeError unless a value is a tensor or an array.

    Args:
        name: string, name of the argument.
        value: the value to check.

    Example:

    >>> check_is_tensor("unit_ids", [[2, 3]])
    Traceback (most recent call last):
    TypeError: `unit_ids` must be a tensor or an array. Received an object of type list.
    Turn it into one with `keras.ops.convert_to_tensor`.
    """
    if not hasattr(value, "shape"):
        raise TypeError(
            f"`{name}` must be a tensor or an array. Received an object of type "
            f"{type(value).__name__}. Turn it into one with "
            "`keras.ops.convert_to_tensor`."
        )


def numbers_of(tensor):
    """Return the numbers of a tensor as a NumPy array, or `None`.

    There are none yet where a function is traced.

    Args:
        tensor: array, tensor of any backend, or `keras.KerasTensor`.

    Example:

    >>> numbers_of(keras.ops.array([2, 3])).tolist()
    [2, 3]
    >>> numbers_of(keras.KerasTensor((2, 3))) is None
    True
    """
    if not (hasattr(tensor, "shape") and hasattr(tensor, "dtype")):
        return None  # a data set, which NumPy would read to its end
    try:
        numbers = np.asarray(tensor)
    except Exception:  # backends have errors of their own for it
        return None
    return numbers if numbers.dtype.kind in "biuf" else None


def check_unit_ids(unit_ids, vocabulary_size=None):
    """Raise unless a tensor is one of unit ids, of one length.

    Args:
        unit_ids: the value to check.
        vocabulary_size: int, ids there are, or `None`. Numbers are checked where there
            are any: not while a function is traced.

    Raises:
        TypeError: if it is a ragged tensor, or no tensor.
        ValueError: if it has another rank, or ids are out of their range.

    Example:

    >>> check_unit_ids(np.zeros((2, 7), "int32"))
    >>> check_unit_ids(np.zeros(7, "int32"))
    Traceback (most recent call last):
    ValueError: `unit_ids` must have shape (batch, length). Received a shape of rank 1:
    (7,). One text is a batch of one.
    """
    if hasattr(unit_ids, "row_splits"):
        raise TypeError(
            "`unit_ids` must be of one length, padded with 0 on the right. Received a "
            "ragged tensor. Use `unit_ids.to_tensor(0)`, with `padding_mask=ids != 0`."
        )
    check_is_tensor("unit_ids", unit_ids)
    check_rank(
        "unit_ids", unit_ids, "batch, length", advice="One text is a batch of one."
    )
    if vocabulary_size is not None:
        check_range_of_ids(
            "unit_ids",
            unit_ids,
            vocabulary_size,
            "the ids of the predictor's vocabulary",
            "Ids of another tokenizer mean other units: look the units up in the "
            "vocabulary that belongs to the predictor, as "
            "`glomo_keras.data.Vocabulary.from_preset` loads it.",
        )


def check_range_of_ids(name, ids, num_ids, meaning, advice):
    """Raise where ids are none of an embedding's, which it looks up all the same.

    Numbers are checked where there are any: not while a function is traced.

    Args:
        name: string, name of the argument.
        ids: array or tensor.
        num_ids: int, ids there are.
        meaning: string, what they are.
        advice: string, what to do.

    Raises:
        ValueError: if an id is negative, or `num_ids` or more.

    Example:

    >>> check_range_of_ids("unit_ids", np.array([2, 9]), 7, "ids", "Look them up.")
    Traceback (most recent call last):
    ValueError: `unit_ids` must lie in [0, 7), ids. Received ids from 2 to 9. Look them
    up.
    """
    numbers = numbers_of(ids)
    if numbers is None or not numbers.size:
        return
    if numbers.min() < 0 or numbers.max() >= num_ids:
        raise ValueError(
            f"`{name}` must lie in [0, {num_ids}), {meaning}. Received ids from "
            f"{numbers.min()} to {numbers.max()}. {advice}"
        )


def check_images(images, channels):
    """Raise unless a tensor is one of images with so many channels.

    Args:
        images: the value to check.
        channels: int, channels of the images that a model takes.

    Raises:
        TypeError: if it is a ragged tensor, or no tensor.
        ValueError: if it has another rank, other channels, or shares of one for levels.

    Example:

    >>> check_images(np.zeros((2, 5, 7, 1), "uint8"), channels=3)
    Traceback (most recent call last):
    ValueError: `images` must have shape (batch, height, width, 3). Received:
    (2, 5, 7, 1). Grayscale images need one channel as their last axis,
    `images[..., None]`, and a model with `channels=1`, or that channel 3 times.
    """
    if hasattr(images, "row_splits"):
        raise TypeError(
            "`images` must be of one size. Received a ragged tensor. Pad or resize "
            "the images."
        )
    check_is_tensor("images", images)
    shape = tuple(images.shape)
    if len(shape) == 4 and shape[-1] in (None, channels):
        check_levels(images)
        return
    if len(shape) == 3 and shape[-1] == channels:
        advice = "One image is a batch of one: `images[None]`."
    elif len(shape) == 3 or shape[-1] == 1:
        advice = (
            "Grayscale images need one channel as their last axis, "
            "`images[..., None]`, and a model with `channels=1`, or that channel "
            f"{channels} times."
        )
    else:
        advice = f"Give images of {channels} channels, or make a model for others."
    raise ValueError(
        f"`images` must have shape (batch, height, width, {channels}). Received: "
        f"{shape}. {advice}"
    )


def check_levels(images):
    """Raise where images are shares of one, as other models take, and not levels.

    Numbers are checked where there are any: not while a function is traced.

    Args:
        images: array or tensor.

    Raises:
        ValueError: if all numbers lie between 0 and 1, some above a half, and more than
            a tenth are no integers: a dark image has few such.

    Example:

    >>> check_levels(np.array([0.0, 127.5, 255.0]))
    >>> check_levels(np.array([0.0, 0.25, 1.0]))
    Traceback (most recent call last):
    ValueError: `images` must be levels, from 0 to 255. Received floats from 0.0 to 1.0.
    Use `images * 255`.
    """
    numbers = numbers_of(images)
    if numbers is None or numbers.dtype.kind != "f" or not numbers.size:
        return
    low, high = float(numbers.min()), float(numbers.max())
    if 0 <= low and 0.5 < high <= 1 and np.mean(numbers % 1 != 0) > 0.1:
        raise ValueError(
            f"`images` must be levels, from 0 to 255. Received floats from {low} to "
            f"{high}. Use `images * 255`."
        )
