"""The corpus of documentation, as it is on this machine."""

import collections
import hashlib
import pathlib
import re
import subprocess
import sys

import pytest

from glomo_keras.data import docs_pages
from glomo_keras.data import documentation
from glomo_keras.data import read_documents

SETUP = (pathlib.Path(__file__).parents[2] / "setup.py").read_text()


@pytest.fixture(scope="module")
def documents():
    return list(read_documents("docs"))


def test_it_is_large_enough_to_train_on(documents):
    num_words = [len(document.split()) for document in documents]
    assert sum(num_words) > 200_000
    assert sum(number for number in num_words if number >= 100) > 150_000


def test_every_source_has_a_part():
    words = collections.Counter()
    for page in docs_pages():
        words[page.source] += sum(len(text.split()) for text in page.paragraphs)
    assert min(words[name] for name in ("python", "numpy", "keras", "tensorflow")) > 2e4
    assert max(words.values()) < sum(words.values()) / 2


def test_it_reads_as_english(documents):
    text = " ".join(documents)
    words = re.findall(r"\w+", text.lower())
    most_common = [word for word, _ in collections.Counter(words).most_common(12)]
    assert most_common[0] == "the"
    assert {"of", "to", "is", "a", "and"} < set(most_common)
    for mark in (">>>", "```", "::", "http://", "https://", ":class:", "---"):
        assert mark not in text
    assert not re.search(r"licen[sc]e|copyright|warranty", text, re.IGNORECASE)


def test_no_paragraph_is_repeated():
    paragraphs = [text for page in docs_pages() for text in page.paragraphs]
    assert len(set(paragraphs)) == len(paragraphs)
    beginnings = collections.Counter(text[:60] for text in paragraphs)
    assert beginnings.most_common(1)[0][1] <= 12


def test_only_what_the_library_requires_is_read_and_nothing_imported():
    program = (
        "import sys; from glomo_keras.data import documentation;"
        "before = set(sys.modules);"
        "pages = list(documentation._raw_pages());"
        "assert {page[0] for page in pages} == {'python', *documentation.PACKAGES};"
        "added = {name.split('.')[0] for name in set(sys.modules) - before};"
        "assert not added & set(documentation.PACKAGES)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    required = re.findall(r'"([a-z-]+)[>=]', SETUP[SETUP.index("install_requires") :])
    names = {name.replace("-", "_") for name in required}
    assert set(documentation.PACKAGES) <= names


def test_the_source_is_the_text(documents, monkeypatch):
    text = "\n".join(documents)
    source = documentation.docs_source()
    assert source["sha256"] == hashlib.sha256(text.encode()).hexdigest()
    pages = list(documentation.docs_pages())
    pages[7] = pages[7]._replace(paragraphs=("Another text.",))
    monkeypatch.setattr(documentation, "docs_pages", lambda: pages)
    assert read_documents("docs").sources != [source]
