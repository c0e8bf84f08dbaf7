"""A window of ids as the bytes of a record, and back."""

import numpy as np

_HEADER = np.dtype("<i8")


def encode_records(ids, documents, starts, limits):
    """Yield records: the number of a document in its source, and ids of a window.

    Args:
        ids: array `(num_units,)`, of the type that records have.
        documents, starts, limits: int arrays `(num_windows,)`.
    """
    headers = np.asarray(documents).astype(_HEADER)
    for header, start, limit in zip(headers, starts, limits, strict=True):
        yield header.tobytes() + ids[start:limit].tobytes()


def decode_ids(records, dtype, length):
    """Return the ids of records, padded with 0.

    Args:
        records: list of bytes.
        dtype: the type of ids in records.
        length: int, the length of the longest or more.

    Returns:
        Int32 array `(num_records, length)`.
    """
    ids = np.zeros((len(records), length), np.int32)
    for row, record in zip(ids, records, strict=True):
        units = np.frombuffer(record, dtype, offset=_HEADER.itemsize)
        row[: len(units)] = units
    return ids


def decode_documents(records):
    """Return the numbers of documents of records: list of ints."""
    return [int(np.frombuffer(record, _HEADER, 1)[0]) for record in records]
