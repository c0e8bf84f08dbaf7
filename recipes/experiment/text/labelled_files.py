"""Labelled data sets by a path or a tensorflow-datasets name."""

import json
from pathlib import Path

import numpy as np

from experiment.process import UsageError
from glomo_keras.data.text_files import byte_lines
from glomo_keras.data.text_files import find_files
from glomo_keras.data.tfds_sets import find_builder


def data_file(folder, names, hint):
    """Return the path of the first file that is there, plain or with `.gz`.

    Args:
        folder: str, a folder, here or under `GLOMO_DATA`.
        names: tuple of str, names of the file without `.gz`, as it is published.
        hint: str, the tensorflow-datasets name of the same data.

    Raises:
        FileNotFoundError: if none of them is there; says what to do.
    """
    candidates = [
        str(Path(folder) / f"{name}{suffix}")
        for name in names
        for suffix in ("", ".gz")
    ]
    for path in candidates:
        try:
            return find_files(path)[0]
        except FileNotFoundError:
            continue
    raise FileNotFoundError(
        f"None of {', '.join(candidates)} exists, here or under GLOMO_DATA. Give "
        "--data the folder that holds it, or let tensorflow-datasets fetch the data: "
        f"--data {hint}."
    )


def read_json_document(path):
    """Return the JSON document in a file, plain or gzip.

    Raises:
        UsageError: if it is none; names the file.
    """
    try:
        return _whole_characters(json.loads(b"".join(byte_lines(path))))
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not a JSON document: {error}.") from error


def read_json_lines(path, fields, check=lambda row: None, aliases=None):
    """Return dicts, one a line, that have all of `fields`.

    Args:
        path: path of the file.
        fields: tuple of str.
        check: function of a dict that says what is wrong with it, or returns `None`.
        aliases: dict by field of the name that it is published under, which is taken
            where the field is missing.

    Raises:
        UsageError: for a line that is no JSON object with them, or in which `check`
            finds something wrong; names file and line.
    """
    rows = []
    for number, line in enumerate(byte_lines(path), start=1):
        if not line.strip():
            continue
        try:
            row = _whole_characters(json.loads(line))
        except (ValueError, RecursionError) as error:
            raise UsageError(f"{path} line {number} is not JSON: {error}.") from error
        if isinstance(row, dict):
            for field, alias in (aliases or {}).items():
                if field not in row and alias in row:
                    row[field] = row.pop(alias)
        if not isinstance(row, dict) or any(name not in row for name in fields):
            raise UsageError(
                f"{path} line {number} must be a JSON object with the fields "
                f"{list(fields)}. Received: {line[:80].decode(errors='replace')!r}."
            )
        problem = check(row)
        if problem:
            raise UsageError(
                f"{path} line {number}: {problem} Correct the line, or remove it."
            )
        rows.append(row)
    return rows


def read_tfds(spec, split, check=lambda row: None):
    """Examples of a split of `tfds:NAME` as dicts; byte strings become strings.

    Args:
        spec: str, `tfds:NAME`.
        split: str.
        check: as for `read_json_lines`.

    Raises:
        UsageError: for an example in which `check` finds something wrong; names the
            data set and the split.
    """
    builder = find_builder(spec.removeprefix("tfds:"))
    import tensorflow_datasets as tfds

    builder.download_and_prepare()
    dataset = builder.as_dataset(split=split, shuffle_files=False)
    rows = [_decoded(example) for example in tfds.as_numpy(dataset)]
    for number, row in enumerate(rows):
        problem = check(row)
        if problem:
            raise UsageError(
                f"{spec}, example {number} of {split}: {problem} Give another data set."
            )
    return rows


def tfds_version(spec):
    """Return the full name, with its version, of the data set of `tfds:NAME`."""
    return find_builder(spec.removeprefix("tfds:")).info.full_name


def text_problem(row, fields):
    """Return what is wrong with a row whose `fields` must be strings, or `None`."""
    for name in fields:
        if not isinstance(row.get(name), str):
            return f"`{name}` must be a string. Received: {row.get(name)!r:.80}."
    return None


def _whole_characters(value):
    """Return a JSON value whose strings have U+FFFD in place of halves of characters.

    JSON can write one half of a surrogate pair, which is in no encoding. Places in a
    string stay where they are.
    """
    if isinstance(value, str):
        if value.isascii():
            return value
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {name: _whole_characters(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_whole_characters(item) for item in value]
    return value


def _decoded(value):
    """Return a value of tensorflow-datasets with strings in place of bytes."""
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    if isinstance(value, dict):
        return {name: _decoded(item) for name, item in value.items()}
    if isinstance(value, np.ndarray) and value.dtype == np.dtype(object):
        return [_decoded(item) for item in value]
    return value
