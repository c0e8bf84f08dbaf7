"""Checks of arguments and shapes, which all of the library shares."""

import collections.abc
import math
import numbers

import numpy as np


def positive_integer(name, value, or_none=False):
    """Return a positive integer as one of Python, as Keras and JSON want it.

    Args:
        name: string, name of the argument.
        value: the value to check, an integer of Python or NumPy.
        or_none: bool, whether it may be `None`.

    Returns:
        Int, or `None`.

    Raises:
        TypeError: if it is no integer.
        ValueError: if it is not positive.

    Example:

    >>> import numpy as np
    >>> positive_integer("units", np.int64(3))
    3
    >>> positive_integer("units", 0)
    Traceback (most recent call last):
    ValueError: `units` must be a positive integer. Received: units=0.
    """
    if value is None and or_none:
        return None
    expected = f"a positive integer{' or None' if or_none else ''}"
    return _integer(name, value, 1, expected)


def non_negative_integer(name, value):
    """Return an integer that may be zero, as one of Python.

    Args:
        name: string, name of the argument.
        value: the value to check, an integer of Python or NumPy.

    Returns:
        Int.

    Raises:
        TypeError: if it is no integer.
        ValueError: if it is negative.

    Example:

    >>> non_negative_integer("num_highways", 0)
    0
    """
    return _integer(name, value, 0, "a non-negative integer")


def _integer(name, value, least, expected):
    is_integer = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not is_integer or value < least:
        raise (ValueError if is_integer else TypeError)(
            f"`{name}` must be {expected}. Received: {name}={value!r}."
        )
    return int(value)


def positive_integers(name, values):
    """Return a sequence of positive integers as those of Python.

    Args:
        name: string, name of the argument.
        values: list or tuple of integers of Python or NumPy.

    Returns:
        Tuple of ints.

    Raises:
        TypeError: if it is no sequence, or an element is no integer.
        ValueError: if an element is not positive.

    Example:

    >>> positive_integers("filters", [3, 7])
    (3, 7)
    >>> positive_integers("filters", [3, 0])
    Traceback (most recent call last):
    ValueError: `filters[1]` must be a positive integer. Received: filters[1]=0.
    """
    if isinstance(values, str) or not isinstance(values, collections.abc.Iterable):
        raise TypeError(
            f"`{name}` must be a list or tuple of positive integers. Received: "
            f"{name}={values!r}."
        )
    return tuple(
        positive_integer(f"{name}[{index}]", value)
        for index, value in enumerate(values)
    )


def check_positive_integers(or_none=False, **values):
    """Raise unless all arguments are positive integers.

    Args:
        or_none: bool, whether they may be `None`.
        **values: the values to check, by name of the argument.

    Raises:
        TypeError: if one is no integer.
        ValueError: if one is not positive.

    Example:

    >>> check_positive_integers(window=3, shift=2)
    """
    for name, value in values.items():
        positive_integer(name, value, or_none)


def plain_integer(value):
    """Return a seed as an integer of Python, as Keras and JSON want it.

    Args:
        value: an integer, of NumPy for instance, or any other seed, which stays as it
            is.

    Returns:
        Int, or `value`.

    Example:

    >>> import numpy as np
    >>> plain_integer(np.int64(3))
    3
    """
    return int(value) if isinstance(value, numbers.Integral) else value


def check_dropout(dropout):
    """Raise unless `dropout` is a rate.

    Args:
        dropout: the value to check.

    Returns:
        `dropout`.

    Raises:
        ValueError: if it is outside of [0, 1).
        TypeError: if it is no number.

    Example:

    >>> check_dropout(0.3)
    0.3
    """
    is_number = isinstance(dropout, numbers.Real)
    if not is_number or not 0 <= dropout < 1:
        raise (ValueError if is_number else TypeError)(
            f"`dropout` must be in [0, 1). Received: dropout={dropout!r}."
        )
    return dropout


def check_scale(name, scale, or_none=False):
    """Raise unless a scale is a positive number.

    Args:
        name: string, name of the argument.
        scale: the value to check.
        or_none: bool, whether it may be `None`.

    Returns:
        `scale`, as a float of Python, or `None`.

    Raises:
        ValueError: if it is not positive, or not finite.
        TypeError: if it is no number.

    Example:

    >>> check_scale("logit_scale", 20)
    20.0
    """
    if scale is None and or_none:
        return None
    expected = f"a positive number{' or None' if or_none else ''}"
    return _number(name, scale, lambda number: number > 0, expected)


def non_negative_number(name, value):
    """Return a number that may be zero, as a float of Python.

    Args:
        name: string, name of the argument.
        value: the value to check.

    Returns:
        Float.

    Raises:
        ValueError: if it is negative, or not finite.
        TypeError: if it is no number.

    Example:

    >>> non_negative_number("l2", 0)
    0.0
    """
    return _number(name, value, lambda number: number >= 0, "a number, 0 or more")


def _number(name, value, is_in_range, expected):
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or not is_in_range(value):
        raise (ValueError if is_number else TypeError)(
            f"`{name}` must be {expected}. Received: {name}={value!r}."
        )
    return float(value)


