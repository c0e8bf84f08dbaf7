"""Sentences of a treebank as arrays, for a model and a graph predictor."""

import dataclasses

import numpy as np

from experiment.dependencies.tree_batches import NO_LABEL
from experiment.text.text_arrays import feature_table

LENGTHS = (16, 32)  # that shorter sentences are padded to


@dataclasses.dataclass
class SentenceArrays:
    """The sentences of one split, one after the other.

    Attributes:
        offsets: int array `(num_sentences + 1,)`, where each begins in the others.
        words: int32 array `(num_words, 4)`: ids of features, ids of the predictor's
            units, places of heads (from 1), labels.
        whole_lengths: int array `(num_sentences,)`, words before sentences were cut.
        length: int, words of a sentence at most.
    """

    offsets: np.ndarray
    words: np.ndarray
    whole_lengths: np.ndarray
    length: int

    def __post_init__(self):
        self.lengths = np.diff(self.offsets)
        ends = np.array([*(n for n in LENGTHS if n < self.length), self.length])
        self.rounded_lengths = ends[np.searchsorted(ends, self.lengths)]

    def __len__(self):
        return len(self.lengths)

    def labels_of(self, example):
        """Return the labels of one sentence."""
        return self.words[self.offsets[example] : self.offsets[example + 1], 3]

    def padded(self, examples, size, length):
        """Return features, units, heads and labels, int32 arrays `(size, length)`."""
        arrays = np.zeros((4, size, length), np.int32)
        arrays[3] = NO_LABEL
        for row, example in enumerate(examples):
            rows = self.words[self.offsets[example] : self.offsets[example + 1]]
            arrays[:, row, : len(rows)] = rows.T
        return arrays


@dataclasses.dataclass
class Treebank:
    """What the task on trees is prepared to.

    Attributes:
        splits: dict by split of `SentenceArrays`.
        labels: list of str, those of train.
        vectors: float32 array `(task_vocabulary_size, dim)`, or `None`.
        task_vocabulary_size: int.
        sources: list of dicts, what identifies the data.
    """

    splits: dict
    labels: list
    vectors: np.ndarray | None
    task_vocabulary_size: int
    sources: list = dataclasses.field(default_factory=list)


def make_arrays(sentences, vocabulary, features, length, log=print):
    """Look up the words of sentences.

    Args:
        sentences: dict by split of lists of `Sentence`.
        vocabulary: path of the graph predictor's vocabulary.
        features: str, see `parse_features`.
        length: int, words of a sentence that are kept.
        log: function that takes lines of progress.

    Returns:
        `Treebank`, without sources.
    """
    from glomo_keras.data import Vocabulary

    words = {"": 0}
    for split_sentences in sentences.values():
        for sentence in split_sentences:
            for word in sentence.words:
                words.setdefault(word, len(words))
    counts = np.zeros(len(words), np.int64)
    for sentence in sentences["train"]:
        np.add.at(counts, [words[word] for word in sentence.words], 1)
    units = list(words)
    task_ids, vectors, size = feature_table(units, features, counts)
    graph_ids = Vocabulary.load(vocabulary).lookup(units).numpy()
    task_ids[0] = graph_ids[0] = 0  # padding
    labels = sorted({label for s in sentences["train"] for label in s.labels})
    label_ids = {label: number for number, label in enumerate(labels)}
    splits = {}
    for split, split_sentences in sentences.items():
        rows, offsets = [], [0]
        for sentence in split_sentences:
            numbers = np.array([words[word] for word in sentence.words])
            found = [label_ids.get(label, NO_LABEL) for label in sentence.labels]
            columns = [task_ids[numbers], graph_ids[numbers], sentence.heads, found]
            rows.append(np.stack(columns, axis=1)[:length].astype(np.int32))
            offsets.append(offsets[-1] + len(rows[-1]))
        whole_lengths = np.array([len(s.words) for s in split_sentences])
        arrays = np.concatenate(rows)
        splits[split] = SentenceArrays(np.array(offsets), arrays, whole_lengths, length)
        num_words = whole_lengths.sum()
        log(
            f"{split}: {len(rows):,} sentences, {num_words:,} words, of which "
            f"{num_words - len(arrays):,} lie beyond {length} and are lost; "
            f"{np.mean(arrays[:, 0] > 1):.1%} have word features, "
            f"{np.mean(arrays[:, 1] > 1):.1%} are known to the graph predictor"
        )
    return Treebank(splits, labels, vectors, size)
