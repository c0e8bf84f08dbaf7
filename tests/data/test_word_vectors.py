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


@pytest.mark.parametrize(
    "data, words",
    [
        (b"\xef\xbb\xbf2 3\nthe 0.1 0.2 0.3\ncat 1 2 3\n", ["the", "cat"]),
        (b"\xef\xbb\xbfthe 0.1 0.2 0.3\ncat 1 2 3\n", ["the", "cat"]),
        (b"the\t0.1 0.2 0.3\ncat\t1 2 3\n", ["the", "cat"]),
        (b"the\t0.1\t0.2\t0.3\t\r\ncat\t1\t2\t3\t\r\n", ["the", "cat"]),
        (b"2\t3\nthe  0.1 0.2   0.3 \ncat 1 2 3 \n", ["the", "cat"]),
        # The first word holds a space, or is a number, or two.
        (b". . 1 2 3\nthe 1 2 3\n", [". .", "the"]),
        (b"New York 1 2 3\nthe 1 2 3\n", ["New York", "the"]),
        (b"1999 1 2 3\nthe 1 2 3\n", ["1999", "the"]),
        (b"nan 1 2 3\ninf 1 2 3\n", ["nan", "inf"]),
        (b"1 2 1 2 3\nthe 1 2 3\ncat 1 2 3\n", ["1 2", "the", "cat"]),
        (b"3 3\n1 2 1 2 3\nthe 1 2 3\ncat 1 2 3\n", ["1 2", "the", "cat"]),
    ],
)
def test_words_are_told_from_numbers(tmp_path, data, words):
    path = tmp_path / "v.txt"
    path.write_bytes(data)
    vectors = read_word_vectors(path)
    assert vectors.words == words
    assert vectors.vectors.shape == (len(words), 3)
    assert vectors.vectors[-1].tolist() == [1, 2, 3]


def test_vectors_of_one_number(tmp_path):
    assert read_word_vectors(write(tmp_path / "a.txt", "5 7\na 1\n")).words == [
        "5",
        "a",
    ]
    assert read_word_vectors(write(tmp_path / "b.txt", "1 1\na 5\n")).words == ["a"]


@pytest.mark.parametrize(
    "text, message",
    [
        ("2 3\nthe 1 2\ncat 1 2\n", "line 1 says .* have 3 numbers, .* it have 2"),
        ("2 3\nthe 1 2 3 4\ncat 1 2 3 4\n", "line 1 says .* have 3 numbers, .* have 4"),
        ("3 2\nthe 1 2\ncat 1 2\n", "line 1 says .* 3 words, and 2 follow"),
        ("1 2\nthe 1 2\ncat 1 2\n", "line 1 says .* 1 words, and 2 follow"),
        ("2 3\n", "line 1 says .* 2 words, and 0 follow"),
    ],
)
def test_a_header_that_is_wrong_is_refused(tmp_path, text, message):
    with pytest.raises(ValueError, match=f"v.txt {message}"):
        read_word_vectors(write(tmp_path / "v.txt", text))


def test_a_number_is_not_one_of_python_alone(tmp_path):
    path = write(tmp_path / "v.txt", "cat 1 2\nthe 1_0 2\n")
    with pytest.raises(ValueError, match="v.txt line 2 must be a word in UTF-8 and 2"):
        read_word_vectors(path)


@pytest.mark.parametrize("number", ["nan", "-nan", "inf", "-inf", "1e39", "infinity"])
@pytest.mark.parametrize("line", [1, 2, 150])
def test_numbers_that_are_not_finite_are_refused(tmp_path, number, line):
    lines = [f"w{i} 1 2" for i in range(1, 200)]
    lines[line - 1] = f"put 1 {number}"
    path = write(tmp_path / "v.txt", "\n".join(lines))
    with pytest.raises(
        ValueError, match=f"v.txt line {line}: the vector of 'put' must"
    ):
        read_word_vectors(path)
    assert len(read_word_vectors(path, keep=["w3", "w9"]).words) == 2


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_other_encodings_are_named(tmp_path, encoding):
    path = tmp_path / "v.txt"
    path.write_bytes("the 1 2\ncat 3 4\n".encode(encoding))
    name = encoding.upper().replace("-LE", "LE").replace("-BE", "BE")
    with pytest.raises(ValueError, match=f"v.txt must be UTF-8. It is {name}"):
        read_word_vectors(path)


def test_one_string_is_no_collection_of_words(tmp_path):
    with pytest.raises(ValueError, match="`keep` must be a list of strings.*'the cat'"):
        read_word_vectors(write(tmp_path / "v.txt", "t 1 2\n"), keep="the cat")


def test_one_file_is_read(tmp_path):
    for name in "ab":
        write(tmp_path / f"{name}.txt", "t 1 2\n")
    with pytest.raises(ValueError, match="must be one file. Received 2"):
        read_word_vectors(tmp_path / "*.txt")


def test_words_with_spaces_and_words_that_occur_twice(tmp_path):
    path = write(tmp_path / "v.txt", "a 1 2\n. . 3 4\na 5 6\nnb\u00a0sp 7 8\n")
    words, vectors, _ = read_word_vectors(path)
    assert words == ["a", ". .", "nb\u00a0sp"]
    assert vectors[0].tolist() == [1.0, 2.0]


def test_only_what_is_asked_for_is_kept(tmp_path):
    lower = write(tmp_path / "lower.txt", "the 1 2\ncat 3 4\n")
    vectors = read_word_vectors(lower, keep=["Cat", "dog"])
    assert vectors.words == ["cat"] and vectors.lowercase
    cased = write(tmp_path / "cased.txt", "cat 3 4\nThe 1 2\nthe 5 6\n")
    vectors = read_word_vectors(cased, keep=["Cat", "the"])
    assert vectors.words == ["the"] and not vectors.lowercase
    nothing = read_word_vectors(lower, keep=[])
    assert nothing.vectors.shape == (0, 2)


@pytest.mark.parametrize(
    "text, line",
    [
        ("a 1 2\nb 1\n", 2),
        ("a 1 2\nb 1 x\n", 2),
        ("a 1 2\nb c 1 x\nd 1 2\n", 2),
        ("a\n", 1),
        ("2 0\na\nb\n", 2),
        ("a 1 2\n\n", 2),
        ("a 1 2\n 1 2\nb 1 2\n", 2),
        ("a 1 2\nb 1 2\nc 3", 3),
    ],
)
def test_a_bad_line_is_named(tmp_path, text, line):
    path = write(tmp_path / "bad.txt", text)
    with pytest.raises(ValueError, match=rf"bad.txt line {line} must be a word"):
        read_word_vectors(path)


def test_an_empty_file_and_a_missing_one(tmp_path):
    with pytest.raises(ValueError, match="is empty"):
        read_word_vectors(write(tmp_path / "empty.txt", ""))
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
