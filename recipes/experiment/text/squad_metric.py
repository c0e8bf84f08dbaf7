"""Exact match and F1 of answers by the official rules of SQuAD v1.1."""

import collections
import re
import string

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = set(string.punctuation)


def normalize_answer(text):
    """Return a text in lower case, without punctuation, articles, surplus spaces."""
    text = "".join(c for c in text.lower() if c not in _PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", text).split())


def exact_match(prediction, answers):
    """Return 1.0 if the prediction equals one of the gold answers, else 0.0."""
    normalized = normalize_answer(prediction)
    return float(any(normalized == normalize_answer(answer) for answer in answers))


def f1(prediction, answers):
    """Return the highest F1 of shared words over the gold answers."""
    return max(_f1(prediction, answer) for answer in answers)


def _f1(prediction, answer):
    predicted = normalize_answer(prediction).split()
    gold = normalize_answer(answer).split()
    shared = sum((collections.Counter(predicted) & collections.Counter(gold)).values())
    if not shared:
        return 0.0
    precision, recall = shared / len(predicted), shared / len(gold)
    return 2 * precision * recall / (precision + recall)
