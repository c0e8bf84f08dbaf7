"""A labelled task that needs no download: from which library is a paragraph?"""

import collections
import re

import numpy as np

from glomo_keras.data.embedded import docs_pages
from glomo_keras.data.embedded import stable_hash

# Without the satellites of others on this list.
_CLASSES = (
    "python",
    "numpy",
    "keras",
    "tensorflow",
    "scipy",
    "matplotlib",
    "jax",
    "pandas",
    "sklearn",
    "torch",
)
_MIN_CLASS_SIZE = 60  # paragraphs in each split
_NAME = (
    r"(?:c?python3?|numpy|np|keras|keras_core|tensorflow|tf|scipy|sp|matplotlib|mpl"
    r"|pyplot|plt|pylab|h5py|jax|jnp|lax|xla|tfds|tensorflow[_ ](?:datasets|text)"
    r"|pandas|pd|sklearn|scikit-learn|pytorch|torch)"
)
# Also inside names with underscores, where \b sees no boundary.
_LIBRARY_NAMES = re.compile(
    rf"(?<![a-z0-9]){_NAME}(?:\.{_NAME})*(?![a-z0-9])", re.IGNORECASE
)


def labelled_paragraphs(split="train", max_per_class=600, min_words=15, seed=0):
    """A small labelled task: which library does a paragraph document?

    The classes are Python itself and those installed packages of the `docs` corpus
    that have enough text. Names of the libraries are masked by the word "library".
    All paragraphs of a file are in the same split, paragraphs that share half of
    their phrases with training ones are no test paragraphs, and classes are balanced.

    Args:
        split: "train" or "test" (three tenths of the files).
        max_per_class: int, most paragraphs of a class in a split.
        min_words: int, shorter paragraphs are left out.
        seed: int, of the choice and the order of the paragraphs.

    Returns:
        Tuple `(texts, labels, label_names)`: list of strings, int32 array, and the
        list of names that labels index.

    Raises:
        ValueError: if `split` is neither "train" nor "test".

    Example:

    >>> texts, labels, label_names = labelled_paragraphs("test")
    >>> len(texts) == len(labels), label_names[:3]
    (True, ['python', 'numpy', 'keras'])
    """
    if split not in ("train", "test"):
        raise ValueError(
            f"`split` must be 'train' or 'test'. Received: split={split!r}."
        )
    if max_per_class < 1:
        raise ValueError(
            f"`max_per_class` must be at least 1. Received: {max_per_class}."
        )
    paragraphs = _masked_paragraphs(min_words)
    label_names = [
        name
        for name in _CLASSES
        if min(len(of_source[name]) for of_source in paragraphs.values())
        >= _MIN_CLASS_SIZE
    ]
    of_source = paragraphs[split]
    size = min(max_per_class, *(len(of_source[name]) for name in label_names))
    generator = np.random.default_rng([seed, split == "test"])
    texts, labels = [], []
    for label, name in enumerate(label_names):
        chosen = generator.permutation(len(of_source[name]))[:size]
        texts += [of_source[name][index] for index in chosen]
        labels += [label] * size
    order = generator.permutation(len(texts))
    return (
        [texts[index] for index in order],
        np.asarray(labels, dtype="int32")[order],
        label_names,
    )


def _masked_paragraphs(min_words):
    """Dict by split of dicts by source of lists of paragraphs."""
    paragraphs = {part: collections.defaultdict(list) for part in ("train", "test")}
    for page in docs_pages():
        part = "test" if stable_hash(page.source + page.name) % 10 < 3 else "train"
        paragraphs[part][page.source] += [
            _LIBRARY_NAMES.sub("library", paragraph)
            for paragraph in page.paragraphs
            if len(paragraph.split()) >= min_words
        ]
    seen = set()
    for texts in paragraphs["train"].values():
        seen.update(*map(_phrases, texts))
    for source, texts in paragraphs["test"].items():
        paragraphs["test"][source] = [
            text
            for text in texts
            if 2 * len(_phrases(text) & seen) < len(_phrases(text))
        ]
    return paragraphs


def _phrases(text):
    words = re.findall(r"\w+", text.lower())
    return {tuple(words[i : i + 5]) for i in range(len(words) - 4)}
