"""Planted sequences: every property that makes their links a fair test."""

import time

import numpy as np
import pytest

from glomo_keras.data import planted

NUM_SEQUENCES = 2000


@pytest.fixture(scope="module")
def sequences():
    return planted.planted_sequences(NUM_SEQUENCES, seed=7)


@pytest.fixture(scope="module")
def stories(sequences):
    """What each sequence says, read off its units alone, one unit after the other."""
    return [_read(units) for units in sequences.unit_ids.tolist()]


def _read(units):
    """`(definitions, recalls)`: key -> place of its value; (place of key, key)."""
    definitions, recalls, place = {}, [], 0
    while place < len(units):
        unit = units[place]
        if unit == 2:
            assert 3 <= units[place + 1] <= 26, "a recall mark without a key"
            recalls.append((place + 1, units[place + 1]))
            place += 3
        elif 3 <= unit <= 26:
            assert unit not in definitions, "a key defined twice"
            definitions[unit] = place + 1
            place += 2
        else:
            assert unit >= 27 + 32, "a value outside of definitions and recalls"
            place += 1
    return definitions, recalls


def _links_of(sequences, sequence):
    return sequences.links[sequences.links[:, 0] == sequence]


def _reach(story, receiver):
    """Open definitions of the recalled key's kind in reach, from left to right."""
    definitions, recalls = story
    closed = {key for place, key in recalls if place < receiver}
    kind = (dict(recalls)[receiver] - 3) // 8
    places = [
        place
        for key, place in definitions.items()
        if (key - 3) // 8 == kind and key not in closed and 12 <= receiver - place <= 50
    ]
    return sorted(places)


def test_shapes_dtypes_and_ids(sequences):
    assert sequences.unit_ids.shape == (NUM_SEQUENCES, 64)
    assert sequences.unit_ids.dtype == sequences.links.dtype == np.int32
    assert sequences.links.shape[1] == 4
    vocabulary = planted.planted_vocabulary()
    # All units occur but padding and unknown.
    assert np.unique(sequences.unit_ids).tolist() == list(range(2, len(vocabulary)))


def test_links_are_ordered_and_complete(sequences, stories):
    order = sequences.links[:, :2].tolist()
    assert order == sorted(order)
    for sequence in range(NUM_SEQUENCES):
        receivers = [place for place, _ in stories[sequence][1]]
        assert _links_of(sequences, sequence)[:, 1].tolist() == receivers


def test_a_link_joins_the_recalled_key_with_the_value_that_follows_it(
    sequences, stories
):
    for sequence, receiver, sender, kind in sequences.links.tolist():
        units = sequences.unit_ids[sequence]
        key = units[receiver]
        assert units[receiver - 1] == 2
        assert units[sender - 1] == key
        assert stories[sequence][0][key] == sender
        assert units[receiver + 1] == units[sender]
        assert kind == (key - 3) // 8


def test_a_key_is_recalled_once_at_most(stories):
    for _, recalls in stories:
        keys = [key for _, key in recalls]
        assert len(keys) == len(set(keys))


def test_link_lengths_fill_12_to_50(sequences):
    lengths = sequences.links[:, 1] - sequences.links[:, 2]
    assert np.unique(lengths).tolist() == list(range(12, 51))


def test_at_least_four_definitions_of_the_kind_are_open_and_in_reach(
    sequences, stories
):
    for sequence, receiver, sender, _ in sequences.links.tolist():
        places = _reach(stories[sequence], receiver)
        assert len(places) >= 4
        assert sender in places


def test_recalled_definition_is_uniform_among_those_in_reach(sequences, stories):
    ranks = {}
    for sequence, receiver, sender, _ in sequences.links.tolist():
        places = _reach(stories[sequence], receiver)
        ranks.setdefault(len(places), []).append(places.index(sender))
    for num_places, observed in ranks.items():
        counts = np.bincount(observed, minlength=num_places)
        expected = len(observed) / num_places
        if expected < 30:  # rare numbers of open definitions say nothing
            continue
        statistic = np.sum((counts - expected) ** 2 / expected)
        # Far beyond what chance allows for up to 7 degrees of freedom (p < 1e-5).
        assert statistic < 36, (num_places, counts)


def test_several_recalls_a_sequence_and_never_none(sequences):
    counts = np.bincount(sequences.links[:, 0], minlength=NUM_SEQUENCES)
    assert counts.min() >= 1
    assert 5 < counts.mean() < 8


def test_kinds_are_equally_frequent(sequences):
    shares = np.bincount(sequences.links[:, 3]) / len(sequences.links)
    assert len(shares) == 3
    np.testing.assert_allclose(shares, 1 / 3, atol=0.02)


def test_values_are_equally_frequent_and_shared_by_kinds(sequences):
    sequence, _, sender, kind = sequences.links.T
    values = sequences.unit_ids[sequence, sender] - 27
    for one_kind in range(3):
        shares = np.bincount(values[kind == one_kind], minlength=32)
        assert len(shares) == 32
        np.testing.assert_allclose(shares / shares.sum(), 1 / 32, atol=0.015)


