"""Word vectors in GloVe's text format, and files that are not in it."""

import gzip
import pathlib

import numpy as np
import pytest

from glomo_keras.data import read_word_vectors

GLOVE = pathlib.Path(__file__).parents[3] / "shared" / "data" / "glove"


def write(path, text):
    path.write_bytes(text.encode())
    return path


def test_values_words_and_order(tmp_path):
    path = write(tmp_path / "v.txt", "b 1.5 -2e-1 0\na 0.25 3 4\n")
    words, vectors, lowercase = read_word_vectors(path)
    assert words == ["b", "a"]
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, [[1.5, -0.2, 0.0], [0.25, 3.0, 4.0]])
    assert lowercase


def test_gzip_and_the_header_of_word2vec(tmp_path):
    path = tmp_path / "v.txt.gz"
    path.write_bytes(gzip.compress(b"2 2\nb 1 2\na 3 4\n"))
    assert read_word_vectors(path).words == ["b", "a"]


def test_words_with_spaces_and_words_that_occur_twice(tmp_path):
    path = write(tmp_path / "v.txt", "a 1 2\n. . 3 4\na 5 6\nnb\u00a0sp 7 8\n")
    words, vectors, _ = read_word_vectors(path)
    assert words == ["a", ". .", "nb\u00a0sp"]
    assert vectors[0].tolist() == [1.0, 2.0]


def test_only_what_is_asked_for_is_kept(tmp_path):
    lower = write(tmp_path / "lower.txt", "the 1 2\ncat 3 4\n")
    found = read_word_vectors(lower, keep=["Cat", "dog"])
    assert found.words == ["cat"] and found.lowercase
    cased = write(tmp_path / "cased.txt", "cat 3 4\nThe 1 2\nthe 5 6\n")
    found = read_word_vectors(cased, keep=["Cat", "the"])
    assert found.words == ["the"] and not found.lowercase
    nothing = read_word_vectors(lower, keep=[])
    assert nothing.vectors.shape == (0, 2)


@pytest.mark.parametrize(
    "text, line",
    [("a 1 2\nb 1\n", 2), ("a 1 2\nb 1 x\n", 2), ("a\n", 1), ("a 1 2\n\n", 2)],
)
def test_a_bad_line_is_named(tmp_path, text, line):
    path = write(tmp_path / "bad.txt", text)
    with pytest.raises(ValueError, match=rf"bad.txt line {line} must be a word"):
        read_word_vectors(path)


def test_an_empty_file_and_a_missing_one(tmp_path):
    with pytest.raises(ValueError, match="is empty"):
        read_word_vectors(write(tmp_path / "none.txt", ""))
    with pytest.raises(FileNotFoundError, match="no_such"):
        read_word_vectors(tmp_path / "no_such.txt")


@pytest.mark.skipif(not GLOVE.exists(), reason="original GloVe files are not here")
@pytest.mark.parametrize(
    "name, count, dim",
    [
        ("glove.6B.100d.top2717.txt.gz", 2717, 100),
        ("glove.6B.50d.top2445.txt.gz", 2445, 50),
        ("glove.twitter.27B.25d.common11925.txt.gz", 11925, 25),
    ],
)
def test_original_files(name, count, dim):
    words, vectors, lowercase = read_word_vectors(GLOVE / name)
    assert vectors.shape == (count, dim) == (len(words), dim)
    assert words[0] == "the"
    assert lowercase
    assert np.isfinite(vectors).all()
