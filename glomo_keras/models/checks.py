"""Checks of what models are made of, and are asked for by mistake."""

import os


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
