"""Classes of units from the units beside them."""

import numpy as np
import pytest

from glomo_keras.data import prepare_corpus
from glomo_keras.data import prepared_classes
from glomo_keras.data import unit_classes

# A grammar: a determiner, an adjective or none, a noun, a verb. Ids fall in frequency.
DETERMINERS, VERBS = [2, 3], [4, 5, 6]
NOUNS, ADJECTIVES = list(range(7, 27)), list(range(27, 47))
SIZE = 47


def text_of(random, sentences=3_000):
    ids = []
    for _ in range(sentences):
        ids.append(random.choice(DETERMINERS))
        if random.random() < 0.5:
            ids.append(random.choice(ADJECTIVES))
        ids += [random.choice(NOUNS), random.choice(VERBS)]
    return np.array(ids, np.uint16)


def test_what_stands_in_the_same_places_has_one_class(random):
    classes = unit_classes(text_of(random), SIZE, num_classes=8, num_alone=5)
    assert classes.dtype == np.int32
    assert classes[:7].tolist() == [0, 0, 1, 2, 3, 4, 5]
    assert len(set(classes[NOUNS])) == len(set(classes[ADJECTIVES])) == 1
    assert classes[NOUNS[0]] != classes[ADJECTIVES[0]]
    assert {classes[NOUNS[0]], classes[ADJECTIVES[0]]} == {6, 7}


def test_a_seed_decides(random):
    ids = text_of(random)
    one, same, other = (
        unit_classes(ids, SIZE, num_classes=20, seed=seed) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


@pytest.mark.parametrize("chunk", [1, 7, 4_000])
def test_chunks_do_not_matter(random, monkeypatch, chunk):
    ids = text_of(random, 300)
    expected = unit_classes(ids, SIZE, num_classes=20)
    monkeypatch.setattr("glomo_keras.data.classes._CHUNK_UNITS", chunk)
    np.testing.assert_array_equal(unit_classes(ids, SIZE, num_classes=20), expected)


def test_small_vocabularies_have_a_class_a_unit():
    classes = unit_classes(np.array([2, 3, 4, 2]), 5, num_classes=500)
    assert classes.tolist() == [0, 0, 1, 2, 3]


def test_units_that_never_occur_have_a_class():
    classes = unit_classes(np.array([2, 3, 2, 4, 5] * 9), 30, num_classes=6)
    assert classes.shape == (30,)
    assert 0 < classes[2:].min() and classes.max() < 6


def test_wrong_arguments():
    with pytest.raises(ValueError, match="`ids` must be from 0 to 6.*Received: 2 to 7"):
        unit_classes(np.array([2, 7]), 7, num_classes=4)
    with pytest.raises(ValueError, match="num_classes=4, num_alone=3"):
        unit_classes(np.array([2, 3]), 7, num_classes=4, num_alone=3)
    with pytest.raises(TypeError, match="`num_neighbours`"):
        unit_classes(np.array([2, 3]), 7, num_neighbours=1.5)


def test_a_new_preparation_makes_new_classes(tmp_path):
    text = tmp_path / "text.txt"
    for first in ("red", "blue"):
        text.write_text(f"{first} house, {first} tree.\n\nthe {first} sea.")
        prepare_corpus(f"files:{text}", tmp_path, log=str)
        lines = []
        classes = prepared_classes(tmp_path, 5, log=lines.append)
        assert len(lines) == 1
        np.testing.assert_array_equal(
            prepared_classes(tmp_path, 5, log=lines.append), classes
        )
        assert len(lines) == 1
