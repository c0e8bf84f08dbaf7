"""Matrix pictures: files, orientation, labels that fit, odd units."""

import os
import sys

import keras
import matplotlib.image
import matplotlib.pyplot
import numpy as np
import pytest

from glomo_keras.analysis import figures
from glomo_keras.analysis import plot_graph_grid
from glomo_keras.analysis import plot_graph_heatmap
from glomo_keras.analysis import plots
from tests.analysis.figure_capture import assert_apart
from tests.analysis.figure_capture import assert_inside
from tests.analysis.figure_capture import captured_figure
from tests.analysis.figure_capture import text_boxes

GRAPH = np.array([[0, 0, 0], [1, 0, 0], [0.1, 0.9, 0]])
UNITS = ["the", "cat", "sat"]
ODD_UNITS = [
    "$x$",
    "$",
    "\\alpha_{}^%",
    "漢字",
    "\N{SLIGHTLY SMILING FACE}",
    "nai\u0308ve",
    "two\nlines",
    "\t",
    " ",
    "",
    "\x00",
    b"bytes \xff",
    "much_longer_than_any_word_should_be",
]


def _random_graph(random, *shape):
    weights = np.tril(np.maximum(random.normal(size=shape), 0), -1)
    sums = weights.sum(-1, keepdims=True)
    return weights / np.where(sums > 0, sums, 1)


def _size(path):
    height, width, _ = matplotlib.image.imread(path).shape
    return width, height


def test_heatmap_shows_receivers_in_rows(monkeypatch, tmp_path):
    with captured_figure(monkeypatch, plots) as written:
        path = plot_graph_heatmap(
            keras.ops.convert_to_tensor(GRAPH), UNITS, tmp_path / "new" / "graph.png"
        )
    assert path == tmp_path / "new" / "graph.png"
    assert os.listdir(path.parent) == ["graph.png"]
    matrix = written[0].axes[0]
    shown = matrix.images[-1].get_array()
    np.testing.assert_allclose(shown.filled(0), GRAPH, rtol=1e-6)
    assert shown.mask.sum() == 6  # weights of zero are left white
    # Row 0 is the topmost one.
    assert matrix.get_ylim() == (2.5, -0.5) and matrix.get_xlim() == (-0.5, 2.5)
    assert [label.get_text() for label in matrix.get_yticklabels()] == UNITS
    assert [label.get_text() for label in matrix.get_xticklabels()] == UNITS
    assert matrix.get_ylabel() == "receivers" and matrix.get_xlabel() == "senders"
    texts = " ".join(text for text, _ in text_boxes(written[0])).replace("\n", " ")
    assert "Rows: receivers. Columns: the senders that they read." in texts
    width, height = written[0].get_size_inches() * figures.DOTS_PER_INCH
    assert _size(path) == (int(width), int(height))


def test_heatmap_pixels(tmp_path):
    graph = np.zeros((3, 3))
    graph[2, 0] = 1.0
    path = plot_graph_heatmap(graph, UNITS, tmp_path / "graph.png")
    pixels = (matplotlib.image.imread(path)[..., :3] * 255).round().astype(int)
    darkest = np.array(figures.weight_colors()(1.0)[:3]) * 255
    dark = np.all(np.abs(pixels - darkest) <= 1, axis=-1)
    rows, columns = np.nonzero(dark)
    # A cell of 0.55 inches, in the lower left part; the scale has few such pixels.
    assert len(rows) > 0.8 * (0.55 * figures.DOTS_PER_INCH) ** 2
    assert np.median(rows) > 0.6 * len(pixels)
    assert np.median(columns) < 0.3 * pixels.shape[1]


