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
from experiment.process import UsageError
from experiment.process import positive_int

from glomo_keras.data import character_ids
from glomo_keras.data import read_documents
from glomo_keras.data import split_units
from glomo_keras.models import BidirectionalLanguageModel

MIN_UNITS, MAX_UNITS = 5, 40
PLACES = {"1": (0, 1), "2": (1, 2), "3-5": (2, 5), "6-10": (5, 10), "11-40": (10, 40)}


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


def cosines_by_place(one, other):
    """Return the mean cosine of vectors, by the place of the word from the left.

    Args:
        one: list of float arrays `(layers, length, dim)`, a sentence each; the vectors
            of both directions, joined.
        other: the same of other states.

    Returns:
        Float array `(places, layers, 2)`, forward and backward; NaN at places that no
        sentence has.
    """
    by_place = {place: [] for place in PLACES}
    for pair in zip(one, other, strict=True):
        first, second = (np.stack(np.split(array, 2, axis=-1)) for array in pair)
        norms = np.linalg.norm(first, axis=-1) * np.linalg.norm(second, axis=-1)
        cosines = (first * second).sum(axis=-1) / norms  # (2, layers, length)
        for place, (start, end) in PLACES.items():
            by_place[place].append(cosines[..., start:end])
    joined = [np.concatenate(cosines, axis=-1) for cosines in by_place.values()]
    missing = np.full(joined[0].shape[:2], np.nan)
    means = [c.mean(axis=-1) if c.size else missing for c in joined]
    return np.stack(means).swapaxes(1, 2)


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
    sentences = read_sentences(read_documents(options.corpus), 2 * warm + count)
    model = BidirectionalLanguageModel.from_preset(options.preset, trainable=False)
    words = [units + [""] * (MAX_UNITS - len(units)) for units in sentences]
    ids = np.asarray(character_ids(words, model.max_characters))
    print(
        f"{count} sentences of {options.corpus}; states of {warm} others.", flush=True
    )

    compared, lengths = ids[2 * warm :], [len(s) for s in sentences[2 * warm :]]

    def read(states=None):
        layers = np.asarray(model(compared, initial_states=states))
        return [of[:, :n] for of, n in zip(layers, lengths, strict=True)]

    zeros = read()
    first, second = (
        read(model.warmed_states(ids[start : start + warm])) for start in (0, warm)
    )
    for title, one, other in (
        ("zeros and warmed states", zeros, first),
        ("states of two warm-ups", first, second),
    ):
        print(f"\ncosine, {title}")
        print("| word | " + " | ".join(f"layer {n}" for n in range(len(one[0]))) + " |")
        print("|---|" + "---|" * len(one[0]))
        for place, of_layers in zip(PLACES, cosines_by_place(one, other), strict=True):
            cells = (" / ".join(f"{value:.3f}" for value in pair) for pair in of_layers)
            print(f"| {place} | " + " | ".join(cells) + " |")
    print(
        "\nBefore the stroke the forward half of a vector, behind it the backward one."
    )


if __name__ == "__main__":
    main()
