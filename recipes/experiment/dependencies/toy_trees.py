"""Small trees made from templates: no download, for trying the recipe."""

import random

import numpy as np

from experiment.dependencies.treebank import Sentence
from experiment.text.toy_tasks import COLOURS
from experiment.text.toy_tasks import PEOPLE
from experiment.text.toy_tasks import PLACES
from experiment.text.toy_tasks import THINGS

VERBS = "sees takes likes wants finds sells".split()


def sentences(num_sentences, seed):
    """Sentences in which a noun is a subject, an object or a place, by where it stands.

    Args:
        num_sentences: int.
        seed: int.

    Returns:
        List of `Sentence`, of 4 to 16 words.
    """
    draw = random.Random(seed)
    return [_sentence(draw) for _ in range(num_sentences)]


def _sentence(draw):
    subject = _noun_phrase(draw, "nsubj")
    verb = len(subject)  # its place, from 0
    rows = [*subject, (draw.choice(VERBS), None, "root")]
    rows += _shift(_noun_phrase(draw, "obj"), len(rows), verb)
    if draw.random() < 0.5:
        place = _noun_phrase(draw, "obl", PLACES, draw.choice(("in", "behind")))
        rows += _shift(place, len(rows), verb)
    rows.append((".", verb, "punct"))
    rows[:verb] = _shift(subject, 0, verb)
    words, heads, labels = zip(*rows, strict=True)
    places = [0 if head is None else head + 1 for head in heads]
    return Sentence(list(words), np.array(places, np.int32), list(labels))


def _noun_phrase(draw, label, nouns=(*PEOPLE, *THINGS), preposition=None):
    """List words, places of heads in the phrase (`None` outside of it) and labels."""
    before = [(preposition, "case")] if preposition else []
    if draw.random() < 0.7:
        before.append(("the", "det"))
    before += [(draw.choice(COLOURS), "amod")] * (draw.random() < 0.5)
    noun = len(before)
    rows = [(word, noun, relation) for word, relation in before]
    return [*rows, (draw.choice(nouns), None, label)]


def _shift(rows, start, outer_head):
    """Move a phrase to its place in the sentence."""
    return [
        (word, outer_head if head is None else head + start, label)
        for word, head, label in rows
    ]
