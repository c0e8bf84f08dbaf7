"""What the states of a language model do to the vectors of a sentence's words.

    python recipes/warmed_states.py --corpus files:wikipedia.txt.gz

Published programs carry the states of ELMo from one batch to the next, so that
a sentence has other vectors at each call; here it starts from states of zeros,
or from those that it is given. Every sentence is read from zeros, from the
states behind some sentences (`warmed_states`), and from those behind others.
Printed is the cosine of its words' vectors, by the place of the word and by
layer.
"""

import argparse

import experiment.process
import numpy as np
from experiment.markdown import table_header
from experiment.markdown import table_line
from experiment.process import UsageError
from experiment.process import positive_int
from experiment.process import usage_errors
from experiment.run_clock import RunClock

from glomo_keras.data import character_ids
from glomo_keras.data import read_documents
from glomo_keras.data import split_units
from glomo_keras.models import BidirectionalLanguageModel

MIN_UNITS, MAX_UNITS = 5, 40
PLACES = {"1": (0, 1), "2": (1, 2), "3-5": (2, 5), "6-10": (5, 10), "11-40": (10, 40)}
_BATCH_SIZE = 16


def read_sentences(documents, count):
    """Return the first sentences of documents, as lists of units."""
    sentences = []
    for document in documents:
        units = [unit.decode() for unit in split_units([document]).units[0].numpy()]
        start = 0
        for place, unit in enumerate(units):
            if unit in (".", "!", "?"):
                if MIN_UNITS <= place + 1 - start <= MAX_UNITS:
                    sentences.append(units[start : place + 1])
                start = place + 1
        if len(sentences) >= count:
            return sentences[:count]
    raise UsageError(
        f"The corpus has {len(sentences)} sentences of {MIN_UNITS} to {MAX_UNITS} "
        f"units, and {count} are needed. Give a larger one, or lower --warm and "
        "--count."
    )


def word_cosines(one, other):
    """Return the cosines of vectors of the words of a sentence.

    Args:
        one: float array `(layers, length, dim)`, the vectors of both directions,
            joined.
        other: the same, of other states.

    Returns:
        Float array `(2, layers, length)`, forward and backward.
    """
    first, second = (np.stack(np.split(array, 2, axis=-1)) for array in (one, other))
    norms = np.linalg.norm(first, axis=-1) * np.linalg.norm(second, axis=-1)
    return (first * second).sum(axis=-1) / norms


def means_by_place(cosines):
    """Return mean cosines, by the place of the word from the left.

    Args:
        cosines: list of float arrays, of every sentence as from `word_cosines`.

    Returns:
        Float array `(places, layers, 2)`, forward and backward; NaN at places that no
        sentence has.
    """
    means = []
    for start, end in PLACES.values():
        joined = np.concatenate([c[..., start:end] for c in cosines], axis=-1)
        missing = np.full(joined.shape[:2], np.nan)
        means.append(joined.mean(axis=-1) if joined.size else missing)
    return np.stack(means).swapaxes(1, 2)


def compare_states(model, ids, lengths, first, second):
    """Read sentences from zeros and from two other states; return cosines of words.

    Args:
        model: `BidirectionalLanguageModel`.
        ids: int array `(sentences, length, max_characters)`.
        lengths: list of ints, the units of every sentence.
        first: states, see `warmed_states`.
        second: states, too.

    Returns:
        Two lists of the `word_cosines` of every sentence: of zeros and the first
        states, and of the first and the second states.
    """
    of_zeros, of_warmed = [], []
    steps = RunClock(1).steps(3 * -(-len(ids) // _BATCH_SIZE))
    for start in range(0, len(ids), _BATCH_SIZE):
        part = slice(start, start + _BATCH_SIZE)
        vectors = []
        for states in (None, first, second):
            vectors.append(np.asarray(model(ids[part], initial_states=states)))
            steps.advance()
        for *by_states, length in zip(*vectors, lengths[part], strict=True):
            zeros, one, other = (layers[:, :length] for layers in by_states)
            of_zeros.append(word_cosines(zeros, one))
            of_warmed.append(word_cosines(one, other))
    return of_zeros, of_warmed


@experiment.process.one_line_errors()
def main(arguments=None):
    """Read, compute, print."""
    experiment.process.prepare_process()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--preset", default="glomo_elmo_small_en", help="name or folder of a language "
        "model (default: glomo_elmo_small_en)")  # fmt: skip
    add("--corpus", default="docs", help="docs, files:PATH..., tfds:NAME (default: "
        "docs)")  # fmt: skip
    add("--warm", type=positive_int, default=20, help="sentences that warm the states "
        "(default: 20)")  # fmt: skip
    add("--count", type=positive_int, default=200, help="sentences that are compared "
        "(default: 200)")  # fmt: skip
    options = parser.parse_args(arguments)
    warm, count = options.warm, options.count
    with usage_errors():
        model = BidirectionalLanguageModel.from_preset(options.preset, trainable=False)
        documents = read_documents(options.corpus)
        sentences = read_sentences(documents, 2 * warm + count)
    words = [units + [""] * (MAX_UNITS - len(units)) for units in sentences]
    ids = np.asarray(character_ids(words, model.max_characters))
    print(
        f"{count} sentences of {options.corpus}; states of {warm} others.", flush=True
    )

    first, second = (
        model.warmed_states(ids[start : start + warm]) for start in (0, warm)
    )
    lengths = [len(sentence) for sentence in sentences[2 * warm :]]
    of_zeros, of_warmed = compare_states(model, ids[2 * warm :], lengths, first, second)
    for title, cosines in (
        ("zeros and warmed states", of_zeros),
        ("states of two warm-ups", of_warmed),
    ):
        means = means_by_place(cosines)
        columns = ["word", *(f"layer {number}" for number in range(means.shape[1]))]
        print(f"\ncosine, {title}")
        print(*table_header(columns), sep="\n")
        for place, of_layers in zip(PLACES, means, strict=True):
            cells = (" / ".join(f"{value:.3f}" for value in pair) for pair in of_layers)
            print(table_line([place, *cells]))
    print(
        "\nBefore the stroke the forward half of a vector, behind it the backward one."
    )


if __name__ == "__main__":
    main()
