"""The text file of a vocabulary: its format, and the check of all its lines."""

import typing
import unicodedata

PADDING_MARK = "[PAD]"
UNKNOWN_MARK = "[UNK]"
LOWERCASE_OPTION = "lowercase=true"


class VocabularyFile(typing.NamedTuple):
    """What the file of a vocabulary says.

    Attributes:
        units: list of strings by id, the two reserved marks first.
        lowercase: bool, whether units are lowered before they are looked up.
    """

    units: list
    lowercase: bool


def parse_vocabulary(content, source):
    r"""Return what the bytes of a vocabulary file say, once all of it is checked.

    Args:
        content: bytes, the whole file.
        source: path or string, what messages call it.

    Returns:
        `VocabularyFile`, a named tuple `(units, lowercase)`.

    Raises:
        ValueError: if it is no vocabulary: not UTF-8, without the two reserved marks,
            or with a line that is empty, repeated or holds white space, or capitals
            where units are lowered; names the line.

    Example:

    >>> parse_vocabulary(b"[PAD] lowercase=true\n[UNK]\nthe\n", "words.txt")
    VocabularyFile(units=['[PAD]', '[UNK]', 'the'], lowercase=True)
    >>> parse_vocabulary(b"[PAD]\n[UNK]\nthe\nthe\n", "words.txt")
    Traceback (most recent call last):
    ValueError: words.txt line 4 repeats the unit 'the'. Every unit has one id.
    """
    if content[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in content:
        raise ValueError(
            f"{source} is not a vocabulary: it must be UTF-8, and is UTF-16, UTF-32 or "
            "binary. Convert it to UTF-8."
        )
    try:
        lines = content.decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{source} is not a vocabulary: byte {error.start} is not UTF-8. Convert "
            "it to UTF-8."
        ) from error
    if lines[-1] == "":  # after the newline that ends the last unit
        lines.pop()
    first_line, *units = lines or [""]
    mark, space, option = first_line.partition(" ")
    if mark != PADDING_MARK or (space and option != LOWERCASE_OPTION):
        raise ValueError(
            f"{source} line 1 must be {PADDING_MARK!r} or "
            f"'{PADDING_MARK} {LOWERCASE_OPTION}'. Received: {first_line[:60]!r}. Give "
            "a file that `Vocabulary.save` wrote."
        )
    if units[:1] != [UNKNOWN_MARK]:
        raise ValueError(
            f"{source} line 2 must be {UNKNOWN_MARK!r}. Received: {units[:1]}. Give a "
            "file that `Vocabulary.save` wrote."
        )
    lowercase = option == LOWERCASE_OPTION
    check_vocabulary_units(
        units[1:], lambda index: f"{source} line {index + 3}", lowercase
    )
    return VocabularyFile([PADDING_MARK, *units], lowercase)


def check_vocabulary_units(units, where, lowercase=False):
    """Raise unless strings can be the units of a vocabulary, the marks left out.

    Args:
        units: list of strings.
        where: function of an index, which names its place in messages.
        lowercase: bool, whether units are lowered before they are looked up.

    Raises:
        ValueError: if a unit is empty, holds white space, or occurs twice; or holds
            capitals with `lowercase`.
        TypeError: if one is no string.

    Example:

    >>> check_vocabulary_units(["the", "two words"], "unit {}".format)
    Traceback (most recent call last):
    ValueError: unit 1 must be a unit without white space. Received: 'two words'. Remove
    the line or the space.
    """
    seen = {PADDING_MARK, UNKNOWN_MARK}
    for index, unit in enumerate(units):
        if not isinstance(unit, str):
            raise TypeError(f"{where(index)} must be a string. Received: {unit!r}.")
        # White space would break the file, and no unit of a text holds any.
        if unit.split() != [unit] or "\0" in unit:
            raise ValueError(
                f"{where(index)} must be a unit without white space. "
                f"Received: {unit!r}. Remove the line or the space."
            )
        if unit in seen:
            raise ValueError(
                f"{where(index)} repeats the unit {unit!r}. Every unit has one id."
            )
        if lowercase and _has_capitals(unit):
            raise ValueError(
                f"{where(index)} must be in lower case: with lowercase=true the units "
                f"of texts are lowered before they are looked up. Received: {unit!r}. "
                f"Give {unit.lower()!r}, or a vocabulary that does not lower."
            )
        seen.add(unit)


def _has_capitals(unit):
    if unit == unit.lower():
        return False
    # Younger capitals than these may stay: TensorFlow, which lowers, lacks some.
    known = unicodedata.ucd_3_2_0
    return any(c != c.lower() and known.category(c) != "Cn" for c in unit)
