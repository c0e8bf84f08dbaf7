"""Corpora: what is a document, what is skipped, and what is refused."""

import gzip

import pytest

from glomo_keras.data import corpora
from glomo_keras.data import planted
from glomo_keras.data import read_documents
from glomo_keras.data.text_files import describe_source

TEXT = """\
= First =
One line.
 Another  line.\t

Second document.
= = A section = =
Third: a = b.
   \t
\r
"""
DOCUMENTS = ["One line. Another  line.", "Second document.", "Third: a = b."]


@pytest.fixture(autouse=True)
def no_data_folder(monkeypatch):
    monkeypatch.delenv("GLOMO_DATA", raising=False)


def test_blank_lines_and_titles_end_documents(tmp_path):
    path = tmp_path / "plain.txt"
    path.write_text(TEXT, "utf-8")
    documents = read_documents(f"files:{path}")
    assert list(documents) == DOCUMENTS
    assert documents.counts.documents == 3
    assert documents.counts.lines == 9
    assert documents.counts.skipped_lines == 0
    assert documents.sources == [describe_source(path)]
    assert documents.sources[0]["bytes"] == len(TEXT)
    assert list(documents) == DOCUMENTS  # and once more


def test_gzip_byte_order_mark_and_windows_lines(tmp_path):
    path = tmp_path / "packed.txt.gz"
    data = b"\xef\xbb\xbf" + TEXT.replace("\n", "\r\n").encode()
    path.write_bytes(gzip.compress(data))
    assert list(read_documents(f"files:{path}")) == DOCUMENTS
    unnamed = tmp_path / "packed"
    unnamed.write_bytes(path.read_bytes())
    assert list(read_documents(f"files:{unnamed}")) == DOCUMENTS


def test_several_paths_patterns_and_separators(tmp_path, monkeypatch):
    for name in ("b2", "b1", "c"):
        (tmp_path / f"{name}.txt").write_text(f"Text {name}")
    (tmp_path / "with space, and comma.txt").write_text("Odd name")
    monkeypatch.chdir(tmp_path)
    expected = ["Text c", "Text b1", "Text b2"]  # a document never crosses files
    for separator in (",", " ", ", ", "\n"):
        assert list(read_documents(f"files:c.txt{separator}b*.txt")) == expected
    assert list(read_documents("files:with space, and comma.txt")) == ["Odd name"]
    quoted = 'files:"with space, and comma.txt" c.txt,"b*.txt"'
    assert list(read_documents(quoted)) == ["Odd name", *expected]


def test_relative_paths_are_looked_up_under_glomo_data(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "far.txt").write_text("Far")
    (tmp_path / "data" / "both.txt").write_text("Wrong")
    (tmp_path / "here" / "both.txt").write_text("Right")
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("GLOMO_DATA", str(tmp_path / "data"))
    spec = "files:far.txt both.txt fa*.txt"
    assert list(read_documents(spec)) == ["Far", "Right", "Far"]
    with pytest.raises(FileNotFoundError, match="'no.txt'.*GLOMO_DATA"):
        read_documents("files:no.txt")


def test_lines_that_are_not_utf8_are_skipped_counted_and_reported(tmp_path):
    path = tmp_path / "mixed.txt"
    path.write_bytes(b"Good.\ncaf\xe9\nGood too.\n\xff\n\nLast.\n")
    documents = read_documents(f"files:{path}")
    with pytest.warns(UserWarning, match=r"mixed.txt: skipped 2 of 6 .* line 2\)"):
        assert list(documents) == ["Good. Good too.", "Last."]
    assert documents.counts.skipped_lines == 2
    assert documents.counts.lines == 6


def test_missing_files_and_folders_are_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match="'absent.txt'.*set GLOMO_DATA"):
        read_documents("files:absent.txt")
    with pytest.raises(FileNotFoundError, match=r"'\*.nothing'"):
        read_documents("files:*.nothing")
    with pytest.raises(FileNotFoundError, match=r"is a folder.*\*\.txt"):
        read_documents(f"files:{tmp_path}")


