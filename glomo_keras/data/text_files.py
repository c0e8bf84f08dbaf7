"""Text files, plain or gzip: finding, identifying and reading them."""

import codecs
import glob
import gzip
import hashlib
import os
import pathlib
import re
import zlib

_GZIP_MAGIC = b"\x1f\x8b"
_PATTERN = re.compile(r'"([^"]*)"|([^,\s]+)')
_HEAD_BYTES = 1024  # by which an encoding is recognized


def find_files(patterns):
    """Find files by path or pattern, here or under the folder `GLOMO_DATA`.

    Args:
        patterns: string, one or more paths or patterns (`books/*.txt`), separated by
            commas or spaces. One that holds such is in double quotes.

    Returns:
        List of paths, in the order of the patterns.

    Raises:
        FileNotFoundError: if a path or pattern matches no file.
    """
    if _candidates(patterns.strip()):  # one path that holds spaces or commas
        return _candidates(patterns.strip())
    paths = []
    for quoted, plain in _PATTERN.findall(patterns):
        pattern = quoted or plain
        matches = _candidates(pattern) if pattern else []
        if pattern and not matches:
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
        paths += matches
    return paths


def find_other_files(patterns, without):
    """Find files, all but some; see `find_files`.

    Args:
        patterns: string.
        without: paths of files that are left out.

    Raises:
        FileNotFoundError: if a path or pattern matches no file, or no other ones.
    """
    left_out = {os.path.realpath(path) for path in without}
    paths = find_files(patterns)
    others = [path for path in paths if os.path.realpath(path) not in left_out]
    if paths and not others:
        raise FileNotFoundError(
            f"{patterns!r} matches no file but those that are written of a corpus: "
            f"{paths[0]}. Give the paths of the texts."
        )
    return others


def find_file(path):
    """Find one file by its path or a pattern; see `find_files`.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if there are several.
    """
    paths = find_files(str(path))
    if len(paths) != 1:
        raise ValueError(
            f"{path} must be one file. Received {len(paths)} of that name: {paths}."
        )
    return paths[0]


def _candidates(pattern):
    pattern = os.path.expanduser(pattern)
    roots = [pathlib.Path()]
    if os.environ.get("GLOMO_DATA"):
        roots.append(pathlib.Path(os.environ["GLOMO_DATA"]))
    for root in roots:
        whole = str(root / pattern)
        if os.path.exists(whole):
            names = [whole]
        else:  # the folder of the environment is no pattern
            names = sorted(glob.glob(os.path.join(glob.escape(str(root)), pattern)))
        paths = [pathlib.Path(name) for name in names]
        if paths:
            return [path for path in paths if path.is_file()] or _reject(paths[0])
    return []


def _reject(path):
    raise FileNotFoundError(
        f"{path} is a folder. Name its files, for instance {path / '*.txt'}."
    )


def describe_source(path):
    """Return what identifies a file, to tell whether what was made from it is stale.

    The checksum is that of the whole file: one byte in the middle may change without
    its size, and a copied or unpacked file may keep the time of another. Hashing takes
    about a second a gigabyte, far less than reading the text in it does.

    Args:
        path: path of a file, here or under the folder `GLOMO_DATA`.

    Returns:
        Dict of `name`, `bytes` (int) and `sha256` (string), for JSON.

    Raises:
        FileNotFoundError: if there is no such file.

    Example:

    >>> import tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "text.txt"
    >>> _ = path.write_text("A text.")
    >>> source = describe_source(path)
    >>> source["name"], source["bytes"], source["sha256"][:8]
    ('text.txt', 7, '3b6444e2')
    """
    path = find_file(path)
    with open(path, "rb") as file:
        checksum = hashlib.file_digest(file, "sha256").hexdigest()
        return {"name": path.name, "bytes": file.tell(), "sha256": checksum}


def byte_lines(path, nul_bytes=False):
    """Yield the lines of a UTF-8 file, plain or gzip, as bytes with their line ends.

    Byte-order marks are dropped. Other bytes that are not UTF-8 are left to the caller.

    Args:
        path: path of the file.
        nul_bytes: bool, whether lines may hold NUL bytes.

    Raises:
        OSError: if an archive is damaged, or a file only named like one; names it.
        ValueError: if the text is UTF-16 or UTF-32, or holds a NUL byte; names the file
            and what it is.
    """
    path = pathlib.Path(path)
    with open(path, "rb") as file:
        is_gzip = file.read(2) == _GZIP_MAGIC
        file.seek(0)
        if path.suffix == ".gz" and not is_gzip:
            raise OSError(
                f"{path} is not a gzip archive, although it is named like one. "
                "Remove the .gz from its name if it is plain text, or fetch it again."
            )
        stream = gzip.GzipFile(fileobj=file) if is_gzip else file
        try:
            encoding = _wide_encoding(stream.peek(_HEAD_BYTES)[:_HEAD_BYTES])
            if encoding:
                raise ValueError(
                    f"{path} must be UTF-8. It is {encoding}. Convert it, for instance "
                    f"by `iconv -f {encoding} -t UTF-8`."
                )
            for number, line in enumerate(stream, start=1):
                if not nul_bytes and b"\0" in line:
                    raise ValueError(
                        f"{path} line {number} holds a NUL byte: the file must be "
                        "UTF-8 text, and is binary, UTF-16 or UTF-32. Convert it."
                    )
                # Files that were joined have marks inside, too.
                yield line.removeprefix(codecs.BOM_UTF8)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise OSError(
                f"{path} is a damaged or truncated gzip archive ({error}). "
                "Fetch or make it again."
            ) from error


def _wide_encoding(head):
    """Return the name of an encoding of two or four bytes a character, or `None`."""
    marks = {  # the longer ones first: that of UTF-32 begins like that of UTF-16
        codecs.BOM_UTF32_LE: "UTF-32",
        codecs.BOM_UTF32_BE: "UTF-32",
        codecs.BOM_UTF16_LE: "UTF-16",
        codecs.BOM_UTF16_BE: "UTF-16",
    }
    for mark, encoding in marks.items():
        if head.startswith(mark):
            return encoding
    # Without a mark, the high bytes tell: those of Latin letters and spaces are zero.
    parts = [head[place::4] for place in range(4)]
    zeros = [part.count(0) / max(1, len(part)) for part in parts]
    if zeros[2] > 0.5 and zeros[3] == 1:
        return "UTF-32LE"
    if zeros[0] == 1 and zeros[1] > 0.5:
        return "UTF-32BE"
    if min(zeros[1], zeros[3]) > 0.5 > max(zeros[0], zeros[2]):
        return "UTF-16LE"
    if min(zeros[0], zeros[2]) > 0.5 > max(zeros[1], zeros[3]):
        return "UTF-16BE"
    return None
