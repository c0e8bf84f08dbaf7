"""Treebanks in the CoNLL-U format: the words of a sentence, their heads and labels."""

import re
import typing

import numpy as np

from experiment.process import UsageError
from experiment.text.labelled_files import read_tfds
from glomo_keras.data.text_files import byte_lines

_NUM_FIELDS = 10
_SURFACE_LINE = re.compile(r"\d+[-.]\d+")  # of several words in one, or of no word


class Sentence(typing.NamedTuple):
    """One sentence and its tree.

    Attributes:
        words: list of str, as they are written.
        heads: int32 array, the place of each word's head, from 1; 0 at the root.
        labels: list of str, of the relations of words to their heads, with the subtype
            (`nmod:poss`).
    """

    words: list
    heads: np.ndarray
    labels: list


def read_treebank(path):
    """Read a file in the CoNLL-U format, plain or gzip.

    Lines of several words in one (`3-4`) and of words that are not written (`5.1`) are
    left out: the words of a tree are those with a number of their own. Whether heads
    form a tree is not looked at.

    Args:
        path: path of the file.

    Returns:
        List of `Sentence`.

    Raises:
        UsageError: if a line is malformed, or a head is not a word of the sentence;
            names file and line. Also if there is no sentence.
    """
    sentences, rows = [], []
    number = 0
    for number, line in enumerate(byte_lines(path), start=1):
        where = f"{path} line {number}"
        try:
            text = line.decode().rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise UsageError(f"{where} is not UTF-8: {error}.") from error
        if not text.strip():
            if rows:
                sentences.append(_sentence(rows, path))
            rows = []
        elif not text.startswith("#"):
            fields = text.split("\t")
            if len(fields) != _NUM_FIELDS:
                raise UsageError(
                    f"{where} must have {_NUM_FIELDS} fields with tabs between, as "
                    f"CoNLL-U has. Received {len(fields)}: {text[:80]!r}."
                )
            if not _SURFACE_LINE.fullmatch(fields[0]):
                rows.append((number, *(fields[i] for i in (0, 1, 6, 7))))
    if rows:
        sentences.append(_sentence(rows, path))
    if not sentences:
        raise UsageError(
            f"{path} holds no sentence ({number:,} lines). Give a treebank in the "
            "CoNLL-U format."
        )
    return sentences


def read_tfds_treebank(spec, split):
    """Read a split of `tfds:universal_dependencies/NAME`; see `read_treebank`."""
    sentences = []
    for number, row in enumerate(read_tfds(spec, split)):
        words = [
            values
            for values in zip(row["tokens"], row["head"], row["deprel"], strict=True)
            if values[1] not in ("None", "_")  # of several words in one, or of no word
        ]
        if words:
            rows = [(number, str(i), *word) for i, word in enumerate(words, start=1)]
            sentences.append(_sentence(rows, f"{spec} {split}", place="example"))
    return sentences


def _sentence(rows, path, place="line"):
    """Check the rows of a sentence: number of the line, id, word, head and label."""
    heads = []
    for expected, (number, place_of_word, _, head, label) in enumerate(rows, start=1):
        where = f"{path} {place} {number}"
        if place_of_word != str(expected):
            raise UsageError(
                f"{where} must be word {expected} of its sentence. Received the number "
                f"{place_of_word!r}."
            )
        if not head.isdecimal() or int(head) > len(rows):
            raise UsageError(
                f"{where}: the head must be 0 or the number of a word of the sentence, "
                f"which has {len(rows)}. Received: {head!r}."
            )
        if label in ("", "_"):
            raise UsageError(f"{where} has no label of the relation to the head.")
        heads.append(int(head))
    return Sentence(
        [row[2] for row in rows],
        np.array(heads, np.int32),
        [row[4] for row in rows],
    )
