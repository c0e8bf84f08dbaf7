"""Running prose out of docstrings and plain documentation pages."""

import inspect
import re

# A doctest, directive, field, table, HTML, Markdown heading, list item, ...
_NOT_PROSE_LINE = re.compile(
    r">>>|\.\.\.|\.\. |:\w+[^:`]*:(?!`)|\||\+[-=]|[@#%$] ?|In \[|Out\[|</?\w"
    r"|[-*+•o] |\(?\w{1,2}[.)] "
)
_UNDERLINE = re.compile(r"[=\-~^\"'*+#`.]{3,}")  # of a heading
# What an entry of a parameter table begins with: `name (type): Text`.
_ENTRY = re.compile(r"[`*]*\w[\w.]*[`*]*(?: ?\([^)]*\))?: +(?=[A-Z])")
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


def prose_paragraphs(text, min_words=10):
    """Return the paragraphs of a docstring that read as running English.

    A paragraph ends at a blank line, at a change of indentation, and at an entry of a
    parameter table, whose description is one. What is then left of code, doctests,
    lists, headings, mathematics, directives, links and licences is not made of English
    sentences, and is left out. reStructuredText and Markdown marks are removed.

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
    paragraphs = map(clean_marks, _paragraphs(text))
    return [paragraph for paragraph in paragraphs if is_prose(paragraph, min_words)]


def clean_marks(text):
    """Remove reStructuredText and Markdown marks and links from a paragraph."""
    for pattern, replacement in _INLINE:
        text = pattern.sub(replacement, text)
    return " ".join(text.replace("`", "").split())


def is_prose(text, min_words):
    """Tell whether a cleaned paragraph is made of English sentences."""
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


def _paragraphs(text):
    lines, indent, is_hanging, is_fenced = [], 0, False, False
    for line in [*inspect.cleandoc(text).expandtabs().split("\n"), ""]:
        content = line.strip()
        is_fence = content.startswith(("```", "~~~"))
        is_fenced ^= is_fence
        depth = len(line) - len(line.lstrip())
        entry = _ENTRY.match(content)
        is_moved = depth != indent and not is_hanging
        if lines and (not content or is_fence or is_fenced or entry or is_moved):
            yield " ".join(lines)
            lines = []
        if _UNDERLINE.fullmatch(content):
            lines = []
        elif content and not is_fence and not is_fenced:
            content = content[entry.end() :] if entry else content
            is_code = bool(_NOT_PROSE_LINE.match(content))
            lines.append("|" if is_code else content)  # rejects the whole paragraph
            # What follows the first line of an entry or an item may be indented more.
            is_hanging = bool(entry) or is_code
        indent = depth
