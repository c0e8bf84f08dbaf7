"""Text files, plain or gzip: finding them, and reading their lines."""

import glob
import gzip
import os
import pathlib
import re
import zlib

_GZIP_MAGIC = b"\x1f\x8b"


def find_files(patterns):
    """Finds files by path or pattern, here or under the folder `GLOMO_DATA`.

    Args:
        patterns: string, one or more paths or patterns (`books/*.txt`), separated by
            commas or spaces.

    Returns:
        List of paths, in the order of the patterns.

    Raises:
        FileNotFoundError: if a path or pattern matches no file.
    """
    if _candidates(patterns.strip()):  # one path that holds spaces or commas
        return _candidates(patterns.strip())
    paths = []
    for pattern in re.split(r"[,\s]+", patterns.strip()):
        found = _candidates(pattern) if pattern else []
        if pattern and not found:
            folder = os.environ.get("GLOMO_DATA")
            tried = f"here ({os.getcwd()})" + (
                f" nor under GLOMO_DATA ({folder})" if folder else ""
            )
            raise FileNotFoundError(
                f"No file matches {pattern!r}, neither {tried}."
                if folder
                else f"No file matches {pattern!r} {tried}. Check the path, or set "
                "GLOMO_DATA to the folder that relative paths start from."
            )
        paths += found
    return paths


def _candidates(pattern):
    pattern = os.path.expanduser(pattern)
    roots = [pathlib.Path()]
    if os.environ.get("GLOMO_DATA"):
        roots.append(pathlib.Path(os.environ["GLOMO_DATA"]))
    for root in roots:
        whole = str(root / pattern)
        names = [whole] if os.path.exists(whole) else sorted(glob.glob(whole))
        paths = [pathlib.Path(name) for name in names]
        if paths:
            return [path for path in paths if path.is_file()] or _reject(paths[0])
    return []


def _reject(path):
    raise FileNotFoundError(
        f"{path} is a folder. Name its files, for instance {path / '*.txt'}."
    )


def byte_lines(path):
    """Lines of a file, plain or gzip, as bytes with their line ends.

    Raises:
        OSError: if the archive is damaged, or is none; the message names the file.
    """
    with open(path, "rb") as file:
        is_gzip = file.read(2) == _GZIP_MAGIC
        file.seek(0)
        if path.suffix == ".gz" and not is_gzip:
            raise OSError(
                f"{path} is not a gzip archive, although it is named like one. "
                "Remove the .gz from its name if it is plain text, or fetch it again."
            )
        if not is_gzip:
            yield from file
            return
        try:
            yield from gzip.GzipFile(fileobj=file)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise OSError(
                f"{path} is a damaged or truncated gzip archive ({error}). "
                "Fetch or make it again."
            ) from error
