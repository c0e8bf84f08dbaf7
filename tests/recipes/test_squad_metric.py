"""The official rules of SQuAD, on cases worked out by hand."""

import numpy as np
import pytest
from experiment.text import squad_metric
from experiment.text.squad import best_spans


@pytest.mark.parametrize(
    "text, normalized",
    [
        ("The Cat.", "cat"),
        ("an  apple, a pear and THE fig", "apple pear and fig"),
        ("Theatre in Athens", "theatre in athens"),  # "the" and "a" inside of words
        ("U.S.", "us"),  # punctuation goes before articles are looked for
        ("a-b", "ab"),
        ("the", ""),
        ("naïve – café", "naïve – café"),  # ASCII punctuation alone
    ],
)
def test_answers_are_normalized(text, normalized):
    assert squad_metric.normalize_answer(text) == normalized


@pytest.mark.parametrize(
    "prediction, answers, exact, f1",
    [
        ("the Eiffel Tower!", ["Eiffel Tower"], 1.0, 1.0),
        ("Tower", ["Eiffel Tower"], 0.0, 2 / 3),  # precision 1, recall 1/2
        ("in the old tower", ["old tower", "a keep"], 0.0, 0.8),  # 2/3 and 1
        ("keep", ["old tower", "a keep"], 1.0, 1.0),  # the best of several
        ("red red red", ["red car"], 0.0, 0.4),  # a repeated word counts once
        ("", ["tower"], 0.0, 0.0),
        ("the", ["tower"], 0.0, 0.0),  # nothing is left
    ],
)
def test_scores_by_hand(prediction, answers, exact, f1):
    assert squad_metric.exact_match(prediction, answers) == exact
    assert squad_metric.f1(prediction, answers) == pytest.approx(f1)


def test_best_spans_equal_all_pairs():
    draw = np.random.default_rng(0)
    start, end = draw.normal(size=(2, 7, 11))
    first, last = best_spans(start, end, answer_length=3)
    for row in range(7):
        pairs = {
            (i, j): start[row, i] + end[row, j]
            for i in range(11)
            for j in range(i, min(i + 3, 11))
        }
        assert (first[row], last[row]) == max(pairs, key=pairs.get)


def test_a_span_ends_after_it_begins():
    start = np.array([[0.0, 0.0, 9.0]])
    end = np.array([[9.0, 0.0, 0.0]])
    first, last = best_spans(start, end)
    assert first[0] <= last[0]
