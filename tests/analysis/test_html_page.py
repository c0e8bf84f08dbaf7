"""The page of graphs: what it holds, and what a browser shows of it."""

import re

import numpy as np
import pytest
from browser import data_of
from browser import in_a_browser
from browser import in_browser

from glomo_keras.analysis import save_html

UNITS = ["the", "old", "dog", "barks"]


def tiny_graphs():
    """Two layers of two heads, of a text of four units."""
    forward = np.zeros((1, 2, 2, 4, 4))
    forward[0, 0, 0, [1, 2, 3], [0, 1, 2]] = 1  # each reads the one before
    forward[0, 0, 1, [1, 2, 3], [0, 0, 0]] = 1  # each reads the first
    forward[0, 1, 0, 3, [1, 2]] = 0.25, 0.75
    backward = np.zeros_like(forward)
    backward[0, 1, 1, [0, 1], [2, 2]] = 1, 0.5
    return {"forward": forward, "backward": backward}


def test_a_page_holds_the_edges_of_every_head(tmp_path):
    path = save_html(tmp_path / "page.html", tiny_graphs(), [[*UNITS, ""]])
    data, page = data_of(path)
    assert (data["layers"], data["heads"]) == (2, 2)
    (text,) = data["texts"]
    assert text["units"] == UNITS
    assert text["forward"][1] == [[3, 1, 250, 3, 2, 750], []]
    assert text["backward"][1] == [[], [0, 2, 1000, 1, 2, 500]]
    assert text["backward"][0] == [[], []]
    outside = re.findall(r"(?:src|href)=|https?://[^\"'\s]+", page)
    assert outside == ["http://www.w3.org/2000/svg"]  # a name, not an address


def test_rows_are_cut_at_the_strongest_senders(tmp_path, random):
    graph = np.tril(random.random((9, 9)), -1)
    graphs = {"forward": graph[None, None, None]}
    path = save_html(tmp_path / "page.html", graphs, [list("abcdefghi")], max_senders=2)
    edges = np.reshape(data_of(path)[0]["texts"][0]["forward"][0][0], (-1, 3))
    for receiver in range(2, 9):
        senders = edges[edges[:, 0] == receiver, 1].tolist()
        assert senders == sorted(np.argsort(graph[receiver])[-2:].tolist())


def test_units_cannot_end_the_script(tmp_path):
    units = ["</script>", "<!--", "&amp;", "\u2028", "😀"]
    graphs = {"forward": np.zeros((1, 1, 1, 5, 5))}
    data, page = data_of(save_html(tmp_path / "page.html", graphs, [units]))
    assert data["texts"][0]["units"] == units
    assert page.count("</script>") == 2


def test_lone_surrogates_are_replacement_characters(tmp_path):
    units = ["bad \ud83d", "film"]
    graphs = {"forward": np.zeros((1, 1, 1, 2, 2))}
    path = save_html(tmp_path / "page.html", graphs, [units], title="caf\udce9")
    data, _ = data_of(path)
    assert data["title"] == "caf\ufffd"
    assert data["texts"][0]["units"] == ["bad \ufffd", "film"]


@pytest.mark.parametrize(
    ("graphs", "units", "message"),
    [
        ({}, [UNITS], "of one shape"),
        ({"forward": np.zeros((2, 2, 4, 4))}, [UNITS], "A single text is graphs"),
        ({"forward": np.zeros((1, 1, 1, 4, 4))}, None, "`units` must be given"),
        ({"forward": np.zeros((1, 1, 1, 3, 3))}, [UNITS], "name the units"),
        ({"forward": np.zeros((1, 1, 1, 3, 3))}, [["", ""]], "have no unit"),
        ({"forward": -np.ones((1, 1, 1, 1, 1))}, [["a"]], "finite weights"),
    ],
)
def test_other_graphs_are_refused_and_nothing_is_written(
    graphs, units, message, tmp_path
):
    with pytest.raises(ValueError, match=message):
        save_html(tmp_path / "page.html", graphs, units)
    assert not list(tmp_path.iterdir())


@in_a_browser
def test_what_is_chosen_is_what_is_shown(tmp_path):
    path = save_html(tmp_path / "page.html", tiny_graphs(), [UNITS])
    result = in_browser(
        path,
        """
        result.push(arcs());
        set("head", "0"); result.push(arcs());
        set("threshold", "0.5"); result.push(arcs());
        set("layer", "product"); set("head", "0"); result.push(arcs());
        set("layer", "1"); set("head", "1"); set("direction", "forward");
        result.push(arcs());
        set("direction", "backward"); result.push(arcs());
        """,
    )
    assert result[0] == [  # the means of the heads of the last layer, from 0.15
        "barks reads dog: 0.375",
        "old reads dog: 0.250",
        "the reads dog: 0.500",
    ]
    assert result[1] == ["barks reads dog: 0.750", "barks reads old: 0.250"]
    assert result[2] == ["barks reads dog: 0.750"]
    # "barks" reads "dog", which has read "old" in the layer before.
    assert result[3] == ["barks reads old: 0.750"]
    assert result[4] == []
    assert result[5] == ["old reads dog: 0.500", "the reads dog: 1.000"]