@pytest.mark.parametrize(
    "damage, message",
    [
        (lambda data: data[: len(data) // 2], "damaged or truncated gzip archive"),
        (lambda data: data[:12] + b"\xff" * 20 + data[32:], "damaged or truncated"),
        (lambda data: data[:-8] + b"\0" * 8, "damaged or truncated"),
        (lambda data: b"plain text\n", "is not a gzip archive"),
    ],
)
def test_unreadable_archives_are_named(tmp_path, damage, message):
    path = tmp_path / "bad.txt.gz"
    lines = "".join(f"Line {i} of {i * 7919 % 1009}.\n" for i in range(997))
    path.write_bytes(damage(gzip.compress(lines.encode())))
    with pytest.raises(
        OSError, match=f"bad.txt.gz {message}|bad.txt.gz is a {message}"
    ):
        list(read_documents(f"files:{path}"))


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize(
    "encoding, name",
    [
        ("utf-16", "UTF-16"),
        ("utf-16-le", "UTF-16LE"),
        ("utf-16-be", "UTF-16BE"),
        ("utf-32", "UTF-32"),
        ("utf-32-le", "UTF-32LE"),
        ("utf-32-be", "UTF-32BE"),
    ],
)
@pytest.mark.parametrize("text", [TEXT, "naïve text\n", "日本 の text for all of us"])
def test_other_encodings_are_named(tmp_path, encoding, name, text, pack):
    path = tmp_path / "wide.txt"
    path.write_bytes(pack(text.encode(encoding)))
    with pytest.raises(
        ValueError, match=f"wide.txt must be UTF-8. It is {name}.*iconv"
    ):
        list(read_documents(f"files:{path}"))


@pytest.mark.parametrize(
    "data, line",
    [
        (b"a\0b\n", 1),
        (b"good\n" * 5_000 + b"\0", 5_001),
        ("\n日本".encode("utf-16-be"), 1),  # few zeros, but one
    ],
)
def test_a_nul_byte_is_named_with_its_line(tmp_path, data, line):
    path = tmp_path / "nul.txt"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=f"nul.txt line {line} holds a NUL byte"):
        list(read_documents(f"files:{path}"))


@pytest.mark.parametrize("data", [b"", b"\n \n", b"= Title =\n"])
def test_an_empty_corpus_is_refused(tmp_path, data):
    path = tmp_path / "empty.txt"
    path.write_bytes(data)
    with pytest.raises(ValueError, match="empty.txt' is empty: .* lines were read"):
        list(read_documents(f"files:{path}"))


@pytest.mark.filterwarnings("ignore:.*skipped")
def test_a_binary_file_is_an_empty_corpus(tmp_path):
    path = tmp_path / "image.png"
    path.write_bytes(bytes(range(128, 256)) * 7)
    with pytest.raises(ValueError, match="1 of them skipped .* not UTF-8"):
        list(read_documents(f"files:{path}"))


@pytest.mark.parametrize(
    "spec", ["", "files:", "files: ", "docs:x", "text.txt", "tfds:", "planted:x"]
)
def test_other_specs_are_refused(spec):
    with pytest.raises(
        ValueError, match="`spec` must be 'docs', 'planted', 'files:PATH...'"
    ):
        read_documents(spec)


@pytest.mark.parametrize("spec", [["files:a.txt"], None, b"docs"])
def test_a_spec_is_one_string(spec):
    with pytest.raises(TypeError, match="`spec` must be one string"):
        read_documents(spec)


@pytest.fixture
def mock_tfds(tmp_path):
    tfds = pytest.importorskip("tensorflow_datasets")
    with tfds.testing.mock_data(num_examples=5):
        yield tfds


@pytest.mark.parametrize(
    "spec",
    [
        "tfds:lm1b",
        "tfds:imdb_reviews",
        "tfds:imdb_reviews/plain_text:unsupervised",
        "tfds:imdb_reviews:train:text",
        "tfds:imdb_reviews:1.0.0:test",
        "tfds:glue/sst2:validation",
    ],
)
def test_tfds_gives_a_document_an_example(mock_tfds, spec):
    documents = read_documents(spec)
    texts = list(documents)
    assert len(texts) == documents.counts.documents == 5
    assert all(isinstance(text, str) and text for text in texts)
    assert documents.sources[0]["name"].startswith(spec.split(":")[1])


@pytest.mark.filterwarnings("ignore::DeprecationWarning:tensorflow_datasets.*")
def test_tfds_has_what_it_prepares_data_sets_with(tmp_path):
    tfds = pytest.importorskip("tensorflow_datasets")
    builder = tfds.builder("imdb_reviews", data_dir=tmp_path)
    assert any("imdb" in url.lower() for url in builder.url_infos)
    # The example of `read_documents` needs nothing else.
    example = tfds.builder("lm1b", data_dir=tmp_path)
    assert not isinstance(example, tfds.core.BeamBasedBuilder)


def test_tfds_slices_are_splits(mock_tfds):
    documents = read_documents("tfds:glue/sst2:train[:60%]:sentence")
    assert documents.counts.documents == 0
    assert list(documents)


def test_tfds_features_are_named_when_one_must_be_chosen(mock_tfds):
    with pytest.raises(ValueError, match=r"one of \['hypothesis', 'premise'\]"):
        read_documents("tfds:glue/mnli")
    with pytest.raises(ValueError, match=r"one of \['text'\].* Received: 'label'"):
        read_documents("tfds:imdb_reviews:train:label")
    with pytest.raises(ValueError, match="no data set 'no_such_set'"):
        read_documents("tfds:no_such_set")


def test_planted_texts_are_the_planted_sequences(monkeypatch):
    documents = read_documents("planted")
    first = next(iter(documents)).split()
    names = planted.planted_vocabulary()
    sequences = planted.planted_sequences(20_000, seed=0)
    assert [names.index(unit) for unit in first] == sequences.unit_ids[0].tolist()
    sources, other = documents.sources, sequences.unit_ids.copy()
    other[777, 7] += 1  # as if the program that writes them had changed
    monkeypatch.setattr(corpora, "_planted_ids", lambda: other)
    assert read_documents("planted").sources != sources