def test_no_rule_of_position_finds_the_sender(sequences):
    _, receiver, sender, _ = sequences.links.T
    for guess in (receiver - sender, sender):  # a distance, or a place
        assert np.bincount(guess).max() / len(guess) < 0.1
    # The best sender for each receiver's place, chosen on the answers themselves.
    table = np.zeros((64, 64))
    np.add.at(table, (receiver, sender), 1)
    assert table.max(axis=1).sum() / len(receiver) < 0.12


def test_first_last_and_any_rank_of_the_kind_are_right_for_few(sequences, stories):
    hits = {}
    for sequence, receiver, sender, kind in sequences.links.tolist():
        definitions, _ = stories[sequence]
        places = sorted(
            place
            for key, place in definitions.items()
            if (key - 3) // 8 == kind and place < receiver
        )
        for rank in (0, 1, 2, -1, -2, -3, -4):
            hits.setdefault(rank, []).append(places[rank] == sender)
    rates = {rank: np.mean(is_right) for rank, is_right in hits.items()}
    assert max(rates.values()) < 0.4
    assert planted.latest_of_its_kind(sequences) == pytest.approx(rates[-1])


def test_chance_counts_senders_and_open_definitions(sequences, stories):
    num_open = []
    for sequence, receiver, _, kind in sequences.links.tolist():
        definitions, recalls = stories[sequence]
        closed = {key for place, key in recalls if place < receiver}
        num_open.append(
            sum(
                (key - 3) // 8 == kind and key not in closed and place < receiver
                for key, place in definitions.items()
            )
        )
    guess = planted.chance(sequences)
    assert guess.open_definitions == pytest.approx(np.mean(1 / np.array(num_open)))
    assert guess.visible_senders == pytest.approx(np.mean(1 / sequences.links[:, 1]))
    assert guess.visible_senders < 0.03 < guess.open_definitions <= 0.25


def test_baselines_by_pencil():
    # a0 v.. at 0, a1 v.. at 3; "? a1 v.." at 20: the latest of its kind. Then "? a0".
    units = np.full((1, 64), 60, "int32")
    units[0, [0, 1, 3, 4]] = 3, 30, 4, 31
    units[0, [20, 21, 22]] = 2, 4, 31
    units[0, [30, 31, 32]] = 2, 3, 30
    links = np.array([[0, 21, 4, 0], [0, 31, 1, 0]], "int32")
    sequences = planted.PlantedSequences(units, links)
    assert planted.latest_of_its_kind(sequences) == 0.5
    guess = planted.chance(sequences)
    assert guess.open_definitions == pytest.approx((1 / 2 + 1 / 1) / 2)
    assert guess.visible_senders == pytest.approx((1 / 21 + 1 / 31) / 2)


def test_a_sequence_speaks_of_two_kinds(stories):
    for definitions, _ in stories:
        assert len({(key - 3) // 8 for key in definitions}) <= 2


def test_values_in_a_sequence_say_nothing_of_the_next_definition(stories, sequences):
    repeated, total = 0, 0
    for units, (definitions, _) in zip(sequences.unit_ids, stories, strict=True):
        values = units[sorted(definitions.values())].tolist()
        repeated += values[1] == values[0]
        total += 1
    assert abs(repeated / total - 1 / 32) < 0.02


def test_seed_decides():
    first = planted.planted_sequences(11, seed=3)
    again = planted.planted_sequences(11, seed=3)
    other = planted.planted_sequences(11, seed=5)
    np.testing.assert_array_equal(first.unit_ids, again.unit_ids)
    np.testing.assert_array_equal(first.links, again.links)
    assert np.any(first.unit_ids != other.unit_ids)


def test_number_of_values_can_grow():
    sequences = planted.planted_sequences(300, seed=3, num_values=41)
    sequence, _, sender, _ = sequences.links.T
    values = sequences.unit_ids[sequence, sender]
    assert set(values.tolist()) == set(range(27, 27 + 41))
    vocabulary = planted.planted_vocabulary(41)
    assert len(vocabulary) == 27 + 41 + 16 == sequences.unit_ids.max() + 1
    assert planted.latest_of_its_kind(sequences) < 0.4


def test_vocabulary_names_every_unit_once():
    vocabulary = planted.planted_vocabulary()
    assert len(set(vocabulary)) == len(vocabulary) == 3 + 24 + 32 + 16
    assert vocabulary[:4] == ("[PAD]", "[UNK]", "?", "a0")
    assert vocabulary[11] == "b0" and vocabulary[26] == "c7"
    assert vocabulary[27] == "v00" and vocabulary[27 + 32] == "f00"


def test_twenty_thousand_sequences_take_seconds():
    start = time.perf_counter()
    planted.planted_sequences(20_000, seed=1)
    assert time.perf_counter() - start < 10


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"num_sequences": 0}, "num_sequences=0"),
        ({"num_sequences": 2, "num_values": 31}, "num_values=31"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        planted.planted_sequences(seed=1, **arguments)
