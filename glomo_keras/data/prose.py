"""Running prose out of docstrings and plain documentation pages."""

import inspect
import re

# Headings, in Google and NumPy style, of tables whose entries may hold prose ...
_ENTRIES_HEADING = re.compile(
    r"(?:\w+ )?(?:arg(?:ument)?s?|kwargs|param(?:eter)?s?|attributes?|keywords?"
    r"|properties|options|fields|inputs?|outputs?|returns?|yields?|raises?|warns)"
    r"(?: \(.*\))?",
    re.IGNORECASE,
)
# ... and of sections that hold code, shapes or lists of names.
_SKIPPED_HEADING = re.compile(
    r"(?:\w+ )?(?:examples?|usage|references?|see also|methods|functions|classes"
    r"|shapes?|routine listings|environment variables|version|todo)(?: \(.*\))?",
    re.IGNORECASE,
)
_UNDERLINE = re.compile(r"[=\-~^\"'*+#`.]{3,}")
# A doctest, directive, field, table, HTML, Markdown heading, list item, ...
_NOT_PROSE_LINE = re.compile(
    r">>>|\.\.\.|\.\. |:\w+[^:`]*:(?!`)|\||\+[-=]|[@#%$] ?|In \[|Out\[|</?\w"
    r"|[-*+•o] |\(?\w{1,2}[.)] "
)
# An entry of a table: `name: text` (Google) or `name : type` (NumPy).
_ENTRY = re.compile(
    r"[`*'\"]*\w[\w.`*'\", -]*?(?: ?\([^)]*\))?(?P<colon> ?):(?:\s+(?P<text>.*)|$)"
)
_INLINE = [
    (re.compile(r"`([^`<]*?)\s*<[^>`]*>`__?"), r"\1"),  # `text <target>`_
    (re.compile(r":[\w:+.-]+:`([^`<]*?)\s*<[^>`]*>`"), r"\1"),  # :role:`text <target>`
    (re.compile(r":[\w:+.-]+:`~?!?([^`]*)`"), r"\1"),  # :role:`text`
    (re.compile(r"!?\[([^\]]*)\]\([^)\s]*\)"), r"\1"),  # [text](target)
    # A citation that is part of the sentence leaves a hole: "|" gets it rejected.
    (re.compile(r"\b(and|by|from|in|of|on|or|see|also|to|with) \[[^\]]*\]_"), "|"),
    (re.compile(r"\s*\[(?:\d+|[A-Z]\w*\d+|#\w*)\]_?"), ""),  # [1]_, [Knuth98]
    (re.compile(r"``?~?([^`]*)``?_?"), r"\1"),
    (re.compile(r"(\*\*?)(?=\w)([^*]+?)(?<=\w)\1(?!\w)"), r"\2"),
    (re.compile(r"\s*\((?:see )?<?https?://[^\s)>]*>?\)"), ""),
    (re.compile(r"\s+([,.;:?!])(?=\s|$)"), r"\1"),
]
_REJECTED = re.compile(
    r"[\\{}|@^~$<>]|=.*=.*=|%\(|\w\(.*,.*,.*,|\.\.\.|[_/]{2}|--|::|\[\[|\]\]|\w @ \w"
    r"|licen[sc]e|copyright|warrant(?:y|ies)|redistribut|all rights|deprecat"
    r"|TODO|FIXME|XXX|\bb/\d|\bpylint\b|\bnoqa\b|following types",
    re.IGNORECASE,
)
_FUNCTION_WORDS = frozenset(
    "a an and are as at be been but by can do does for from has have if in into is it "
    "its may more must no not of on only or other should so such than that the their "
    "them then there these they this those to was were when where which while will "
    "with you your".split()
)
_MIN_ENTRY_WORDS = 12


