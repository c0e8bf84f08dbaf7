r"""Vectors of a word in context: which uses of it are near which others.

    python recipes/word_senses.py --word play --corpus files:wikipedia.txt.gz \
        --queries "The shortstop made a spectacular play to end the inning ." \
                  "She signed to act in a Broadway play about her life ."
    python recipes/word_senses.py --size smoke

For every query it prints the nearest other sentences with the same word, by
the cosine of the word's vectors in one layer of a language model, and how
alike the queries are in each layer. In layer 0 a word has one vector, whatever
stands around it.
"""

import argparse
import itertools
import re

import experiment.process
import numpy as np
from experiment.process import positive_int
from experiment.process import usage_errors
from experiment.run_clock import RunClock
from experiment.sizes import add_size_option
from experiment.sizes import defaults_of
from experiment.sizes import fill_in

from glomo_keras.data import character_ids
from glomo_keras.data import read_documents
from glomo_keras.data import split_units
from glomo_keras.models import BidirectionalLanguageModel

SIZES = {
    "smoke": {
        "word": "file",
        "queries": ["She opened the file .", "They walked in single file ."],
        "count": 32,
    },
    "small": {"word": None, "queries": None, "count": 500},
}
_BATCH_SIZE = 16
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")


def sentences_with(word, documents, count, max_units=40):
    """Return the first `count` sentences with a word, as lists of units.

    Args:
        word: str.
        documents: iterable of str.
        count: int.
        max_units: int, longer sentences are left out.
    """
    has_word = re.compile(rf"\b{re.escape(word)}\b")
    candidates = (s for document in documents for s in _SENTENCE_END.split(document))
    sentences = []
    for sentence in filter(has_word.search, candidates):
        units = [unit.decode() for unit in split_units([sentence]).units[0].numpy()]
        if word in units and len(units) <= max_units:
            sentences.append(units)
        if len(sentences) == count:
            break
    return sentences


def vectors_of(word, sentences, model):
    """Return vectors of the first occurrence of a word: `(sentences, layers, dim)`."""
    vectors, steps = [], RunClock(1).steps(-(-len(sentences) // _BATCH_SIZE))
    for first in range(0, len(sentences), _BATCH_SIZE):
        batch = sentences[first : first + _BATCH_SIZE]
        longest = max(map(len, batch))
        words = [units + [""] * (longest - len(units)) for units in batch]
        layers = np.asarray(model(character_ids(words, model.max_characters)))
        for units, sentence_layers in zip(batch, layers, strict=True):
            vectors.append(sentence_layers[:, units.index(word)])
        steps.advance()
    return np.array(vectors)


def cosines(one, other):
    """Return the cosines of all pairs of vectors `(a, dim)` and `(b, dim)`."""
    one, other = (v / np.linalg.norm(v, axis=-1, keepdims=True) for v in (one, other))
    return one @ other.T


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
    add_size_option(parser, SIZES)
    add("--word", help="the word (smoke: file)")
    add("--queries", nargs="+", help="sentences with the word (smoke: two)")
    add("--corpus", default="docs", help="where neighbours are looked for: docs, "
        "files:PATH..., tfds:NAME (default: docs)")  # fmt: skip
    add("--count", type=positive_int, help="sentences to look at "
        + defaults_of(SIZES, "count"))  # fmt: skip
    add("--num-neighbours", type=positive_int, default=3, help="to print (default: 3)")
    add(
        "--layer",
        type=int,
        default=-1,
        help="whose vectors are compared (default: -1, the last)",
    )
    options = parser.parse_args(arguments)
    fill_in(options, SIZES)
    if not options.word or not options.queries:
        parser.error("--word and --queries are required, but at --size smoke")
    found = [sentences_with(options.word, [q], 2, 200) for q in options.queries]
    if any(len(sentences) != 1 for sentences in found):
        parser.error(f"every query must be one sentence with the word {options.word!r}")
    queries = [sentence for (sentence,) in found]
    with usage_errors():
        model = BidirectionalLanguageModel.from_preset(options.preset)
        sentences = sentences_with(
            options.word, read_documents(options.corpus), options.count
        )
    if not sentences:
        parser.error(f"{options.corpus} has no sentence with the word {options.word!r}")
    query_vectors = vectors_of(options.word, queries, model)
    sentence_vectors = vectors_of(options.word, sentences, model)
    num_layers = query_vectors.shape[1]
    if not -num_layers <= options.layer < num_layers:
        parser.error(f"--layer must be below {num_layers}, the number of layers")
    layer = options.layer % num_layers
    similarities = cosines(query_vectors[:, layer], sentence_vectors[:, layer])
    print(
        f"{len(sentences)} sentences with {options.word!r} in {options.corpus}, "
        f"layer {layer}:"
    )
    for query, values in zip(queries, similarities, strict=True):
        print(f"\n{' '.join(query)}")
        for place in np.argsort(-values)[: options.num_neighbours]:
            print(f"  {values[place]:.2f}  {' '.join(sentences[place])}")
    for first, second in itertools.combinations(range(len(queries)), 2):
        by_layer = [
            cosines(one[None], other[None]).item()
            for one, other in zip(
                query_vectors[first], query_vectors[second], strict=True
            )
        ]
        shown = ", ".join(f"{value:.2f}" for value in by_layer)
        print(f"\nqueries {first + 1} and {second + 1}, by layer: {shown}")


if __name__ == "__main__":
    main()
