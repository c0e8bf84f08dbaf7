"""Python's own library as units, and which function every closing bracket belongs to.

A text that every machine has, whose relations are known exactly: brackets match.
"""

import collections
import io
import keyword
import sysconfig
import tokenize
import typing
import zlib
from pathlib import Path

import numpy as np

from glomo_keras.data import Vocabulary

STRING, NUMBER = '"..."', "0"  # one unit each, whatever they say
_SKIPPED_FOLDERS = frozenset(
    "dist-packages idlelib lib2to3 pydoc_data site-packages test tests turtledemo "
    "encodings".split()
)
_LAYOUT = {tokenize.NEWLINE: "NEWLINE", tokenize.INDENT: "INDENT"}
_LAYOUT[tokenize.DEDENT] = "DEDENT"
# Strings that Python 3.12 and newer cut into parts (f"...", and t"..." of 3.14).
_STARTS = ("FSTRING_START", "TSTRING_START")
_ENDS = ("FSTRING_END", "TSTRING_END")


class Windows(typing.NamedTuple):
    """Pieces of source of equal length.

    Attributes:
        unit_ids: int32 array `(num_windows, length)`.
        callees: int array `(num_windows, length)`: at a bracket that ends a call the
            place of the name that is called, if it is in the window; -1 elsewhere.
    """

    unit_ids: np.ndarray
    callees: np.ndarray


class Calls(typing.NamedTuple):
    """Calls of a text.

    Attributes:
        callees: int array `(num_calls,)`, the places of the names that are called.
        closers: int array `(num_calls,)`, the places of the brackets that end them.
    """

    callees: np.ndarray
    closers: np.ndarray


def library_windows(max_bytes, vocabulary_size, length):
    """Read the standard library of this Python in windows.

    Args:
        max_bytes: int, how much of it.
        vocabulary_size: int.
        length: int, units of a window.

    Returns:
        `(vocabulary, train, test)`: a `Vocabulary` and two `Windows`. An eighth of the
        files are for testing.
    """
    texts = []
    for path in library_files(max_bytes):
        try:
            texts.append(source_units(path.read_text(encoding="utf-8")))
        except (SyntaxError, UnicodeDecodeError, tokenize.TokenError):
            continue  # a few files are examples of errors
    num_train = len(texts) - max(1, len(texts) // 8)
    counts = collections.Counter(unit for text in texts[:num_train] for unit in text)
    vocabulary = Vocabulary.from_counts(counts, max_size=vocabulary_size)
    train, test = (
        _cut(part, vocabulary, length)
        for part in (texts[:num_train], texts[num_train:])
    )
    return vocabulary, train, test


def encode_units(vocabulary, texts):
    """Return the ids of the units of texts, which are cut already.

    Args:
        vocabulary: `Vocabulary`.
        texts: list of lists of strings.

    Returns:
        List of int32 arrays `(num_units,)`.
    """
    ids = {unit: number for number, unit in enumerate(vocabulary.units)}
    return [np.array([ids.get(unit, 1) for unit in text], np.int32) for text in texts]


def _cut(texts, vocabulary, length):
    unit_ids, callees = [], []
    for text, numbers in zip(texts, encode_units(vocabulary, texts), strict=True):
        places = np.full(len(text), -1)
        calls = find_calls(text)
        places[calls.closers] = calls.callees
        for start in range(0, len(text) - length + 1, length):
            window = places[start : start + length] - start
            unit_ids.append(numbers[start : start + length])
            callees.append(np.maximum(window, -1))
    shape = -1, length
    return Windows(np.reshape(unit_ids, shape), np.reshape(callees, shape))


def library_files(max_bytes):
    """Return files of the standard library, in an order that names alone decide.

    Args:
        max_bytes: int, how much of it.

    Returns:
        List of paths, at least of two files.
    """
    folder = Path(sysconfig.get_path("stdlib"))
    files = [
        path
        for path in folder.rglob("*.py")
        if not _SKIPPED_FOLDERS.intersection(path.relative_to(folder).parts)
    ]
    names = {path: path.relative_to(folder).as_posix() for path in files}
    chosen, size = [], 0
    for path in sorted(files, key=lambda p: (zlib.crc32(names[p].encode()), names[p])):
        size += path.stat().st_size
        if size > max_bytes and len(chosen) > 1:
            break
        chosen.append(path)
    return chosen


def source_units(source):
    """Cut Python source into units.

    Names, operators and keywords are units, and so are NEWLINE, INDENT and DEDENT.
    Comments are left out.

    Args:
        source: string.

    Returns:
        List of strings.

    Raises:
        SyntaxError: if it is no Python.

    Example:

    >>> source_units("f(x, 'text')  # calls f")
    ['f', '(', 'x', ',', '"..."', ')', 'NEWLINE']
    """
    units, depth = [], 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        kind = tokenize.tok_name[token.type]
        if kind in _STARTS:
            depth += 1
        elif kind in _ENDS:
            depth -= 1
        if depth:  # within a string
            continue
        if kind == "STRING" or kind in _ENDS:
            units.append(STRING)
        elif kind == "NUMBER":
            units.append(NUMBER)
        elif kind in ("NAME", "OP"):
            units.append(token.string)
        elif token.type in _LAYOUT:
            units.append(_LAYOUT[token.type])
    return units


def find_calls(units):
    """Find the name that is called, and the bracket that ends the call.

    Args:
        units: list of strings, as `source_units` returns them.

    Returns:
        `Calls`, of those with an argument, by the place of the closing bracket.

    Example:

    >>> calls = find_calls(source_units("print(len(x), y.pop())"))
    >>> calls.callees.tolist(), calls.closers.tolist()  # of len, of print
    ([2, 0], [5, 12])
    """
    callees, closers, openers = [], [], []
    for place, unit in enumerate(units):
        if unit in ("(", "[", "{"):
            openers.append(place)
        elif unit in (")", "]", "}") and openers:
            opener = openers.pop()
            if unit == ")" and place > opener + 1 and _is_call(units, opener):
                callees.append(opener - 1)
                closers.append(place)
    return Calls(np.array(callees, int), np.array(closers, int))


def _is_call(units, opener):
    """Return whether the bracket stands behind a name that is called."""
    if opener < 1:
        return False
    name, before = units[opener - 1], units[opener - 2] if opener > 1 else ""
    return (
        name.isidentifier()
        and not keyword.iskeyword(name)
        and name not in _LAYOUT.values()
        and before not in ("def", "class")
    )
