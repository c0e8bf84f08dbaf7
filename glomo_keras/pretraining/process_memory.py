"""Memory of a process that trains."""

import ctypes

_M_TRIM_THRESHOLD = -1
_M_MMAP_MAX = -4


def keep_freed_memory():
    """Ask glibc to keep freed memory for the next step of training.

    By default every large temporary goes back to the system and is mapped, page by
    page, in the next step again: up to half of the time of a training step on a CPU.
    Where the C library has no `mallopt` nothing happens.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    mallopt(_M_MMAP_MAX, 0)
    mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
