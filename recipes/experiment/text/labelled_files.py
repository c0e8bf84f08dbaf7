"""Labelled data sets by a path or a tensorflow-datasets name."""

import json
from pathlib import Path

import numpy as np

from glomo_keras.data.text_files import byte_lines
from glomo_keras.data.text_files import find_files
from glomo_keras.data.tfds_sets import find_builder


def data_file(folder, name, hint):
    """Path of `folder/name`, plain or with `.gz`; what to do where it is missing.

    Args:
        folder: str, a folder, here or under `GLOMO_DATA`.
        name: str, of the file without `.gz`.
        hint: str, the tensorflow-datasets name of the same data.
    """
    tried = [str(Path(folder) / f"{name}{suffix}") for suffix in ("", ".gz")]
    for path in tried:
        try:
            return find_files(path)[0]
        except FileNotFoundError:
            continue
    raise FileNotFoundError(
        f"Neither {tried[0]} nor {tried[1]} exists, here or under GLOMO_DATA. Give "
        f"--data the folder that holds it, or let tensorflow-datasets fetch the data: "
        f"--data {hint}."
    )


def read_json(path):
    """The JSON document in a file, plain or gzip."""
    try:
        return json.loads(b"".join(byte_lines(path)))
    except ValueError as error:
        raise ValueError(f"{path} is not a JSON document: {error}.") from error


def read_json_lines(path, fields, check=lambda row: None):
    """Dicts, one a line, that have all of `fields`.

    Args:
        path: path of the file.
        fields: tuple of str.
        check: function of a dict that says what is wrong with it, or returns `None`.

    Raises:
        ValueError: for a line that is no JSON object with them, or in which `check`
            finds something wrong; names file and line.
    """
    rows = []
    for number, line in enumerate(byte_lines(path), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise ValueError(f"{path} line {number} is not JSON: {error}.") from error
        if not isinstance(row, dict) or any(name not in row for name in fields):
            raise ValueError(
                f"{path} line {number} must be a JSON object with the fields "
                f"{list(fields)}. Received: {line[:80].decode(errors='replace')!r}."
            )
        wrong = check(row)
        if wrong:
            raise ValueError(
                f"{path} line {number}: {wrong} Correct the line, or remove it."
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
        ValueError: for an example in which `check` finds something wrong; names the
            data set and the split.
    """
    builder = find_builder(spec.removeprefix("tfds:"))
    import tensorflow_datasets as tfds

    builder.download_and_prepare()
    dataset = builder.as_dataset(split=split, shuffle_files=False)
    rows = [_text(example) for example in tfds.as_numpy(dataset)]
    for number, row in enumerate(rows):
        wrong = check(row)
        if wrong:
            raise ValueError(
                f"{spec}, example {number} of {split}: {wrong} Give another data set."
            )
    return rows


def wrong_text(row, fields):
    """What is wrong with a row whose `fields` must be strings, or `None`."""
    for name in fields:
        if not isinstance(row.get(name), str):
            return f"`{name}` must be a string. Received: {row.get(name)!r:.80}."
    return None


def _text(value):
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    if isinstance(value, dict):
        return {name: _text(item) for name, item in value.items()}
    if isinstance(value, np.ndarray) and value.dtype == np.dtype(object):
        return [_text(item) for item in value]
    return value
