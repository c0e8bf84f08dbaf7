"""Sequences whose relations are known, so that learned graphs can be checked."""

from typing import NamedTuple

import numpy as np

from glomo_keras.checks import check_positive_integers

LENGTH = 64
PADDING_ID = 0
UNKNOWN_ID = 1
RECALL_MARK_ID = 2
FIRST_KEY_ID = 3
NUM_KINDS = 3
KEYS_PER_KIND = 8
NUM_KEYS = NUM_KINDS * KEYS_PER_KIND
KINDS_PER_SEQUENCE = 2
DEFINITIONS_PER_KIND = 7
MIN_VALUES = 32
NUM_FILLERS = 16
MIN_LINK_LENGTH = 12
MAX_LINK_LENGTH = 50
MIN_OPEN_DEFINITIONS = 4

# Of the places where one could stand. They leave a fifth to a quarter of filler.
_RECALL_RATE = 0.7
_DEFINITION_RATE = 0.55


class PlantedSequences(NamedTuple):
    """Sequences and their links.

    Attributes:
        unit_ids: int32 array `(num_sequences, 64)`.
        links: int32 array `(num_links, 4)` with the columns sequence, receiver,
            sender, kind, ordered by sequence, then receiver.
    """

    unit_ids: np.ndarray
    links: np.ndarray


class Chance(NamedTuple):
    """How often a guess finds the sender of a link, on average over the links.

    Attributes:
        visible_senders: float, a guess among all units before the receiver.
        open_definitions: float, a guess among the definitions of the same kind that
            were not recalled yet.
    """

    visible_senders: float
    open_definitions: float


def planted_sequences(num_sequences, seed, num_values=MIN_VALUES):
    """Generate sequences of definitions and recalls among filler.

    A definition is a key, then its value. A recall is the recall mark, the key
    again, then the value again:

        ... f05 a3 v17 f11 b0 v02 ... ? a3 v17 f01 ...
                   ^ sender              ^ receiver, which predicts v17

    A link joins the receiver, the key of the recall and so the last unit before the
    value that is to be predicted, with the sender, the unit that carries this value
    in the definition. So the sender is found by the unit before it.

    - Links are 12 to 50 units long. At a recall at least 4 definitions of its kind
      lie within these distances and are not recalled yet; each of them is recalled
      with the same probability, so that neither distance nor order tells which.
    - A sequence defines a key once and recalls it once at most. Many are never
      recalled. Values are drawn independently: what is in a sequence says nothing
      about the value of the next definition.
    - A sequence speaks of 2 of the 3 kinds, which are equally frequent, and has at
      least one recall, six on average. All kinds share the values.

    Keys and values are separate ids: 0 padding (never occurs), 1 unknown (never
    occurs), 2 recall mark, 3 to 26 keys (8 of kind 0, 8 of kind 1, 8 of kind 2), 27
    to `26 + num_values` values, then 16 fillers. `planted_vocabulary` names them.

    Args:
        num_sequences: int, how many sequences.
        seed: int, the same one gives the same sequences.
        num_values: int, how many different values, 32 or more.

    Returns:
        A `PlantedSequences`.

    Raises:
        ValueError: if `num_sequences` is below 1 or `num_values` below 32.
        TypeError: if one is no integer.

    Example:

    >>> sequences = planted_sequences(3, seed=5)
    >>> sequences.unit_ids.shape
    (3, 64)
    >>> sequence, receiver, sender, kind = sequences.links[0]
    >>> units = sequences.unit_ids[sequence]
    >>> bool(units[receiver] == units[sender - 1])  # the key
    True
    >>> bool(units[receiver + 1] == units[sender])  # its value
    True
    """
    check_positive_integers(num_sequences=num_sequences, num_values=num_values)
    if num_values < MIN_VALUES:
        raise ValueError(
            f"`num_values` must be at least {MIN_VALUES}, so that values are hard to "
            f"guess. Received: num_values={num_values}."
        )
    generator = np.random.default_rng(seed)
    unit_ids, links = _write(generator, num_sequences, num_values)
    # A few in a thousand end without a recall: those are written again.
    while without_recall := np.setdiff1d(
        np.arange(num_sequences), links[:, 0]
    ).tolist():
        unit_ids[without_recall], more = _write(
            generator, len(without_recall), num_values
        )
        more[:, 0] = np.asarray(without_recall)[more[:, 0]]
        links = np.concatenate([links, more])
    return PlantedSequences(unit_ids, links[np.lexsort((links[:, 1], links[:, 0]))])


def planted_vocabulary(num_values=MIN_VALUES):
    """Name the units of planted sequences.

    Args:
        num_values: int, as for `planted_sequences`.

    Returns:
        Tuple of strings, by id: `[PAD]`, `[UNK]`, the recall mark `?`, the keys
        `a0` to `c7` (a letter for each kind), the values `v00`, ..., the fillers
        `f00`, ...

    Example:

    >>> vocabulary = planted_vocabulary()
    >>> vocabulary[2:5], vocabulary[27], len(vocabulary)
    (('?', 'a0', 'a1'), 'v00', 75)
    """
    keys = [f"{kind}{key}" for kind in "abc" for key in range(KEYS_PER_KIND)]
    values = [f"v{value:02d}" for value in range(num_values)]
    fillers = [f"f{filler:02d}" for filler in range(NUM_FILLERS)]
    return ("[PAD]", "[UNK]", "?", *keys, *values, *fillers)


