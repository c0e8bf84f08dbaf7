"""Text files: what identifies one, and which bytes are read as lines."""

import gzip
import json
import os

import pytest

from glomo_keras.data.text_files import byte_lines
from glomo_keras.data.text_files import describe_source


@pytest.mark.parametrize("change", [b"b", b"A", b"a "])
def test_a_source_is_identified_by_all_of_its_content(tmp_path, change, monkeypatch):
    path = tmp_path / "text.txt"
    head, tail = b"x" * 100_003, b"y" * 100_003
    path.write_bytes(head + b"a" + tail)
    source = describe_source(path)
    assert describe_source(str(path)) == source == json.loads(json.dumps(source))
    time = path.stat()
    path.write_bytes(head + change + tail)
    os.utime(path, ns=(time.st_atime_ns, time.st_mtime_ns))
    assert describe_source(path) != source
    path.write_bytes(head + b"a" + tail)
    monkeypatch.setenv("GLOMO_DATA", str(tmp_path))
    assert describe_source("text.txt") == source  # at any time and from any place
    with pytest.raises(FileNotFoundError, match="no.txt"):
        describe_source("no.txt")


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_lines_and_marks(tmp_path, pack):
    path = tmp_path / "lines"
    mark = b"\xef\xbb\xbf"
    path.write_bytes(pack(mark + b"a\r\n" + mark + b"b\n\nc\xe9\n" + b"d" * 99_999))
    lines = [b"a\r\n", b"b\n", b"\n", b"c\xe9\n", b"d" * 99_999]
    assert list(byte_lines(path)) == list(byte_lines(str(path))) == lines
    path.write_bytes(pack(b""))
    assert list(byte_lines(path)) == []


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32-le"])
def test_labelled_lines_in_other_encodings_are_refused(tmp_path, encoding):
    path = tmp_path / "train.jsonl"
    path.write_bytes('{"text": "A film.", "label": 1}\n'.encode(encoding))
    with pytest.raises(ValueError, match="train.jsonl must be UTF-8. It is UTF-"):
        list(byte_lines(path))