def prose_paragraphs(text, min_words=8):
    """Returns the paragraphs of a docstring that read as running English.

    Code, doctests, lists, headings, mathematics, directives, links and licences are
    left out; of a parameter table, only descriptions in whole sentences are kept.
    reStructuredText and Markdown marks are removed.

    Args:
        text: string, a docstring or a page of plain text documentation.
        min_words: int, shorter paragraphs are left out.

    Returns:
        List of strings, one paragraph each, on one line.

    Example:

    >>> prose_paragraphs('''Adds.
    ...
    ... The `first` and the ``second`` argument are added, in this order.
    ...
    ... Args:
    ...     first: Number.
    ... ''')
    ['The first and the second argument are added, in this order.']
    """
    candidates = []  # (text, fewest words)
    outer = None  # indentation of a list or example, whose deeper blocks are skipped
    for lines in _blocks(inspect.cleandoc(text)):
        if outer is not None and _indent(lines[0]) > outer:
            continue
        outer = None
        heading = lines[0].strip(" :*#`")
        is_underlined = len(lines) > 1 and _UNDERLINE.fullmatch(lines[1].strip())
        if is_underlined or _ENTRIES_HEADING.fullmatch(heading):
            lines = lines[2 if is_underlined else 1 :]
        if _SKIPPED_HEADING.fullmatch(heading):
            outer = _indent(lines[0]) if lines else 0
        elif not lines:
            continue
        elif _ENTRIES_HEADING.fullmatch(heading) or _ENTRY.match(lines[0].strip()):
            outer = _indent(lines[0])
            candidates += [(entry, _MIN_ENTRY_WORDS) for entry in _entries(lines)]
        elif _NOT_PROSE_LINE.match(lines[0].strip()) or lines[-1].rstrip()[-1] == ":":
            outer = _indent(lines[0])  # a list, or what it announces: code or a list
        elif len({_indent(line) for line in lines[1:]}) <= 1:
            candidates.append((" ".join(line.strip() for line in lines), min_words))
    paragraphs = [(clean_marks(candidate), least) for candidate, least in candidates]
    return [text for text, least in paragraphs if is_prose(text, least)]


def clean_marks(text):
    """Removes reStructuredText and Markdown marks and links from a paragraph."""
    for pattern, replacement in _INLINE:
        text = pattern.sub(replacement, text)
    return " ".join(text.replace("`", "").split())


def is_prose(text, min_words):
    """Tells whether a cleaned paragraph is made of English sentences."""
    words = text.split()
    if len(words) < min_words or _REJECTED.search(text):
        return False
    if not text.lstrip("\"'")[:1].isupper() or text[-1] not in ".?!)\"'":
        return False
    if text.count("(") != text.count(")") or text.count('"') % 2:
        return False
    plain = [word.strip("\"'.,;:?!()").lower() for word in words]
    return (
        sum(word in _FUNCTION_WORDS for word in plain) >= 0.22 * len(words)
        and sum(map(str.isalpha, plain)) >= 0.75 * len(words)
        and sum(map(str.isalpha, text)) >= 0.9 * sum(map(len, words))
    )


def _entries(lines):
    """Descriptions in a parameter table, without the names and types."""
    outer, texts = _indent(lines[0]), [""]
    for line in lines:
        entry = _ENTRY.match(line.strip()) if _indent(line) <= outer else None
        if entry:
            is_type = entry["colon"] == " "
            texts.append("" if is_type else entry["text"] or "")
        elif _NOT_PROSE_LINE.match(line.strip()):
            texts[-1] += " |"  # a list or code: rejected as a whole
        else:
            texts[-1] += " " + line.strip()
    return texts


def _blocks(text):
    """Groups of lines between blank lines; fenced code is left out."""
    blocks, lines, fence = [], [], None
    for line in [*text.expandtabs().split("\n"), ""]:
        mark = line.strip()[:3]
        if mark in ("```", "~~~"):
            fence = None if fence else mark
            line = ""
        elif fence:
            continue
        if line.strip():
            lines.append(line)
        elif lines:
            blocks.append(lines)
            lines = []
    return blocks


def _indent(line):
    return len(line) - len(line.lstrip())