def latest_of_its_kind(sequences):
    """Return the accuracy of the rule "the latest definition of the key's kind".

    Args:
        sequences: a `PlantedSequences`.

    Returns:
        Float, the share of the links whose sender the rule names.

    Example:

    >>> latest_of_its_kind(planted_sequences(100, seed=5)) < 0.4
    True
    """
    sequence, receiver, sender, kind = sequences.links.T
    defined = _definition_kinds(sequences.unit_ids)[sequence] == kind[:, None]
    position = np.arange(LENGTH)
    latest = np.where(defined & (position < receiver[:, None]), position, -1).max(-1)
    return float(np.mean(latest + 1 == sender))


def chance(sequences):
    """Return the accuracy of guesses, among all senders and among open definitions.

    Args:
        sequences: a `PlantedSequences`.

    Returns:
        A `Chance`.

    Example:

    >>> guess = chance(planted_sequences(100, seed=5))
    >>> guess.visible_senders < 0.03 < guess.open_definitions <= 0.25
    True
    """
    sequence, receiver, _, kind = sequences.links.T
    defined = _definition_kinds(sequences.unit_ids)[sequence] == kind[:, None]
    before = np.arange(LENGTH) < receiver[:, None]
    recalled = np.zeros((len(sequences.unit_ids), NUM_KINDS, LENGTH), bool)
    recalled[sequence, kind, receiver] = True
    num_open = (before & defined).sum(-1) - (before & recalled[sequence, kind]).sum(-1)
    return Chance(float(np.mean(1 / receiver)), float(np.mean(1 / num_open)))


def _definition_kinds(unit_ids):
    """Return the kind of the key at the places where one is defined, elsewhere -1."""
    kinds = (unit_ids - FIRST_KEY_ID) // KEYS_PER_KIND
    recalled = np.zeros(unit_ids.shape, bool)
    recalled[:, 1:] = unit_ids[:, :-1] == RECALL_MARK_ID
    is_key = (unit_ids >= FIRST_KEY_ID) & (kinds < NUM_KINDS)
    return np.where(is_key & ~recalled, kinds, -1)


def _write(generator, num_sequences, num_values):
    """Write all sequences at once, from left to right: `(unit_ids, links)`."""
    first_value = FIRST_KEY_ID + NUM_KEYS
    unit_ids = generator.integers(NUM_FILLERS, size=(num_sequences, LENGTH))
    unit_ids = (unit_ids + first_value + num_values).astype("int32")
    # keys[n, kind, d], values[n, kind, d]: what the d-th definition of a kind says.
    slots = (num_sequences, NUM_KINDS, KEYS_PER_KIND)
    keys = np.broadcast_to(np.arange(NUM_KEYS).reshape(slots[1:]), slots)
    keys = generator.permuted(keys, axis=2) + FIRST_KEY_ID
    values = generator.integers(num_values, size=slots) + first_value
    # A sequence speaks of some of the kinds, so that recalls are not rare.
    kinds = generator.permuted(np.broadcast_to(np.arange(NUM_KINDS), slots[:2]), axis=1)
    spoken_of = kinds < KINDS_PER_SEQUENCE
    # Position of the value of every definition that is open.
    senders = np.full(slots, -LENGTH)
    num_defined = np.zeros(slots[:2], int)
    free_from = np.zeros(num_sequences, int)
    links = []
    for position in range(LENGTH - 1):
        dice = generator.random((2, num_sequences))
        free = free_from <= position
        if position + 2 < LENGTH:
            receiver = position + 1
            distances = receiver - senders
            reach = (distances >= MIN_LINK_LENGTH) & (distances <= MAX_LINK_LENGTH)
            possible = reach.sum(-1) >= MIN_OPEN_DEFINITIONS  # (num_sequences, kinds)
            recall = free & possible.any(-1) & (dice[0] < _RECALL_RATE)
            rows = np.flatnonzero(recall)
            kind = _choose(generator, possible[rows])
            definition = _choose(generator, reach[rows, kind])
            sender = senders[rows, kind, definition]
            links.append(
                np.stack([rows, np.full(len(rows), receiver), sender, kind], axis=-1)
            )
            unit_ids[rows, position] = RECALL_MARK_ID
            unit_ids[rows, receiver] = keys[rows, kind, definition]
            unit_ids[rows, receiver + 1] = values[rows, kind, definition]
            senders[rows, kind, definition] = -LENGTH
            free_from[rows] = position + 3
            free &= ~recall
        undefined = spoken_of & (num_defined < DEFINITIONS_PER_KIND)
        define = free & undefined.any(-1) & (dice[1] < _DEFINITION_RATE)
        rows = np.flatnonzero(define)
        kind = _choose(generator, undefined[rows])
        definition = num_defined[rows, kind]
        unit_ids[rows, position] = keys[rows, kind, definition]
        unit_ids[rows, position + 1] = values[rows, kind, definition]
        senders[rows, kind, definition] = position + 1
        num_defined[rows, kind] += 1
        free_from[rows] = position + 2
    return unit_ids, np.concatenate(links).astype("int32")


def _choose(generator, allowed):
    """Index of one `True` in every row, each with the same probability."""
    return np.argmax(np.where(allowed, generator.random(allowed.shape), -1.0), axis=-1)
