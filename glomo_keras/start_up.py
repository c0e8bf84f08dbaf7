"""The start of the command line: what TensorFlow prints about the machine is left out.

TensorFlow comes with Keras, and Keras with the library, before any line of the program
itself has run. So the package looks at how the process was started; a program that
imports the library keeps the messages it asked for.
"""

import contextlib
import os
import pathlib
import sys
import tempfile

SCRIPT = "glomo-keras"
_MACHINE_LINES = (b"I0000 ", b"WARNING: All log messages before absl")


def is_script():
    """Return whether the process was started as `glomo-keras`."""
    return pathlib.PurePath(_program()).stem == SCRIPT


def program_name():
    """Return how the command line was, or could be, started."""
    return SCRIPT if is_script() else "python -m glomo_keras"


def is_command_line():
    """Return whether the process is `glomo-keras` or `python -m glomo_keras`."""
    if _program() != "-m":  # the first argument while Python locates the module
        return is_script()
    return sys.orig_argv[-len(sys.argv)] in ("glomo_keras", "-mglomo_keras")


def quiet_command_line():
    """Return a context to import in, which is quiet in the command line alone."""
    return without_machine_lines() if is_command_line() else contextlib.nullcontext()


def _program():
    return sys.argv[0] if getattr(sys, "argv", None) else ""  # none where embedded


@contextlib.contextmanager
def without_machine_lines():
    """Import TensorFlow in here, directly or not, without lines about the machine.

    It takes the level of its messages from the environment, but some of its libraries
    write before they have read it. All else that is written to standard error comes
    when the import has ended. With a level below 3, errors alone, all is shown.
    """
    streams = None
    if os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3") == "3":
        streams = _standard_error_and_file()
    if streams is None:
        yield
        return
    standard_error, written = streams
    os.dup2(written.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(standard_error, 2)
        with written, contextlib.suppress(OSError):
            written.seek(0)
            for line in written:
                if not line.startswith(_MACHINE_LINES):
                    os.write(standard_error, line)
        os.close(standard_error)


def _standard_error_and_file():
    """Return a copy of standard error, and a file; `None` where one cannot be had."""
    try:
        return os.dup(2), tempfile.TemporaryFile()
    except OSError:
        return None
