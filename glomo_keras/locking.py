"""One writer at a time in a folder, and no reader while it writes."""

import contextlib
import os
import pathlib
import socket

try:
    import fcntl
except ImportError:  # Windows, which has no such locks
    fcntl = None


@contextlib.contextmanager
def locked(folder, shared=False):
    """Wait for the lock of a folder and hold it.

    The operating system lets go of the lock when its process ends, so that one which
    was killed blocks nobody. Where there are no such locks, nothing is locked.

    Args:
        folder: path of a folder that exists.
        shared: bool, whether others may hold the lock as well: for readers.

    Example:

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, locked(folder):
    ...     print("nobody else writes here")
    nobody else writes here
    """
    if fcntl is None:
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # some file systems of networks have none
            fcntl.flock(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def held_alone(folder):
    """Hold a folder of long work, and refuse to where another process does.

    Args:
        folder: path of a folder that exists. The file `.lock` in it says who holds it;
            it stays, and is held by nobody once its process has ended.

    Raises:
        RuntimeError: if another process holds the folder; names it.

    Example:

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, held_alone(folder):
    ...     print("nobody else works here")
    nobody else works here
    """
    if fcntl is None:
        yield
        return
    path = pathlib.Path(folder) / ".lock"
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            raise RuntimeError(
                f"{folder} is in use by {file.read().strip() or 'another process'}. "
                "Wait until it has ended, or give another folder."
            ) from error
        except OSError:  # a file system without locks
            yield
            return
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        file.flush()
        yield
