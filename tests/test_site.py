"""The reference site: every public name is on it, and no link is dead."""

import importlib
import importlib.util
import pathlib
import re
import subprocess
import sys

import pytest

from website.links import broken_links

ROOT = pathlib.Path(__file__).parents[1]
needs_generator = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("zensical", "mkdocstrings_handlers"))),
    reason='the site needs `pip install "glomo_keras[docs]"`',
)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Built without a warning, and without a broken link: the program checks both."""
    site = tmp_path_factory.mktemp("built") / "site"
    command = [sys.executable, "website/build.py", "--output", str(site)]
    result = subprocess.run(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert result.returncode == 0, result.stdout
    return site


def test_a_folder_that_is_no_site_stays(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    command = [sys.executable, "website/build.py", "--output", str(tmp_path)]
    result = subprocess.run(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    assert result.returncode == 2
    assert "--output must be empty or a site" in result.stderr
    assert (tmp_path / "notes.txt").read_text() == "mine"


@needs_generator
def test_every_public_name_has_a_heading(site):
    modules = {path.parent.name for path in ROOT.glob("glomo_keras/*/__init__.py")}
    modules -= {"pretraining"}  # of the command and the recipes, without public names
    pages = {path.stem: path.read_text("utf-8") for path in site.glob("reference/*")}
    assert pages.keys() == modules
    for name, page in pages.items():
        headings = re.findall(rf'<h2 id="glomo_keras\.{name}\.(\w+)"', page)
        listed = importlib.import_module(f"glomo_keras.{name}").__all__
        assert sorted(headings) == sorted(listed), name


@needs_generator
def test_all_sections_of_a_docstring_are_shown(site):
    page = (site / "reference" / "layers.html").read_text("utf-8")
    entry = page[page.index('<h2 id="glomo_keras.layers.GraphTransfer"') :]
    entry = entry[: entry.index("<h3")]
    for title in ("Arguments", "Call arguments", "Returns", "Raises", "Example"):
        assert re.search(rf"<(strong|span[^>]*)>{title}:</", entry), title
    arguments, call_arguments = entry.split("Call arguments:")
    assert "<code>message_dim</code></b>" in arguments
    assert "<code>return_graphs</code></b>" in call_arguments
    assert "<code>messages = [M_forward H V; M_backward H V] " in arguments
    assert '<span class="go">(2, 7, 22)</span>' in call_arguments  # of the example


@needs_generator
def test_no_docstring_is_shown_as_it_was_written(site):
    for path in site.glob("reference/*.html"):
        page = re.sub(r"<pre>.*?</pre>", "", path.read_text("utf-8"), flags=re.S)
        assert "&gt;&gt;&gt;" not in page and "```" not in page, path.name
        plain = re.search(r"<p>(Args|Attributes|Call arguments|Returns|Raises):", page)
        assert not plain, (path.name, plain)


@needs_generator
def test_lists_are_lists(site):
    """The generator wants an empty line before a list, other readers do not."""
    for path in site.rglob("*.html"):
        page = re.sub(r"<pre>.*?</pre>", "", path.read_text("utf-8"), flags=re.S)
        assert not re.search(r"\n- \S", page), path.name


@needs_generator
def test_guides_are_pages_and_name_the_reference(site):
    guides = {path.stem for path in ROOT.glob("docs/*.md")} - {"README"}
    assert guides | {"index"} == {path.stem for path in site.glob("docs/*.html")}
    page = (site / "docs" / "transfer.html").read_text("utf-8")
    target = "../reference/layers.html#glomo_keras.layers.GraphTransfer"
    assert f'<a href="{target}"><code>GraphTransfer</code></a>' in page


def test_broken_links_are_found(tmp_path):
    (tmp_path / "guides").mkdir()
    (tmp_path / "index.html").write_text(
        '<h1 id="top"></h1><a href="#top"></a><a href="#none"></a>'
        '<a href="guides/"></a><a href="none.html"></a>'
        '<a href="https://arxiv.org/abs/1806.05662"></a>'
        '<script src="https://elsewhere.example/program.js"></script>'
    )
    (tmp_path / "guides" / "index.html").write_text(
        '<a href="../index.html#top"></a><a href="../index.html#bottom"></a>'
        '<img src="none.png">'
    )
    assert broken_links(tmp_path) == [
        "guides/index.html: ../index.html#bottom",
        "guides/index.html: none.png",
        "index.html: #none",
        "index.html: none.html",
        "index.html: https://elsewhere.example/program.js",
    ]
