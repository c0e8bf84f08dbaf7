"""Corpora as chunks of documents, in which bad documents are set aside."""

import dataclasses

from glomo_keras.data.corpora import is_title
from glomo_keras.data.corpora import read_documents
from glomo_keras.data.text_files import byte_lines
from glomo_keras.data.text_files import find_files
from glomo_keras.data.text_files import find_other_files

# Of one document: what separates documents may be missing from a file.
MAX_CHARACTERS = 20_000_000


@dataclasses.dataclass(frozen=True)
class Source:
    """A part of a corpus that is read from its beginning to its end.

    Attributes:
        number: int, from 0.
        spec: string, see `read_documents`: one file, or a data set.
        split: "train", "valid", or "drawn" where the documents decide.
    """

    number: int
    spec: str
    split: str

    def describe(self):
        """Return the dict that identifies its content, see `Documents.sources`."""
        (content,) = read_documents(self.spec).sources
        return {"spec": self.spec, "split": self.split, **content}


@dataclasses.dataclass(frozen=True)
class Chunk:
    """Documents that follow each other in a source.

    Attributes:
        source: `Source`.
        number: int, from 0 in the source.
        documents: list of `(number, text)`, counted from 0 in the source.
        rejected: list of dicts for JSON: `source`, `document`, `reason` and `text`.
    """

    source: Source
    number: int
    documents: list
    rejected: list

    @property
    def name(self):
        """The name by which its files are known."""
        return f"{self.source.number:05d}-{self.number:06d}"


def find_sources(spec, valid_spec=None, without=()):
    """Return the list of `Source` of a corpus, and of one for validation.

    Args:
        spec, valid_spec: strings; `valid_spec` may be `None`.
        without: paths of files that are left out where a pattern matches them.

    Raises:
        FileNotFoundError, TypeError, ValueError: see `read_documents`.
    """
    sources = []
    splits = [(spec, "drawn")]
    if valid_spec is not None:
        splits = [(spec, "train"), (valid_spec, "valid")]
    for part, split in splits:
        read_documents(part, without)  # which says what is wrong with it
        kind, _, rest = part.partition(":")
        parts = [part]
        if kind == "files":
            parts = [f"files:{path}" for path in find_other_files(rest, without)]
        for single in parts:
            sources.append(Source(len(sources), single, split))
    return sources


def read_chunks(source, num_characters):
    """Yield the `Chunk`s of a source, of about `num_characters` each.

    Raises:
        OSError: if a file is damaged or has gone.
        ValueError: if it is not UTF-8 as a whole.
    """
    number, documents, rejected, characters = 0, [], [], 0
    for place, (text, reason) in enumerate(_documents(source)):
        if reason is None:
            documents.append((place, text))
        else:
            rejected.append(
                {
                    "source": source.spec,
                    "document": place,
                    "reason": reason,
                    "text": text,
                }
            )
        characters += len(text)
        if characters >= num_characters:
            yield Chunk(source, number, documents, rejected)
            number, documents, rejected, characters = number + 1, [], [], 0
    if documents or rejected:
        yield Chunk(source, number, documents, rejected)


def _documents(source):
    """Yield texts, each with the reason to reject it, or `None`."""
    kind, _, rest = source.spec.partition(":")
    if kind == "files":
        (path,) = find_files(rest)
        yield from _file_documents(path)
    else:
        for text in read_documents(source.spec):
            reason = None
            if "\0" in text:
                reason = "a NUL byte"
            elif len(text) > MAX_CHARACTERS:
                reason = f"over {MAX_CHARACTERS:,} characters"
            yield text[:MAX_CHARACTERS], reason


def _file_documents(path):
    lines, characters, reason = [], 0, None
    for line in byte_lines(path, nul_bytes=True):
        of_line = None
        try:
            text = line.decode("utf-8").strip()
        except UnicodeDecodeError:
            text = line.decode("utf-8", "backslashreplace").strip()
            of_line = "not UTF-8"
        if "\0" in text:
            of_line = of_line or "a NUL byte"
        if text and not is_title(text):
            reason = reason or of_line
            characters += len(text) + 1
            if characters > MAX_CHARACTERS:
                reason = reason or (
                    f"over {MAX_CHARACTERS:,} characters without a blank line"
                )
            else:
                lines.append(text)
        elif lines or reason:
            yield " ".join(lines), reason
            lines, characters, reason = [], 0, None
    if lines or reason:
        yield " ".join(lines), reason
