"""The log of a run: log.csv, a row an epoch, every epoch once."""

import csv
import io

import keras

from glomo_keras.files import write_text


def read_log(path):
    """Return the rows of a log by epoch.

    A last row that was not written to its end is left out: its epoch has not finished.

    Args:
        path: path of the log.

    Returns:
        Dict of dicts, the row of every epoch by its number from 0.

    Raises:
        ValueError: if the file is missing or damaged, or an epoch stands in it twice
            or is missing.
    """
    _, rows = _read(path)
    epochs = [int(row["epoch"]) for row in rows]
    doubled = sorted({epoch + 1 for epoch in epochs if epochs.count(epoch) > 1})
    missing = sorted(
        set(range(1, max(epochs, default=-1) + 2)) - {e + 1 for e in epochs}
    )
    for problem, numbers in (("holds twice", doubled), ("lacks", missing)):
        if numbers:
            raise ValueError(
                f"{path} {problem} epochs ({', '.join(map(str, numbers))}): it is not "
                "the log of one run. Leave the run out, or train it again."
            )
    return dict(zip(epochs, rows, strict=True))


def has_rows(path):
    """Return whether a log holds a finished epoch, or is damaged."""
    return path.exists() and path.read_bytes().count(b"\n") > 1


def cut_log(path, num_epochs):
    """Cut a log to the epochs that a checkpoint holds, each of them once.

    A process that ended between the row of an epoch and its checkpoint has left a row
    of an epoch that is trained again.

    Args:
        path: path of the log; may be missing.
        num_epochs: int, finished epochs.
    """
    if not path.exists():
        return
    names, rows = _read(path)
    if not names:  # not even the header was written
        path.unlink()
        return
    by_epoch = {int(row["epoch"]): row for row in rows}  # the last one went on
    finished = [by_epoch[epoch] for epoch in range(num_epochs) if epoch in by_epoch]
    if len(finished) < num_epochs:
        print(f"{path} has the rows of {len(finished)} of {num_epochs} epochs.")
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=names)
    writer.writeheader()
    writer.writerows(finished)
    write_text(path, text.getvalue())


def csv_logger(path, num_epochs):
    """Return the callback that appends to a log, once that is cut; see `cut_log`."""
    cut_log(path, num_epochs)
    return keras.callbacks.CSVLogger(path, append=True)


def _read(path):
    """Return the names of the columns, and the rows that were written to their end."""
    try:
        content = path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1].decode("utf-8")
        reader = csv.DictReader(io.StringIO(whole, newline=""), strict=True)
        rows = list(reader)
        names = reader.fieldnames or []
        if whole and "epoch" not in names:
            raise ValueError("there is no column `epoch`")
        for row in rows:
            if None in row or None in row.values() or int(row["epoch"]) < 0:
                raise ValueError(f"line {rows.index(row) + 2} does not fit the header")
    except (FileNotFoundError, ValueError, csv.Error) as error:
        raise ValueError(
            f"{path} is missing or damaged ({error}). Restore it, or move it away."
        ) from error
    return names, rows
