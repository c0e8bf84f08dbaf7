"""Pretrained word vectors in GloVe's text format."""

import collections
import itertools
import typing

import numpy as np

from glomo_keras.data.text_files import byte_lines
from glomo_keras.data.text_files import find_file
from glomo_keras.strings import check_string_list

_SAMPLED_LINES = 100  # from which the dimension is derived


class WordVectors(typing.NamedTuple):
    """Words and their vectors, in the order of the file.

    Attributes:
        words: list of strings.
        vectors: float32 array `(len(words), dim)`.
        lowercase: bool, whether no word of the whole file has an upper-case letter,
            so that units are lowered before they are looked up.
    """

    words: list
    vectors: np.ndarray
    lowercase: bool


def read_word_vectors(path, keep=None):
    r"""Read word vectors, one `word v1 v2 ...` a line, as GloVe is distributed.

    Plain or gzip, any dimension, fields separated by spaces or tabs. A first line of
    two integers is the header `count dim` that word2vec writes, and must agree with
    what follows. A word may hold spaces, as a few do in the large GloVe files, or be a
    number: the dimension is what most of the first hundred lines have. Of a word that
    occurs twice, the first line counts.

    Args:
        path: path of the file, here or under the folder `GLOMO_DATA`.
        keep: collection of strings or `None`. Words that are not in it are passed over,
            which keeps large files out of memory; where the file's words are all
            lower case, the lowered forms of `keep` count.

    Returns:
        `WordVectors`, a named tuple `(words, vectors, lowercase)`.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if a line is no word with as many numbers as the others, if a number
            is not finite, or if the header does not agree with the lines; the message
            names the file and the line. Also if `keep` is one string.

    Example:

    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "vectors.txt"
    >>> _ = path.write_text("the 0.5 -1.0\ncat 2.0 0.25\n")
    >>> read_word_vectors(path).vectors.tolist()
    [[0.5, -1.0], [2.0, 0.25]]
    >>> read_word_vectors(path, keep={"Cat"}).words
    ['cat']
    """
    path = find_file(path)
    check_string_list("keep", keep)
    wanted = None if keep is None else {*keep, *(word.lower() for word in keep)}
    numbered = enumerate(byte_lines(path), start=1)
    sample = list(itertools.islice(numbered, _SAMPLED_LINES))
    if not sample:
        raise ValueError(f"{path} is empty. Give a file in GloVe's text format.")
    count, dim = _layout(path, [line for _, line in sample])
    if count is not None:
        del sample[0]
    vectors, lowercase, num_lines = {}, True, 0
    for number, line in itertools.chain(sample, numbered):
        num_lines += 1
        word, values = _split_line(path, number, line, dim)
        lowercase = lowercase and word == word.lower()
        if word not in vectors and (wanted is None or word in wanted):
            vectors[word] = _vector(path, number, word, values)
    if count not in (None, num_lines):
        raise ValueError(
            f"{path} line 1 says that there are {count:,} words, and {num_lines:,} "
            "follow. Fetch the file again, or correct the line."
        )
    if keep is not None and not lowercase:
        exact = set(keep)
        vectors = {word: vectors[word] for word in vectors if word in exact}
    table = np.array(list(vectors.values()), np.float32).reshape(len(vectors), dim)
    return WordVectors(list(vectors), table, lowercase)


def _layout(path, lines):
    """Return `(count, dim)` from the first lines; no header: the count is `None`."""
    header = [int(field) for field in lines[0].split() if field.isdigit()]
    is_header = len(header) == 2 == len(lines[0].split()) and header[1] > 0
    sizes = collections.Counter(map(_num_numbers, lines[is_header:]))
    # Of equally frequent ones the largest: shorter lines are then refused, while with
    # the smallest a number of the longer ones would be read as a part of the word.
    dim = max(sizes, key=lambda size: (sizes[size], size), default=None)
    if not is_header or (dim == 1 and header[1] != 1):  # the vector of a number
        return None, dim or 1
    if dim not in (None, header[1]):
        raise ValueError(
            f"{path} line 1 says that vectors have {header[1]} numbers, and the lines "
            f"after it have {dim}. Fetch the file again, or correct the line."
        )
    return header


def _num_numbers(line):
    """Return how many numbers a line ends in, its word left out."""
    fields = line.split()
    numbers = itertools.takewhile(_is_number, reversed(fields[1:]))
    return sum(1 for _ in numbers)


def _is_number(field):
    try:
        float(field)
    except ValueError:
        return False
    return b"_" not in field  # which Python's own numbers may hold


def _split_line(path, number, line, dim):
    fields = line.strip().rsplit(None, dim)
    try:
        word = fields[0].decode("utf-8") if len(fields) == dim + 1 else None
    except UnicodeDecodeError:
        word = None
    if word is None:
        raise _malformed(path, number, line, dim)
    return word, fields[1:]


def _vector(path, number, word, values):
    try:
        if any(b"_" in value for value in values):
            raise ValueError("a number holds an underscore")
        with np.errstate(over="ignore"):  # which gives an infinity
            vector = np.array(values, np.float32)
    except ValueError as error:
        line = b" ".join([word.encode(), *values])
        raise _malformed(path, number, line, len(values)) from error
    if not np.isfinite(vector).all():
        raise ValueError(
            f"{path} line {number}: the vector of {word!r} must hold finite numbers. "
            f"Received: {b' '.join(values)[:60].decode()!r}. Remove the line."
        )
    return vector


def _malformed(path, number, line, dim):
    return ValueError(
        f"{path} line {number} must be a word in UTF-8 and {dim} numbers, separated by "
        f"spaces or tabs. Received: {line[:60]!r}. Give a file in GloVe's text format."
    )
