"""A labelled task that needs no download: from which library is a paragraph?"""

import re

import numpy as np

from glomo_keras.checks import check_positive_integers
from glomo_keras.data.documentation import docs_pages
from glomo_keras.data.documentation import stable_hash

# The packages that are always installed and have enough text.
_CLASSES = ("python", "numpy", "keras", "tensorflow")
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
    """Read a small labelled task: which library does a paragraph document?

    The classes are Python, NumPy, Keras and TensorFlow, of the `docs` corpus. Names of
    libraries are masked by the word "library". All paragraphs of a file are in the
    same split, paragraphs that share half of their phrases with training ones are no
    test paragraphs, and classes are balanced.

    Args:
        split: "train" or "test" (three tenths of the files).
        max_per_class: int, most paragraphs of a class in a split.
        min_words: int, shorter paragraphs are left out.
        seed: int, of the choice and the order of the paragraphs.

    Returns:
        Tuple `(texts, labels, label_names)`: list of strings, int32 array, and the
        list of names that labels index.

    Raises:
        ValueError: if `split` is neither "train" nor "test", or a number not positive.

    Example:

    >>> texts, labels, label_names = labelled_paragraphs("test")
    >>> len(texts) == len(labels), label_names
    (True, ['python', 'numpy', 'keras', 'tensorflow'])
    """
    if split not in ("train", "test"):
        raise ValueError(
            f"`split` must be 'train' or 'test'. Received: split={split!r}."
        )
    check_positive_integers(max_per_class=max_per_class, min_words=min_words)
    paragraphs = _masked_paragraphs(split, min_words)
    size = min(max_per_class, *map(len, paragraphs.values()))
    generator = np.random.default_rng([seed, split == "test"])
    texts, labels = [], []
    for label, name in enumerate(_CLASSES):
        chosen = generator.permutation(len(paragraphs[name]))[:size]
        texts += [paragraphs[name][index] for index in chosen]
        labels += [label] * size
    order = generator.permutation(len(texts))
    return (
        [texts[index] for index in order],
        np.asarray(labels, dtype="int32")[order],
        list(_CLASSES),
    )


def _masked_paragraphs(split, min_words):
    """Return a dict by class of lists of paragraphs."""
    paragraphs = {"train": {}, "test": {}}
    for page in docs_pages():
        if page.source in _CLASSES:
            is_test = stable_hash(page.source + page.name) % 10 < 3
            texts = paragraphs["test" if is_test else "train"]
            texts.setdefault(page.source, []).extend(
                _LIBRARY_NAMES.sub("library", paragraph)
                for paragraph in page.paragraphs
                if len(paragraph.split()) >= min_words
            )
    if split == "train":
        return paragraphs["train"]
    seen = set()
    for texts in paragraphs["train"].values():
        seen.update(*map(_phrases, texts))
    return {
        name: [t for t in texts if 2 * len(_phrases(t) & seen) < len(_phrases(t))]
        for name, texts in paragraphs["test"].items()
    }


def _phrases(text):
    words = re.findall(r"\w+", text.lower())
    return {tuple(words[i : i + 5]) for i in range(len(words) - 4)}
