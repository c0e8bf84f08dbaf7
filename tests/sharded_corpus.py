"""Settings, texts and files of the tests of sharded corpora."""

import functools

import numpy as np

from glomo_keras.data import prepare_shards

# No default among them, and primes where they can be.
SETTINGS = dict(
    vocabulary_size=47,
    valid_fraction=0.2,
    window=13,
    shift=5,
    min_units=3,
    max_padding=0.005,
    num_classes=11,
    seed=7,
    chunk_characters=2_000,
)
prepare = functools.partial(prepare_shards, log=str)


def make_documents(seed, number):
    """Texts of 1 to 60 words, of which some are in two cases."""
    generator = np.random.default_rng(seed)
    words = np.array([f"w{i}" if i % 3 else f"W{i}" for i in range(53)])
    chances = 1 / np.arange(1, 54)
    return [
        " ".join(generator.choice(words, length, p=chances / chances.sum())) + "."
        for length in generator.integers(1, 60, size=number)
    ]


def contents(folder):
    """Bytes of all files by name."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