@in_a_browser
def test_a_word_shows_what_it_reads_by_mouse_and_by_keyboard(tmp_path):
    path = save_html(tmp_path / "page.html", tiny_graphs(), [UNITS])
    result = in_browser(
        path,
        """
        set("head", "0");
        word(3).dispatchEvent(new MouseEvent("mouseenter"));
        result.push(info(), arcs().length);
        word(3).dispatchEvent(new MouseEvent("mouseleave"));
        result.push(info());
        word(0).dispatchEvent(new MouseEvent("mouseenter"));
        result.push(info(), arcs().length);
        word(0).dispatchEvent(new MouseEvent("mouseleave"));
        word(0).focus();
        for (const key of ["ArrowRight", "ArrowRight"])
          document.activeElement.dispatchEvent(new KeyboardEvent("keydown", {key}));
        result.push(document.activeElement.textContent, info());
        """,
    )
    assert result == [
        "“barks” (4) reads dog 0.75, old 0.25.",
        2,
        "",
        "“the” (1) reads nothing and is read by nothing, at these weights.",
        0,
        "dog",
        "“dog” (3) is read by barks 0.75.",
    ]


@in_a_browser
def test_a_heat_map_shows_weights_of_pairs(tmp_path):
    path = save_html(tmp_path / "page.html", tiny_graphs(), [UNITS])
    result = in_browser(
        path,
        """
        set("map"); set("head", "0");
        const canvas = document.querySelector("canvas");
        const pixel = (row, column) => [...canvas.getContext("2d").getImageData(
          column * 12 + 5, row * 12 + 5, 1, 1).data].slice(0, 3);
        result.push(pixel(3, 2), pixel(3, 1), pixel(0, 0));
        const box = canvas.getBoundingClientRect();
        canvas.dispatchEvent(new MouseEvent("mousemove", {
          clientX: box.left + 2.5 * box.width / 4,
          clientY: box.top + 3.5 * box.height / 4}));
        result.push(info());
        """,
    )
    strong, weak, none, text = result
    assert sum(strong) < sum(weak) < sum(none) == 3 * 0xF2
    assert strong[2] > strong[0]  # blue
    assert text == "“barks” (4) reads “dog” (3): 0.750"


@in_a_browser
def test_long_texts_other_scripts_and_several_texts(tmp_path, random):
    long = np.tril(random.random((1, 2, 4, 200, 200)) ** 8, -1)
    graphs = np.zeros((3, 2, 4, 200, 200))
    graphs[0] = long / np.maximum(long.sum(-1, keepdims=True), 1e-9)
    graphs[1:, :, :, 1, 0] = 1
    units = [[f"word{i}" for i in range(200)], ["הכלב", "הגדול"], ["😀", "<b>"]]
    path = save_html(tmp_path / "page.html", {"forward": graphs}, units)
    result = in_browser(
        path,
        """
        result.push(document.querySelectorAll("section").length);
        result.push([0, 1].map(i => Number(word(i, 1).getAttribute("x"))));
        result.push([0, 1].map(i => Number(word(i, 2).getAttribute("x"))));
        result.push(word(0, 2).textContent + word(1, 2).textContent);
        set("threshold", "0.05"); result.push(arcs().length > 200);
        result.push(document.body.scrollWidth <= window.innerWidth);
        """,
    )
    number, right_to_left, left_to_right, text, has_arcs, fits = result
    assert number == 3 and has_arcs and fits
    assert right_to_left[0] > right_to_left[1]
    assert left_to_right[0] < left_to_right[1]
    assert text == "😀<b>"


@in_a_browser
def test_choices_are_in_the_address(tmp_path):
    path = save_html(tmp_path / "page.html", tiny_graphs(), [UNITS])
    steps = """
        const canvas = document.querySelector("canvas");
        result.push(arcs(), canvas.hidden);
        set("direction", "backward");
        result.push(location.hash);
    """
    choices = "#layer=0&head=1&direction=forward&map=true&unknown=1"
    arcs, is_hidden, address = in_browser(path, steps, choices)
    assert arcs == [f"{word} reads the: 1.000" for word in ("barks", "dog", "old")]
    assert not is_hidden
    assert "direction=backward" in address and "head=1" in address
