"""What sentences of a treebank say about pairs of words."""

import dataclasses

import numpy as np

ALL = "all"
NEGATIONS = ("not", "n't", "n’t", "nt", "never")
NEGATION = "negation"
SAME_NAME = "the same name"
PUNCTUATION = "punct"


@dataclasses.dataclass
class Arcs:
    """Pairs of words of sentences, arrays with an entry a pair.

    Attributes:
        sentences: int array, numbers of the sentences.
        earlier: int array, places of the earlier words, from 0.
        later: int array, places of the later words.
        labels: array of str, the relation.
    """

    sentences: np.ndarray
    earlier: np.ndarray
    later: np.ndarray
    labels: np.ndarray

    def __len__(self):
        return len(self.labels)

    def take(self, chosen):
        """Return some of the pairs, by a bool or int array."""
        return Arcs(*(getattr(self, f.name)[chosen] for f in dataclasses.fields(self)))


def tree_arcs(sentences):
    """Return the arcs of trees: each word with its head, but for roots.

    Labels are those of Universal Dependencies without subtypes; an `advmod` that is a
    word such as "not" is labelled as `negation`.

    Args:
        sentences: list of `Sentence`.
    """
    rows = []
    for number, sentence in enumerate(sentences):
        for place, head in enumerate(sentence.heads.tolist()):
            if head:
                label = sentence.labels[place].split(":")[0]
                if label == "advmod" and sentence.words[place].lower() in NEGATIONS:
                    label = NEGATION
                rows.append((number, *sorted((place, head - 1)), label))
    return _make(rows)


def name_pairs(sentences):
    """Return the pairs of a word that is written large and the same word before it.

    Those are names, mostly: the first word of a sentence, single letters and words in
    capitals throughout are left out. Of several before it the last one counts.

    Args:
        sentences: list of `Sentence`.
    """
    rows = []
    for number, sentence in enumerate(sentences):
        places = {}
        for place, word in enumerate(sentence.words):
            is_name = word[:1].isupper() and word[1:].islower() and word.isalpha()
            if not is_name or place == 0:
                continue
            if word in places:
                rows.append((number, places[word], place, SAME_NAME))
            places[word] = place
    return _make(rows)


def _make(rows):
    columns = [[row[i] for row in rows] for i in range(4)]
    return Arcs(*(np.array(c, int) for c in columns[:3]), np.array(columns[3], str))
