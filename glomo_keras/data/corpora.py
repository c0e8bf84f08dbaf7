"""Corpora by one spec string: files, tensorflow-datasets, documentation, toys."""

import dataclasses
import functools
import hashlib
import re
import warnings

from glomo_keras.data import documentation
from glomo_keras.data import planted
from glomo_keras.data.text_files import byte_lines
from glomo_keras.data.text_files import describe_source
from glomo_keras.data.text_files import find_other_files
from glomo_keras.data.tfds_sets import find_builder

# "= Title =" or, in the same style, the title of a section: "= = Title = =".
_TITLE = re.compile(r"=+ .*\S =+")
_TFDS_SPEC = re.compile(
    r"(?P<name>[^:]+(?::[\d.*]+)?)"  # a colon and digits: a version, as tfds writes it
    r"(?::(?P<split>[A-Za-z_]\w*(?:\[[^\]]*\])?))?"
    r"(?::(?P<key>\w+))?"
)


@dataclasses.dataclass
class DocumentCounts:
    """What a pass over a corpus has read and skipped so far.

    Attributes:
        documents: int, documents given out.
        lines: int, lines (of files) or texts (of data sets) read.
        skipped_lines: int, those that were skipped because they are not UTF-8.
    """

    documents: int = 0
    lines: int = 0
    skipped_lines: int = 0


class Documents:
    """The documents of a corpus, as strings; may be iterated over many times.

    Args:
        spec: the spec string.
        describe: function without arguments that returns `sources`.
        read: function of `DocumentCounts`, which it counts in, that yields strings.

    Attributes:
        spec: the spec string.
        counts: `DocumentCounts` of the latest pass.
        sources: list of dicts for JSON, which tell whether the corpus is still the
            same: see `describe_source`. Of a data set of tensorflow-datasets they are
            its name and version, which stand for fixed data: what it downloads must
            have known checksums.
    """

    def __init__(self, spec, describe, read):
        self.spec = spec
        self.counts = DocumentCounts()
        self._describe = describe
        self._read = read

    @functools.cached_property
    def sources(self):
        # On demand: it takes as long as reading the files without their text.
        return self._describe()

    def __iter__(self):
        self.counts = counts = DocumentCounts()
        for document in self._read(counts):
            counts.documents += 1
            yield document
        if not counts.documents:
            raise ValueError(
                f"The corpus {self.spec!r} is empty: {counts.lines} lines were read, "
                f"{counts.skipped_lines} of them skipped because they are not UTF-8, "
                "and no text was left. Give files or a data set with running text."
            )


def read_documents(spec, without=()):
    r"""Find the corpus that `spec` names and return its documents.

    - `docs`: English documentation of Python and of the packages that this library
      requires, see `glomo_keras.data.documentation`.
    - `planted`: a toy of 20,000 texts of 64 units with known links, see
      `planted_sequences`.
    - `files:PATH...`: text files, plain or gzip, UTF-8. Several paths are separated
      by commas or spaces, and each may be a pattern (`files:books/*.txt,more.txt.gz`)
      or, where it holds such itself, in double quotes (`files:"my text.txt" b.txt`).
      A blank line or a `= Title =` line ends a document, whose lines are joined.
      Lines that are not UTF-8 are skipped, counted and reported by a warning. A
      relative path that does not exist is looked up in the folder that the
      environment variable `GLOMO_DATA` names.
    - `tfds:NAME[:SPLIT[:FEATURE]]`: a data set of tensorflow-datasets, one document
      an example: `tfds:lm1b`, `tfds:imdb_reviews:unsupervised`,
      `tfds:glue/sst2:train[:10%]:sentence`. The split is `train` and the feature the
      only text feature (or the one called `text`) where they are not given. Those
      that are made with Beam, such as `tfds:wikipedia/20230601.en`, take
      `pip install apache-beam mwparserfromhell` where no copy can be fetched ready.

    Args:
        spec: string, as above.
        without: paths of files that are left out where a pattern matches them.

    Returns:
        `Documents`: iterate for strings; `.counts` tells what was skipped.

    Raises:
        ValueError: for a spec that is none of these; when it is iterated over, for
            an empty corpus, and for a file in UTF-16, UTF-32 or with NUL bytes.
        TypeError: for a spec that is no string.
        FileNotFoundError: if a path or pattern matches no file, or those of `without`
            alone.
        OSError: if an archive is damaged (when it is iterated over).

    Example:

    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "text.txt"
    >>> _ = path.write_text("A first text,\nof two lines.\n\nA second one.")
    >>> documents = read_documents(f"files:{path}")
    >>> list(documents), documents.counts.skipped_lines
    (['A first text, of two lines.', 'A second one.'], 0)
    """
    if not isinstance(spec, str):
        raise TypeError(
            "`spec` must be one string; several paths follow 'files:' in it. "
            f"Received: {spec!r:.80}."
        )
    kind, _, rest = spec.partition(":")
    if kind == "docs" and not rest:
        return Documents(
            spec,
            lambda: [documentation.docs_source()],
            lambda counts: documentation.docs_documents(),
        )
    if kind == "planted" and not rest:
        return Documents(
            spec, lambda: [_planted_source()], lambda counts: _planted_documents()
        )
    if kind == "files" and rest.strip():
        paths = find_other_files(rest, without)
        return Documents(
            spec,
            lambda: [describe_source(path) for path in paths],
            lambda counts: _read_files(paths, counts),
        )
    if kind == "tfds" and rest:
        match = _TFDS_SPEC.fullmatch(rest)
        if match:
            return _tfds_documents(spec, **match.groupdict())
    raise ValueError(
        "`spec` must be 'docs', 'planted', 'files:PATH...' or "
        f"'tfds:NAME[:SPLIT[:FEATURE]]'. Received: {spec!r}. "
        "To read files, write 'files:' before their paths."
    )


