"""The `docs` corpus: English documentation that installed packages bring along.

Python's documentation topics, and docstrings of the standard library and of scientific
packages, read from their source files (nothing is imported). Every machine that can run
the library has such text, without a download.
"""

import ast
import collections
import functools
import importlib.metadata
import importlib.util
import pathlib
import platform
import re
import sysconfig
import typing
import warnings
import zlib

from glomo_keras.data.prose import prose_paragraphs

_PACKAGES = (
    "numpy",
    "keras",
    "tensorflow",
    "scipy",
    "matplotlib",
    "h5py",
    "jax",
    "tensorflow_datasets",
    "tensorflow_text",
    "pandas",
    "sklearn",
    "torch",
)
_SKIPPED_FOLDERS = frozenset(
    "_api _vendor api dist-packages ensurepip f2py idlelib include legacy lib2to3 "
    "pydoc_data scripts site-packages test tests testing turtledemo vendor".split()
)
# Read of each package, in a fixed shuffled order of its files: it bounds the time,
# and no package can outweigh all others.
_MAX_BYTES = 6_000_000
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
_MAX_SAME_BEGINNING = 3


class Page(typing.NamedTuple):
    """What is left of a source file or a topic, one string a paragraph."""

    source: str  # the package, or "python"
    name: str  # the file or topic
    paragraphs: tuple


def docs_documents():
    """Yields the documents of the `docs` corpus: one a source file or topic.

    Returns:
        Iterator of strings, in an order that depends on the installed files only.

    Example:

    >>> documents = docs_documents()  # read when the first one is asked for
    >>> documents is iter(documents)
    True
    """
    for page in docs_pages():
        yield " ".join(page.paragraphs)


def docs_versions():
    """Lists `[package, version]` of what the `docs` corpus is made of.

    Example:

    >>> ["python", "numpy"] == [name for name, _ in docs_versions()][:2]
    True
    """
    versions = [["python", platform.python_version()]]
    distributions = importlib.metadata.packages_distributions()
    for package in _PACKAGES:
        if _package_folder(package) and package in distributions:
            version = importlib.metadata.version(distributions[package][0])
            versions.append([package, version])
    return versions


@functools.lru_cache(maxsize=1)
def docs_pages():
    """Pages of the `docs` corpus, read once a process.

    Paragraphs that say in the same words what an earlier one said are left out.

    Returns:
        Tuple of `Page(source, name, paragraphs)`.
    """
    pages, seen, beginnings = [], set(), collections.Counter()
    for source, name, texts in _raw_pages():
        kept = []
        for paragraph in (p for text in texts for p in prose_paragraphs(text)):
            # Templates differ in names and numbers only, which hold capitals, digits,
            # dots or underscores: plain words are what is compared.
            plain = tuple(re.findall(r"(?<![\w.])[a-z]+(?![\w.]\w|\w)", paragraph))
            beginnings[plain[:6]] += 1
            if plain not in seen and beginnings[plain[:6]] <= _MAX_SAME_BEGINNING:
                kept.append(paragraph)
            seen.add(plain)
        if kept:
            pages.append(Page(source, name, tuple(kept)))
    return tuple(pages)


def _raw_pages():
    """Yields (source, page name, list of docstrings)."""
    from pydoc_data.topics import topics

    for name in sorted(topics):
        yield "python", f"topics/{name}", [topics[name]]
    folders = {"python": pathlib.Path(sysconfig.get_path("stdlib"))}
    folders |= {package: _package_folder(package) for package in _PACKAGES}
    for source, folder in folders.items():
        if folder is None:
            continue
        num_bytes = 0
        for path in _source_files(folder):
            code = path.read_bytes()
            if b'"""' not in code and b"'''" not in code:
                continue
            num_bytes += len(code)
            if num_bytes > _MAX_BYTES:
                break
            texts = _docstrings(code)
            if texts:
                yield source, path.relative_to(folder).as_posix(), texts


def _package_folder(package):
    # find_spec of a top-level name imports nothing.
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:  # not installed, or just a folder
        return None
    return pathlib.Path(spec.origin).parent


def _source_files(folder):
    paths = []
    for path in folder.rglob("*.py"):
        parts = path.relative_to(folder).parts
        is_legacy_keras = parts[:2] == ("python", "keras")  # inside tensorflow
        if not is_legacy_keras and not _SKIPPED_FOLDERS.intersection(parts):
            paths.append(path)
    return sorted(
        (path for path in paths if not re.search(r"(^|_)tests?[._]", path.name)),
        key=lambda path: (
            stable_hash(path.relative_to(folder).as_posix()),
            path.as_posix(),
        ),
    )


def stable_hash(name):
    """A number from a name, the same in every process."""
    return zlib.crc32(name.encode())


def _docstrings(code):
    """Docstrings of a module and all in it, in the order of the source."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # SyntaxWarning of other people's code
            tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError):
        return []
    found = []
    # Statements alone: walking all expressions would take as long as parsing.
    nodes = collections.deque([tree])
    while nodes:
        node = nodes.popleft()
        for field in ("body", "orelse", "handlers", "finalbody"):
            nodes.extend(getattr(node, field, ()))
        if isinstance(node, _DOCUMENTED):
            text = ast.get_docstring(node, clean=False)
            if text:
                found.append((getattr(node, "lineno", 0), text))
        elif isinstance(node, ast.Expr) and _is_add_newdoc(node.value):
            # NumPy and SciPy attach docstrings of compiled functions this way.
            found += [
                (constant.lineno, constant.value)
                for argument in node.value.args
                for constant in ast.walk(argument)
                if isinstance(constant, ast.Constant)
                and isinstance(constant.value, str)
                and "\n" in constant.value
            ]
    return [text for _, text in sorted(found, key=lambda item: item[0])]


def _is_add_newdoc(node):
    function = getattr(node, "func", None)  # of a call
    name = getattr(function, "id", getattr(function, "attr", ""))
    return name.lstrip("_") == "add_newdoc"
