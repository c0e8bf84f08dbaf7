"""Sentences within sequences of units, and those that follow them."""

import typing

from keras import ops

from glomo_keras.checks import check_rank
from glomo_keras.checks import positive_integer
from glomo_keras.ops.precision import raise_precision
from glomo_keras.ops.visibility import check_direction


class NextSentences(typing.NamedTuple):
    """Sentences that are followed by another one, and the units of those.

    Attributes:
        unit_ids: int tensor `(batch, num_sentences, 1 + steps)`, the unit that a next
            sentence follows, and the units of this; in the order of the sequence, so
            that backward the former is the last.
        mask: bool tensor of the same shape, `True` at such units. All `False` where
            there is no such sentence.
        members: bool tensor `(batch, num_sentences, length)`, the units of the
            sentence that is followed.
    """

    unit_ids: typing.Any
    mask: typing.Any
    members: typing.Any


def next_sentences(
    unit_ids, end_ids, num_sentences, steps, direction="forward", mask=None
):
    """Find the sentences of sequences that are followed by another one.

    A sentence is what lies between two units of `end_ids`, with the second of them. The
    edges of a sequence bound sentences too.

    Args:
        unit_ids: int tensor `(batch, length)`.
        end_ids: list of ints, units that end a sentence.
        num_sentences: int, sentences at most, the first ones of the direction.
        steps: int, units of a next sentence at most, the nearest ones.
        direction: `"forward"`, or `"backward"`: followed are sentences then by those
            before them.
        mask: bool tensor `(batch, length)`, `True` at real units, or `None`.

    Returns:
        `NextSentences`; of fewer sentences where `length` is smaller.

    Raises:
        ValueError: if the direction is unknown, a number is not positive or a shape
            does not fit.

    Example:

    >>> found = next_sentences(keras.ops.array([[5, 2, 6, 7, 2]]), [2], 2, steps=3)
    >>> keras.ops.convert_to_numpy(found.unit_ids[0, 0]).tolist()
    [2, 6, 7, 2]
    >>> keras.ops.convert_to_numpy(found.members[0, 0]).astype(int).tolist()
    [1, 1, 0, 0, 0]
    >>> keras.ops.convert_to_numpy(found.mask[0]).any(-1).tolist()
    [True, False]
    """
    is_forward = check_direction(direction) == "forward"
    num_sentences = positive_integer("num_sentences", num_sentences)
    steps = positive_integer("steps", steps)
    check_rank("unit_ids", unit_ids, "batch, length")
    unit_ids = ops.convert_to_tensor(unit_ids)
    length = ops.shape(unit_ids)[1]
    real = ops.ones_like(unit_ids, "bool") if mask is None else ops.cast(mask, "bool")
    is_end = ops.zeros_like(real)
    for end_id in end_ids:
        is_end = ops.logical_or(is_end, unit_ids == end_id)
    is_end = ops.cast(ops.logical_and(is_end, real), "int32")
    # An end belongs to the sentence that it ends.
    number = ops.cumsum(is_end, axis=1) - is_end

    # === The units after which, in the direction, a next sentence begins ===
    places = ops.arange(length, dtype="int32")
    change = ops.cast(number[:, 1:] != number[:, :-1], "int32")
    both = ops.cast(ops.logical_and(real[:, 1:], real[:, :-1]), "int32")
    pad = ((0, 0), (0, 1)) if is_forward else ((0, 0), (1, 0))
    is_last = ops.pad(change * both, pad)
    nearness = length - places if is_forward else places + 1
    order = ops.argsort(-is_last * nearness, axis=1)[:, :num_sentences]
    found = ops.take_along_axis(is_last, order, axis=1) > 0
    of_sentence = ops.take_along_axis(number, order, axis=1)

    # === Their units and those that follow ===
    offsets = ops.arange(steps + 1, dtype="int32")
    if not is_forward:
        offsets = offsets - steps
    near = ops.cast(order, "int32")[..., None] + offsets
    inside = ops.logical_and(near >= 0, near < length)
    near = ops.clip(near, 0, ops.maximum(length - 1, 0))

    def take(values):
        batch, sentences, units = ops.shape(near)
        flat = ops.reshape(near, (batch, sentences * units))
        return ops.reshape(ops.take_along_axis(values, flat, axis=1), ops.shape(near))

    next_number = of_sentence + (1 if is_forward else -1)
    belongs = ops.where(
        offsets == 0, True, take(number) == ops.expand_dims(next_number, -1)
    )
    belongs = ops.logical_and(ops.logical_and(inside, belongs), found[..., None])
    belongs = ops.logical_and(belongs, take(real))
    members = ops.logical_and(number[:, None] == of_sentence[..., None], real[:, None])
    members = ops.logical_and(members, found[..., None])
    return NextSentences(take(unit_ids), belongs, members)


def mean_features(features, members):
    """Average features over groups of units; those of no unit are zeros.

    Args:
        features: float tensor `(batch, length, dim)`.
        members: bool tensor `(batch, num_groups, length)`.

    Returns:
        Float tensor `(batch, num_groups, dim)`.

    Example:

    >>> members = keras.ops.array([[[True, False, True], [False, False, False]]])
    >>> means = mean_features(keras.ops.array([[[1.0], [2.0], [5.0]]]), members)
    >>> keras.ops.convert_to_numpy(means)[0, :, 0].tolist()
    [3.0, 0.0]
    """
    wide = raise_precision(features)
    weights = ops.cast(members, wide.dtype)
    counts = ops.maximum(ops.sum(weights, axis=-1, keepdims=True), 1)
    return ops.cast(ops.matmul(weights, wide) / counts, features.dtype)