def check_rank(name, shape, *layouts, advice=""):
    """Raise unless a shape has one of the known layouts.

    Args:
        name: string, name of the argument.
        shape: tuple of ints or `None`, or a tensor.
        *layouts: strings, the axes of each layout: `"batch, length, dim"`. An axis
            `...` stands for any number of axes.
        advice: string, what to do.

    Returns:
        `shape`, as a tuple.

    Raises:
        ValueError: if the number of axes is that of no layout, or not known.

    Example:

    >>> check_rank("features", (2, 7, 11), "batch, length, dim")
    (2, 7, 11)
    >>> check_rank("features", (2, 7), "batch, length, dim")
    Traceback (most recent call last):
    ValueError: `features` must have shape (batch, length, dim). Received a shape of
    rank 2: (2, 7).
    """
    expected = " or ".join(f"({layout})" for layout in layouts)
    shape = _known_rank(name, shape, expected)

    def fits(layout):
        axes = layout.split(", ")
        return len(shape) >= len(axes) - 1 if "..." in axes else len(shape) == len(axes)

    if not any(map(fits, layouts)):
        raise ValueError(
            f"`{name}` must have shape {expected}. Received a shape of rank "
            f"{len(shape)}: {shape}. {advice}".rstrip()
        )
    return shape


def _known_rank(name, shape, expected):
    """Return the shape of a shape or tensor as a tuple."""
    shape = getattr(shape, "shape", shape)
    if getattr(shape, "rank", 0) is None:  # as of a `tf.TensorSpec(None)`
        raise ValueError(
            f"`{name}` needs a known rank: its shape must be {expected}. Received a "
            "shape of unknown rank. Give it one, as `tf.ensure_shape` does; sizes may "
            "stay None."
        )
    return tuple(shape)


def check_shape(name, shape, other, expected):
    """Raise unless a shape fits that of another argument, as far as both are known.

    Args:
        name: string, name of the argument.
        shape: tuple of ints or `None`, or a tensor.
        other: string, name of the other argument.
        expected: tuple of ints or `None`, the sizes that follow from the other.

    Raises:
        ValueError: if the rank or a size differs, or the rank is not known.

    Example:

    >>> check_shape("keys", (2, 7, 5), "queries", (2, None, 5))
    >>> check_shape("keys", (2, 7, 3), "queries", (2, None, 5))
    Traceback (most recent call last):
    ValueError: `keys` must have shape (2, None, 5) to fit `queries`. Received a shape:
    (2, 7, 3).
    """
    expected = tuple(expected)
    shape = _known_rank(name, shape, expected)
    pairs = zip(shape, expected, strict=False)
    if len(shape) != len(expected) or any(
        None not in pair and pair[0] != pair[1] for pair in pairs
    ):
        raise ValueError(
            f"`{name}` must have shape {expected} to fit `{other}`. Received a shape: "
            f"{shape}."
        )


def check_units(name, sizes, other, other_sizes, advice="Cut both to one length."):
    """Raise where two call arguments are over different units, as far as is known.

    Args:
        name: string, name of the one.
        sizes: ints or `None`, its axes that run over units.
        other: string, name of the other.
        other_sizes: ints or `None`, as many.
        advice: string, what to do.

    Raises:
        ValueError: if a size differs.

    Example:

    >>> check_units("messages", (6,), "features", (7,))
    Traceback (most recent call last):
    ValueError: `messages` must be over the units of `features`. Received: 6 and 7
    units. Cut both to one length.
    >>> check_units("messages", (6,), "features", (None,))
    """
    pairs = zip(sizes, other_sizes, strict=True)
    if any(None not in pair and pair[0] != pair[1] for pair in pairs):
        received = [" x ".join(map(str, both)) for both in (sizes, other_sizes)]
        raise ValueError(
            f"`{name}` must be over the units of `{other}`. Received: {received[0]} "
            f"and {received[1]} units. {advice}"
        )


def check_unit_classes(unit_classes, vocabulary_size):
    """Return the classes of the units of a vocabulary as a list.

    Args:
        unit_classes: int array `(vocabulary_size,)`, or `None`.
        vocabulary_size: int.

    Returns:
        List of ints, or `None`.

    Raises:
        ValueError: if there is not a class for every unit, or one is negative.
        TypeError: if the classes are no integers.

    Example:

    >>> check_unit_classes(np.array([0, 0, 1, 2]), 4)
    [0, 0, 1, 2]
    """
    if unit_classes is None:
        return None
    classes = np.asarray(unit_classes)
    if not np.issubdtype(classes.dtype, np.integer):
        raise TypeError(
            f"`unit_classes` must be integers. Received: dtype {classes.dtype}."
        )
    if classes.shape != (vocabulary_size,) or classes.min() < 0:
        raise ValueError(
            "`unit_classes` must hold a class, 0 or more, for each of the "
            f"{vocabulary_size} units of the vocabulary. Received: an array of shape "
            f"{classes.shape}, the lowest of it {classes.min(initial=0)}. Make them by "
            "`glomo_keras.data.unit_classes`."
        )
    return classes.tolist()
