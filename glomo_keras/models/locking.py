"""One writer at a time in a folder, and no reader while it writes."""

import contextlib
import os

try:
    import fcntl
except ImportError:  # Windows, which has no such locks
    fcntl = None


@contextlib.contextmanager
def locked(folder, shared=False):
    """Waits for the lock of a folder and holds it.

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
