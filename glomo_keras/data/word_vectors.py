"""Pretrained word vectors in GloVe's text format."""

import typing

import numpy as np

from glomo_keras.data.text_files import byte_lines
from glomo_keras.data.text_files import find_files


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
    r"""Reads word vectors, one `word v1 v2 ...` a line, as GloVe is distributed.

    Plain or gzip, any dimension. A first line of two integers (the header that
    word2vec writes) is passed over. A word may hold spaces, as a few do in the large
    GloVe files; of a word that occurs twice, the first line counts.

    Args:
        path: path of the file, here or under the folder `GLOMO_DATA`.
        keep: collection of strings or None. Words that are not in it are passed over,
            which keeps large files out of memory; where the file's words are all
            lower case, the lowered forms of `keep` count.

    Returns:
        `WordVectors`, a named tuple `(words, vectors, lowercase)`.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if a line is no word with numbers, or has another number of them
            than the first; the message names the file and the line.

    Example:

    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "vectors.txt"
    >>> _ = path.write_text("the 0.5 -1.0\ncat 2.0 0.25\n")
    >>> read_word_vectors(path).vectors.tolist()
    [[0.5, -1.0], [2.0, 0.25]]
    >>> read_word_vectors(path, keep={"Cat"}).words
    ['cat']
    """
    (path,) = find_files(str(path))
    wanted = None if keep is None else {*keep, *(word.lower() for word in keep)}
    vectors, dim, lowercase = {}, None, True
    for number, line in enumerate(byte_lines(path), start=1):
        word, *values = line.rstrip(b"\r\n ").split(b" ")
        if number == 1 and len(values) == 1 and word.isdigit() and values[0].isdigit():
            continue
        dim = len(values) if dim is None else dim
        if len(values) > dim > 0:  # spaces in the word
            word = b" ".join([word, *values[:-dim]])
            values = values[-dim:]
        try:
            word = word.decode("utf-8")
            if not word or not values or len(values) != dim:
                raise ValueError
            lowercase = lowercase and word == word.lower()
            if word not in vectors and (wanted is None or word in wanted):
                vectors[word] = np.array(values, np.float32)
        except ValueError as error:
            raise ValueError(
                f"{path} line {number} must be a word and {dim or 'some'} numbers, "
                f"separated by single spaces. Received: {line[:60]!r}. Give a file in "
                "GloVe's text format."
            ) from error
    if keep is not None and not lowercase:
        vectors = {word: vectors[word] for word in vectors if word in set(keep)}
    if not dim:
        raise ValueError(f"{path} is empty. Give a file in GloVe's text format.")
    table = np.array(list(vectors.values()), np.float32).reshape(len(vectors), dim)
    return WordVectors(list(vectors), table, lowercase)
