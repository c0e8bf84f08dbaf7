"""The `docs` corpus: English documentation of Python and of what this library requires.

Python's documentation topics, and docstrings of the standard library and of packages
that this library cannot be installed without, read from their source files (nothing is
imported). So the corpus needs no download, and its text depends on the versions of
these alone, not on what else is installed.
"""

import collections
import functools
import hashlib
import importlib.util
import pathlib
import re
import sysconfig
import typing
import zlib

from glomo_keras.data.prose import prose_paragraphs

PACKAGES = ("numpy", "keras", "tensorflow", "tensorflow_datasets", "tensorflow_text")
# Tests, copies of other packages, and modules that only pass names on.
_SKIPPED_FOLDERS = frozenset(
    "_api _vendor api dist-packages idlelib legacy lib2to3 site-packages test tests "
    "testing".split()
)
# Read of each package, in a fixed shuffled order of its files: it bounds the time,
# and no package can outweigh all others.
_MAX_CHARACTERS = 6_000_000
# At the beginning of a module, or after the colon of a class or function. To parse all
# modules would take several times as long.
_DOCSTRING = re.compile(
    r'(?:\A(?:\s|#[^\n]*\n)*|:\n\s+)[rR]?"""(.*?)"""', flags=re.DOTALL
)
_MAX_SAME_BEGINNING = 3


class Page(typing.NamedTuple):
    """The prose of a source file or a topic.

    Attributes:
        source: string, the package, or "python".
        name: string, the file or topic.
        paragraphs: tuple of strings.
    """

    source: str
    name: str
    paragraphs: tuple


def docs_documents():
    """Return the documents of the `docs` corpus: one a source file or topic.

    Returns:
        Iterator of strings, in an order that depends on the installed files only.

    Example:

    >>> documents = docs_documents()  # read when the first one is asked for
    >>> documents is iter(documents)
    True
    """
    for page in docs_pages():
        yield " ".join(page.paragraphs)


def docs_source():
    """Return what identifies the `docs` corpus: a dict, as `describe_source` gives."""
    text = "\n".join(docs_documents()).encode()
    checksum = hashlib.sha256(text).hexdigest()
    return {"name": "docs", "bytes": len(text), "sha256": checksum}


@functools.lru_cache(maxsize=1)
def docs_pages():
    """Return the pages of the `docs` corpus, read once a process.

    Paragraphs that say in the same words what an earlier one said are left out.

    Returns:
        Tuple of `Page(source, name, paragraphs)`.
    """
    pages, seen, beginnings = [], set(), collections.Counter()
    for source, name, texts in _raw_pages():
        paragraphs = []
        for paragraph in (p for text in texts for p in prose_paragraphs(text)):
            # Templates differ in names and numbers only, which hold capitals, digits,
            # dots or underscores: plain words are what is compared.
            plain = tuple(re.findall(r"(?<![\w.])[a-z]+(?![\w.]\w|\w)", paragraph))
            beginnings[plain[:6]] += 1
            if plain not in seen and beginnings[plain[:6]] <= _MAX_SAME_BEGINNING:
                paragraphs.append(paragraph)
            seen.add(plain)
        if paragraphs:
            pages.append(Page(source, name, tuple(paragraphs)))
    return tuple(pages)


def _raw_pages():
    """Yield (source, page name, list of docstrings)."""
    from pydoc_data.topics import topics

    for name in sorted(topics):
        yield "python", f"topics/{name}", [topics[name]]
    folders = {"python": pathlib.Path(sysconfig.get_path("stdlib"))}
    for package in PACKAGES:  # find_spec of a top-level name imports nothing
        folders[package] = pathlib.Path(importlib.util.find_spec(package).origin).parent
    for source, folder in folders.items():
        num_characters = 0
        for name in _file_names(folder):
            code = (folder / name).read_text("utf-8", errors="replace")
            texts = _DOCSTRING.findall(code)
            if texts:
                num_characters += len(code)
                if num_characters > _MAX_CHARACTERS:
                    break
                yield source, name, texts


def _file_names(folder):
    names = []
    for path in folder.rglob("*.py"):
        *parents, name = path.relative_to(folder).parts
        is_test = _SKIPPED_FOLDERS.intersection(parents) or name.endswith("_test.py")
        is_legacy_keras = parents[:2] == ["python", "keras"]  # inside tensorflow
        if not is_test and not is_legacy_keras:
            names.append("/".join([*parents, name]))
    return sorted(names, key=lambda name: (stable_hash(name), name))


def stable_hash(name):
    """Return a number from a name, the same in every process."""
    return zlib.crc32(name.encode())
