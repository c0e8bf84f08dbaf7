"""Prose: what of a docstring is English, and what is left out."""

import pytest

from glomo_keras.data.prose import clean_marks
from glomo_keras.data.prose import is_prose
from glomo_keras.data.prose import prose_paragraphs

NUMPY_STYLE = """\
Return the sum of the elements that are not masked by the user.

The sum is taken over the given axis,
and over all of them if there is none.

Parameters
----------
a : array_like
    The elements that are to be added, and that are converted to an array.
axis : int
    Short one.

Returns
-------
total : ndarray

See Also
--------
prod : The product of the elements, which is what you may have been looking for.

Notes
-----
The accuracy is that of a pairwise sum, which is better than that of a loop.

Examples
--------
This is the sentence that introduces an example, and it is not a whole one:

>>> add([1, 2])
3
"""
GOOGLE_STYLE = """\
    Adds a thing to the other thing, in the order that they are given.

    For instance, one can call it with two numbers as in the following code:

        The code of an example may be mistaken for a text when it is long.

    ```
    A fenced block may have a sentence in it, and it is to be left out.
    ```

    - The first item of a list that is not a paragraph of running text.
      And its second line, that is no paragraph of running text either.

    Args:
        x: The first of both things. It should be a number, and it may not be zero.
        y: Number.
        z (int): Whether the result
            is to be written to the file that was given before, or not at all.
        q: An example follows here, and it has code in it that no one can read:
            >>> q
    Returns:
        The thing that you get when you add the one thing to the other thing.

    Raises:
        ValueError: If the first of the things is not a number, or if it is zero.

    Example:
        A sentence in an example that is not code is in the text of the corpus.
    """


def test_numpy_style():
    assert prose_paragraphs(NUMPY_STYLE) == [
        "Return the sum of the elements that are not masked by the user.",
        "The sum is taken over the given axis, and over all of them if there is none.",
        "The elements that are to be added, and that are converted to an array.",
        "The accuracy is that of a pairwise sum, which is better than that of a loop.",
    ]


def test_google_style():
    assert prose_paragraphs(GOOGLE_STYLE) == [
        "Adds a thing to the other thing, in the order that they are given.",
        # Indented like code, but English.
        "The code of an example may be mistaken for a text when it is long.",
        "The first of both things. It should be a number, and it may not be zero.",
        "Whether the result is to be written to the file that was given before, or not "
        "at all.",
        "The thing that you get when you add the one thing to the other thing.",
        "If the first of the things is not a number, or if it is zero.",
        "A sentence in an example that is not code is in the text of the corpus.",
    ]


@pytest.mark.parametrize(
    "marked, plain",
    [
        ("see :class:`~numpy.ndarray` and :func:`add`", "see numpy.ndarray and add"),
        ("the :ref:`second page <page-2>` has it", "the second page has it"),
        ("a ``double`` and a `single` one", "a double and a single one"),
        ("a **strong** and an *emphasized* word", "a strong and an emphasized word"),
        ("2 * 3 * 5 and *args", "2 * 3 * 5 and *args"),
        ("as `it says <https://a.b/c>`_ there", "as it says there"),
        ("as [it says](https://a.b/c) there", "as it says there"),
        ("as it says (see https://a.b/c).", "as it says."),
        ("as was shown [1]_, and before [Knuth98]_.", "as was shown, and before."),
        ("as in [1]_ for all", "as | for all"),
    ],
)
def test_marks_are_removed(marked, plain):
    assert clean_marks(marked) == plain


@pytest.mark.parametrize(
    "text",
    [
        "Too short.",
        "(It is an aside, and it is of no use where the text of it is not.)",
        "it does not begin like a sentence, and so it may be a part of one.",
        "It does not end like a sentence, and so it may be a part of one",
        "It has $x^2$ in it, and that is not what one would call a text.",
        "This file is under the license that you have been given with it.",
        "It has (one bracket that is not closed, and it may be a part of one.",
        "Alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu.",
        "See https://example.org for what is to be known of it and of the others.",
        "If x == y == z then it is to be known that f(a, b, c, d) is the one.",
    ],
)
def test_what_is_not_prose(text):
    assert not is_prose(text, min_words=8)


def test_few_words_are_no_paragraph():
    text = "It has as many words as it is asked for."
    assert prose_paragraphs(text, min_words=10) == [text]
    assert prose_paragraphs(text, min_words=11) == []


def test_empty_docstrings():
    assert prose_paragraphs("") == prose_paragraphs(" \n\n") == []
    assert prose_paragraphs("Args:") == prose_paragraphs("Notes\n-----") == []
