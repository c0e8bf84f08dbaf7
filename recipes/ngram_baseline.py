r"""Perplexities of n-gram counts, to hold those of a language model against.

    python recipes/ngram_baseline.py --prepared runs/elmo/prepared \
        --num-words 16000

Reads the arrays that `pretrain_elmo.py` prepared, and predicts the words that
it validates on from the two before (forward) or after (backward), within the
same windows and in the same vocabulary: by their frequencies, and by
interpolated trigrams,

    p(w | u, v) = a3 c(u, v, w) / c(u, v) + a2 c(v, w) / c(v)
                  + a1 c(w) / N + a0 / V

with weights by expectation maximization on a part of train that is not
counted. Where a context was never seen, the weights of the others are scaled
up.
"""

import argparse

import experiment.process
import numpy as np
from experiment.process import positive_int
from experiment.process import usage_errors
from experiment.run_clock import RunClock

from glomo_keras.data.prepared import load_prepared
from glomo_keras.data.windows import fixed_windows
from glomo_keras.files import named_path
from glomo_keras.ops import DIRECTIONS


class TrigramModel:
    """Counts of words, pairs and triples, and the weights of their mixture.

    Args:
        ids: int array `(num_words_of_text,)`.
        offsets: int array, where documents begin, and the end.
        size: int, number of words; all others are the unknown one.
    """

    def __init__(self, ids, offsets, size):
        self.size = size
        ids = ids.astype(np.int64)
        document = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
        self.words = np.bincount(ids, minlength=size)
        pairs = ids[:-1] * size + ids[1:]
        pairs = pairs[document[:-1] == document[1:]]
        self.pairs = np.unique(pairs, return_counts=True)
        triples = (ids[:-2] * size + ids[1:-1]) * size + ids[2:]
        triples = triples[document[:-2] == document[2:]]
        self.triples = np.unique(triples, return_counts=True)
        self.weights = np.full(4, 0.25)

    def parts(self, contexts, words):
        """Return probabilities by each kind of count, and whether its context was seen.

        Args:
            contexts: int array `(number, 2)`, the words before, -1 outside the text.
            words: int array `(number,)`.

        Returns:
            Float and bool arrays `(number, 4)`.
        """
        first, second = contexts.astype(np.int64).T
        words = words.astype(np.int64)
        uniform = np.full(len(words), 1.0 / self.size)
        unigram = self.words[words] / self.words.sum()
        second_counts = np.where(second >= 0, self.words[second], 0)
        bigram = _count(self.pairs, second * self.size + words, second >= 0)
        both = (first >= 0) & (second >= 0)
        pair_counts = _count(self.pairs, first * self.size + second, both)
        code = (first * self.size + second) * self.size + words
        trigram = _count(self.triples, code, both)
        parts = [
            uniform,
            unigram,
            bigram / np.maximum(second_counts, 1),
            trigram / np.maximum(pair_counts, 1),
        ]
        seen = [np.ones(len(words), bool)] * 2 + [second_counts > 0, pair_counts > 0]
        return np.stack(parts, 1), np.stack(seen, 1)

    def fit_weights(self, contexts, words, rounds=30):
        """Fit the weights by expectation maximization on held-out texts."""
        parts, seen = self.parts(contexts, words)
        for _ in range(rounds):
            shares = parts * self.weights * seen
            shares /= shares.sum(axis=1, keepdims=True)
            self.weights = shares.sum(axis=0) / shares.sum()

    def nats(self, contexts, words):
        """Return -log p of every word."""
        parts, seen = self.parts(contexts, words)
        weights = self.weights * seen
        weights = weights / weights.sum(axis=1, keepdims=True)
        return -np.log((parts * weights).sum(axis=1))


def _count(table, codes, usable):
    """Return counts of codes in a table of sorted codes; 0 where not usable."""
    keys, counts = table
    places = np.minimum(np.searchsorted(keys, codes), len(keys) - 1)
    return np.where(usable & (keys[places] == codes), counts[places], 0)


def contexts_of(windows):
    """Return the two words before every word of windows, and the words, unpadded.

    Args:
        windows: int array `(number, length)`, 0 at padding, on either side.
    """
    before = np.pad(np.where(windows == 0, -1, windows), [(0, 0), (2, 0)],
                    constant_values=-1)  # fmt: skip
    contexts = np.stack([before[:, :-2], before[:, 1:-1]], axis=-1)
    real = windows != 0
    return contexts[real], windows[real]


def perplexities(corpus, num_words, window, valid_windows, min_units):
    """Return the perplexities of unigrams and trigrams by direction."""

    def replace_rare(ids):
        return np.where(ids < num_words, ids, 1)

    valid = replace_rare(
        fixed_windows(
            corpus.valid_ids,
            corpus.valid_offsets,
            valid_windows,
            window=window,
            min_units=min_units,
        )
    )
    offsets = np.asarray(corpus.train_offsets)
    num_held_out = max(1, (len(offsets) - 1) // 50)
    counted = offsets[: len(offsets) - num_held_out]
    ids = replace_rare(np.asarray(corpus.train_ids))
    held_out = fixed_windows(
        ids[counted[-1] :], offsets[-num_held_out - 1 :] - counted[-1], 2_000, window,
        min_units=min_units,
    )  # fmt: skip
    results, clock = {}, RunClock(len(DIRECTIONS))
    for direction in DIRECTIONS:
        clock.begin(f"{direction}, {len(ids):,} words")
        text, starts = ids[: counted[-1]], counted
        order = slice(None)
        if direction == "backward":
            text, starts = text[::-1], counted[-1] - counted[::-1]
            order = slice(None, None, -1)
        model = TrigramModel(text, starts, num_words)
        model.fit_weights(*contexts_of(held_out[:, order]))
        contexts, words = contexts_of(valid[:, order])
        trigrams = model.nats(contexts, words)
        model.weights = np.array([model.weights[0], 1 - model.weights[0], 0.0, 0.0])
        unigrams = model.nats(contexts, words)
        results[direction] = {
            "unigrams": float(np.exp(unigrams.mean())),
            "interpolated trigrams": float(np.exp(trigrams.mean())),
        }
        clock.end()
    return results


@experiment.process.one_line_errors()
def main(arguments=None):
    """Count, and print."""
    experiment.process.prepare_process()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--prepared", type=named_path, required=True, help="folder of the arrays")
    add(
        "--num-words",
        type=positive_int,
        default=16_000,
        help="words of the vocabulary (default: 16000)",
    )
    add(
        "--window",
        type=positive_int,
        default=48,
        help="words of a window (default: 48)",
    )
    add(
        "--valid-windows",
        type=positive_int,
        default=256,
        help="fixed windows (default: 256)",
    )
    add(
        "--min-units",
        type=positive_int,
        default=10,
        help="shorter documents are dropped (default: 10)",
    )
    options = parser.parse_args(arguments)
    with usage_errors():
        results = perplexities(
            load_prepared(options.prepared),
            options.num_words,
            options.window,
            options.valid_windows,
            options.min_units,
        )
    for direction, values in results.items():
        for name, value in values.items():
            print(f"{direction:<9} {name:<22} {value:8.1f}")


if __name__ == "__main__":
    main()