def is_title(line):
    """Whether a line is the title of a document or section, which ends a document."""
    return _TITLE.fullmatch(line) is not None


@functools.lru_cache(maxsize=1)
def _planted_ids():
    return planted.planted_sequences(20_000, seed=0).unit_ids


def _planted_source():
    # Its code may change, and so may the generators of NumPy.
    content = _planted_ids().tobytes()
    checksum = hashlib.sha256(content).hexdigest()
    return {"name": "planted", "bytes": len(content), "sha256": checksum}


def _planted_documents():
    names = planted.planted_vocabulary()
    for unit_ids in _planted_ids().tolist():
        yield " ".join(names[unit_id] for unit_id in unit_ids)


def _read_files(paths, counts):
    for path in paths:
        lines = []
        for line in _text_lines(path, counts):
            if line and not is_title(line):
                lines.append(line)
            elif lines:
                yield " ".join(lines)
                lines = []
        if lines:
            yield " ".join(lines)


def _text_lines(path, counts):
    """Yield stripped lines; those that are not UTF-8 are counted and left out."""
    skipped = []
    for number, line in enumerate(byte_lines(path), start=1):
        counts.lines += 1
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError:
            counts.skipped_lines += 1
            skipped.append(number)
            continue
        yield text.strip()
    if skipped:
        warnings.warn(
            f"{path}: skipped {len(skipped)} of {number} lines that are not UTF-8 "
            f"(the first is line {skipped[0]}). Convert the file to keep them.",
            stacklevel=2,
        )


def _tfds_documents(spec, name, split, key):
    builder = find_builder(name)
    import tensorflow_datasets as tfds

    features = builder.info.features
    text_keys = sorted(
        name for name, kind in features.items() if isinstance(kind, tfds.features.Text)
    )
    if key is None and ("text" in text_keys or len(text_keys) == 1):
        key = "text" if "text" in text_keys else text_keys[0]
    if key not in text_keys:
        raise ValueError(
            f"{spec!r}: the feature must be one of {text_keys}, the text features of "
            f"{name!r}. Received: {key!r}. Write tfds:{name}:SPLIT:FEATURE."
        )

    def read(counts):
        builder.download_and_prepare()
        dataset = builder.as_dataset(split=split or "train", shuffle_files=False)
        for example in tfds.as_numpy(dataset):
            counts.lines += 1
            try:
                text = example[key].decode("utf-8")
            except UnicodeDecodeError:
                counts.skipped_lines += 1
                continue
            if text.strip():
                yield text
        if counts.skipped_lines:
            warnings.warn(
                f"{spec}: skipped {counts.skipped_lines} of {counts.lines} examples "
                "that are not UTF-8.",
                stacklevel=2,
            )

    return Documents(spec, lambda: [{"name": builder.info.full_name}], read)