@pytest.mark.parametrize("length", [1, 2, 31, 71])
def test_heatmap_labels_fit(monkeypatch, tmp_path, random, length):
    units = [f"unit{i}" for i in range(length)]
    with captured_figure(monkeypatch, plots) as written:
        path = plot_graph_heatmap(
            _random_graph(random, length, length),
            units,
            tmp_path / "graph.png",
            title="A title " * 19,
            direction="forward",
        )
    assert_inside(written[0])
    assert_apart(written[0])
    width, height = _size(path)
    assert 900 <= width <= 3500 and height <= 3500
    labels = [label.get_text() for label in written[0].axes[0].get_yticklabels()]
    assert labels == units[:: len(units) // len(labels)]
    assert len(labels) >= min(length, 48)
    sizes = {label.get_size() for label in written[0].axes[0].get_yticklabels()}
    assert min(sizes) >= (9 if length <= 31 else 5)


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_pairs_out_of_sight_are_grey(monkeypatch, tmp_path, direction):
    graph = GRAPH if direction == "forward" else GRAPH.T
    with captured_figure(monkeypatch, plots) as written:
        plot_graph_heatmap(graph, UNITS, tmp_path / "g.png", direction=direction)
    hidden = np.isfinite(written[0].axes[0].images[0].get_array().filled(np.nan))
    triangle = np.triu if direction == "forward" else np.tril
    np.testing.assert_array_equal(hidden, triangle(np.ones((3, 3), bool)))


def test_odd_units_are_drawn_as_they_are(monkeypatch, tmp_path, random):
    length = len(ODD_UNITS)
    with captured_figure(monkeypatch, plots) as written:
        plot_graph_heatmap(
            _random_graph(random, length, length),
            ODD_UNITS,
            tmp_path / "graph.png",
            title="$title$ 漢 \\frac",
        )
        plot_graph_grid(
            _random_graph(random, 2, 3, length, length), ODD_UNITS, tmp_path / "g.png"
        )
    for label in written[0].axes[0].get_yticklabels():
        assert not label.get_parse_math()
    assert written[0].axes[0].get_yticklabels()[0].get_text() == "$x$"
    assert_inside(written[0])
    assert_inside(written[1])


def test_labels():
    labels = figures.drawable_units(ODD_UNITS)
    assert len(labels) == len(ODD_UNITS)
    assert labels[:3] == ["$x$", "$", "\\alpha_{}^%"]
    assert labels[3:5] == ["□□", "□"]
    assert labels[6:11] == ["two⏎lines", "⇥", "␣", "␣", "□"]
    assert labels[11].startswith("bytes ")
    assert labels[12] == "much_longer_than_…" and len(labels[12]) == 18


def test_grid_puts_layers_in_rows_and_heads_in_columns(monkeypatch, tmp_path, random):
    graphs = _random_graph(random, 2, 3, 7, 7)
    graphs[1, 2] = 0
    with captured_figure(monkeypatch, plots) as written:
        path = plot_graph_grid(graphs, list("abcdefg"), tmp_path / "grid.png")
    assert os.listdir(tmp_path) == ["grid.png"]
    panels = written[0].axes[:-1]  # the last one is the scale
    assert len(panels) == 2 * 3
    for index, panel in enumerate(panels):
        layer, head = divmod(index, 3)
        shown = panel.images[-1].get_array().filled(0)
        np.testing.assert_allclose(shown, graphs[layer, head])
        box = panel.get_position()
        assert box.x0 == pytest.approx(panels[head].get_position().x0)
        assert box.y0 == pytest.approx(panels[3 * layer].get_position().y0)
        assert panel.images[-1].norm.vmax == graphs.max()
    assert panels[0].get_position().y0 > panels[3].get_position().y1
    assert [panel.get_title() for panel in panels[:3]] == ["head 0", "head 1", "head 2"]
    assert [panels[i].get_ylabel() for i in (0, 3)] == ["layer 0", "layer 1"]
    assert [text.get_text() for text in panels[5].texts] == ["empty"]
    assert not panels[4].texts
    assert_inside(written[0])
    assert_apart(written[0])
    assert min(_size(path)) > 400


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (3, 8, 31, 31), (2, 3, 101, 101)])
def test_grid_labels_fit(monkeypatch, tmp_path, random, shape):
    units = [f"unit{i}" for i in range(shape[-1])]
    with captured_figure(monkeypatch, plots) as written:
        plot_graph_grid(_random_graph(random, *shape), units, tmp_path / "grid.png")
    assert_inside(written[0])
    assert_apart(written[0])


def test_no_global_state(tmp_path):
    before = matplotlib.pyplot.get_fignums()
    settings = dict(matplotlib.rcParams)
    plot_graph_heatmap(GRAPH, UNITS, tmp_path / "graph.png")
    assert matplotlib.pyplot.get_fignums() == before
    assert dict(matplotlib.rcParams) == settings


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_formats_by_suffix(tmp_path, suffix):
    path = plot_graph_heatmap(GRAPH, UNITS, tmp_path / f"graph.{suffix}")
    start = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[suffix]
    assert path.read_bytes().startswith(start)


def test_a_failure_keeps_the_old_file_and_leaves_nothing(monkeypatch, tmp_path):
    path = tmp_path / "graph.png"
    path.write_bytes(b"old")

    def savefig(self, target, **arguments):
        with open(target, "wb") as file:
            file.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", savefig)
    with pytest.raises(OSError, match="disk full"):
        plot_graph_heatmap(GRAPH, UNITS, path)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["graph.png"]


def test_missing_matplotlib(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    message = r'`plot_graph_heatmap` needs .* pip install "glomo_keras\[plots\]"'
    with pytest.raises(ImportError, match=message):
        plot_graph_heatmap(GRAPH, UNITS, tmp_path / "graph.png")
    with pytest.raises(ImportError, match="plot_graph_grid"):
        plot_graph_grid(GRAPH[None, None], UNITS, tmp_path / "graph.png")


@pytest.mark.parametrize(
    "graph, units, arguments, message",
    [
        (np.zeros((1, 3, 3)), UNITS, {}, r"graphs\[b, layer, head\].*\(1, 3, 3\)"),
        (np.zeros((3, 5)), UNITS, {}, r"Received: shape \(3, 5\)"),
        (GRAPH, UNITS[:2], {}, "Received: 2 units, graph of shape"),
        (np.zeros((0, 0)), [], {}, "one or more"),
        (GRAPH - 0.2, UNITS, {}, "7 below zero. Pass graphs, not scores"),
        (GRAPH * np.nan, UNITS, {}, "9 that are not finite"),
        (GRAPH, UNITS, {"direction": "up"}, "direction='up'"),
    ],
)
def test_wrong_arguments(tmp_path, graph, units, arguments, message):
    with pytest.raises(ValueError, match=message):
        plot_graph_heatmap(graph, units, tmp_path / "graph.png", **arguments)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["graph", "graph.xyz"])
def test_wrong_suffix(tmp_path, name):
    with pytest.raises(ValueError, match=r"`path` must end in .*png.*graph\.png"):
        plot_graph_heatmap(GRAPH, UNITS, tmp_path / name)


def test_grid_wants_layers_and_heads(tmp_path):
    with pytest.raises(ValueError, match=r"graphs\[b\].*shape \(3, 3\)"):
        plot_graph_grid(GRAPH, UNITS, tmp_path / "grid.png")
