"""Strings of Python: one where a list is meant, and those that UTF-8 cannot hold."""

import re

_SURROGATE = re.compile("[\ud800-\udfff]")


def check_string_list(name, value):
    """Raise if one string is given where a list of strings is meant.

    A string is a sequence of letters, so that each of them would count as a text.

    Args:
        name: string, name of the argument.
        value: the argument.

    Raises:
        ValueError: if it is one string.

    Example:

    >>> check_string_list("texts", "a text")
    Traceback (most recent call last):
    ValueError: `texts` must be a list of strings. Received one string: 'a text'. Put it
    into a list.
    """
    if isinstance(value, str | bytes) or getattr(value, "shape", None) == ():
        if not isinstance(value, str | bytes):
            value = str(value)
        raise ValueError(
            f"`{name}` must be a list of strings. Received one string: {value[:60]!r}. "
            "Put it into a list."
        )


def replace_surrogates(text):
    r"""Return a string that UTF-8 can hold, of the same length.

    JSON can escape one half of a surrogate pair alone, which is no character. Each
    becomes the replacement character U+FFFD.

    Args:
        text: string; other values are returned as they are.

    Example:

    >>> replace_surrogates("bad \ud83d film") == "bad \ufffd film"
    True
    """
    if isinstance(text, str) and not text.isascii():
        return _SURROGATE.sub("\ufffd", text)
    return text
