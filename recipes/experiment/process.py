"""What a program needs of its process. Import this before Keras.

The import itself loads TensorFlow, without what it prints; `prepare_process`, at the
start of `main`, does the rest.
"""

import argparse
import contextlib
import importlib
import logging
import math
import os
import sys
import tempfile

# Lines of TensorFlow about the machine.
_MACHINE_LINES = (b"I0000 ", b"WARNING: All log messages before absl")


def load_tensorflow():
    """Import TensorFlow, without lines about the machine.

    It takes the level of its messages from the environment, but some of its libraries
    write before they have read it. With a level below 3, errors alone, all is shown.
    """
    if os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3") != "3":
        return
    try:
        standard_error = os.dup(2)
    except OSError:  # closed, as of some services
        return
    with tempfile.TemporaryFile() as written:
        os.dup2(written.fileno(), 2)
        try:
            with contextlib.suppress(ImportError):  # other backends do without it
                importlib.import_module("tensorflow")
        finally:
            os.dup2(standard_error, 2)
            os.close(standard_error)
            written.seek(0)
            for line in written:
                if not line.startswith(_MACHINE_LINES):
                    os.write(2, line)


load_tensorflow()


def prepare_process():
    """Prepare memory, logging and output for a training."""
    from glomo_keras.pretraining.process_memory import keep_freed_memory  # after it

    keep_freed_memory()
    # One model after another is no retracing of one function, as TensorFlow warns.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    # Texts and their units are printed, whatever the locale.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # not where something replaced it
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


class UsageError(ValueError):
    """What the command line asks for does not go together with what is on disk."""


@contextlib.contextmanager
def one_line_errors():
    """End the program with one line and status 1 where a traceback tells no more.

    That is for what the command line asks for in vain, a file that is missing or a
    disk that is full, a package that is not installed, and a training that has
    diverged.
    """
    try:
        yield
    except (FloatingPointError, ImportError, OSError, UsageError) as error:
        # One that names a module is Python's own, of what may be no extra.
        if getattr(error, "name", None) is not None:
            raise
        raise SystemExit(f"error: {error}") from error


@contextlib.contextmanager
def usage_errors():
    """Turn what the library says of options and files into a `UsageError`."""
    try:
        yield
    except (TypeError, ValueError) as error:
        raise UsageError(str(error)) from error


def positive_int(text):
    """Return an int above zero, of the command line."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(
            f"must be a positive integer. Received: {text!r}"
        )
    return int(text)


def non_negative_int(text):
    """Return an int of zero or more, of the command line."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(
            f"must be an integer of 0 or more. Received: {text!r}"
        )
    return int(text)


def positive_float(text):
    """Return a finite float above zero, of the command line."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0.0 < number < math.inf:
        raise argparse.ArgumentTypeError(
            f"must be a positive number. Received: {text!r}"
        )
    return number
