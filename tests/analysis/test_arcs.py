"""Arc pictures: which arcs, from where to where, and labels that fit."""

import os
import sys

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import PathPatch

from glomo_keras.analysis import arcs
from glomo_keras.analysis import figures
from glomo_keras.analysis import plot_graph_arcs
from tests.analysis.figure_capture import assert_apart
from tests.analysis.figure_capture import assert_inside
from tests.analysis.figure_capture import captured_figure
from tests.analysis.figure_capture import text_boxes

GRAPH = np.array([[0, 0, 0], [1, 0, 0], [0.1, 0.9, 0]])
UNITS = ["the", "cat", "sat"]


def _draw(monkeypatch, path, graph, units, **arguments):
    with captured_figure(monkeypatch, arcs) as written:
        plot_graph_arcs(graph, units, path, **arguments)
    return written[0]


def _arcs(figure):
    return [patch for patch in figure.axes[0].patches if isinstance(patch, PathPatch)]


def _places(figure, units):
    """Horizontal place of every unit."""
    texts = figure.axes[0].texts[: len(units)]
    assert [text.get_text() for text in texts] == units
    return np.array([text.get_position()[0] for text in texts])


def _nearest(places, x):
    return int(np.argmin(np.abs(places - x)))


def _links(figure, units):
    """Dict from (sender, receiver) to the arc, read off the picture."""
    places = _places(figure, units)
    found = {}
    for arc in _arcs(figure):
        (start, _), _, _, (end, _) = arc.get_path().vertices
        found[_nearest(places, start), _nearest(places, end)] = arc
    return found


def _note(figure):
    return " ".join(text.get_text() for text in figure.texts).replace("\n", " ")


def test_arcs_run_from_sender_to_receiver(monkeypatch, tmp_path):
    figure = _draw(monkeypatch, tmp_path / "arcs.png", GRAPH, UNITS, min_weight=0.05)
    assert os.listdir(tmp_path) == ["arcs.png"]
    found = _links(figure, UNITS)
    assert set(found) == {(0, 1), (0, 2), (1, 2)}
    # Stronger is thicker and less transparent.
    order = [(0, 2), (1, 2), (0, 1)]
    for weaker, stronger in zip(order, order[1:], strict=False):
        assert found[weaker].get_linewidth() < found[stronger].get_linewidth()
        assert found[weaker].get_alpha() < found[stronger].get_alpha()
    assert "(arrowhead)" in _note(figure)
    assert "3 links of weight 0.05 or more, 100% of all weight" in _note(figure)


def test_arrowheads_are_at_receivers(monkeypatch, tmp_path):
    figure = _draw(monkeypatch, tmp_path / "arcs.png", GRAPH, UNITS)
    places = _places(figure, UNITS)
    heads = [line for line in figure.axes[0].lines if line.get_marker() == "v"]
    receivers = sorted(_nearest(places, line.get_xdata()[0]) for line in heads)
    assert receivers == [1, 2, 2]


def test_weak_links_are_left_out_and_that_is_said(monkeypatch, tmp_path):
    figure = _draw(monkeypatch, tmp_path / "arcs.png", GRAPH, UNITS, min_weight=0.5)
    assert set(_links(figure, UNITS)) == {(0, 1), (1, 2)}
    assert "2 links of weight 0.5 or more, 95% of all weight" in _note(figure)


def test_weights_of_more_than_one_look_as_one_does(monkeypatch, tmp_path):
    graph = np.array([[0, 0, 0], [1, 0, 0], [0, 2.5, 0]])  # edges that were added up
    figure = _draw(monkeypatch, tmp_path / "arcs.png", graph, UNITS)
    one, more = (_links(figure, UNITS)[pair] for pair in ((0, 1), (1, 2)))
    assert one.get_alpha() == more.get_alpha() < 1
    assert one.get_linewidth() == more.get_linewidth()


def test_both_directions_share_the_line(monkeypatch, tmp_path):
    graphs = {"backward": GRAPH[::-1, ::-1], "forward": GRAPH}
    figure = _draw(monkeypatch, tmp_path / "arcs.png", graphs, UNITS)
    middle = figure.axes[0].texts[0].get_position()[1]
    above, below = {}, {}
    for (sender, receiver), arc in _links(figure, UNITS).items():
        tops = arc.get_path().vertices[:, 1]
        side = above if tops.min() > middle else below
        assert side is above or tops.max() < middle
        side[sender, receiver] = to_hex(arc.get_edgecolor())
    assert above == dict.fromkeys([(0, 1), (0, 2), (1, 2)], figures.BLUE)
    assert below == dict.fromkeys([(2, 1), (2, 0), (1, 0)], figures.ORANGE)
    labels = [text for text, _ in text_boxes(figure)]
    assert "forward (units read earlier ones)" in labels
    assert "backward (units read later ones)" in labels
    assert_inside(figure)
    assert_apart(figure)


def test_one_direction_of_a_dict(monkeypatch, tmp_path):
    backward = {"backward": GRAPH[::-1, ::-1]}
    figure = _draw(monkeypatch, tmp_path / "arcs.png", backward, UNITS)
    assert set(_links(figure, UNITS)) == {(2, 1), (2, 0), (1, 0)}


@pytest.mark.parametrize("length", [1, 2, 13, 31, 97])
def test_units_are_readable(monkeypatch, tmp_path, random, length):
    units = [f"unit{i}" for i in range(length)]
    weights = np.tril(random.random((length, length)), -1)
    graph = weights / np.maximum(weights.sum(-1, keepdims=True), 1e-9)
    figure = _draw(
        monkeypatch, tmp_path / "arcs.png", graph, units, title="A title " * 19
    )
    _places(figure, units)
    assert_inside(figure)
    assert_apart(figure)
    sizes = {text.get_size() for text in figure.axes[0].texts[:length]}
    assert min(sizes) >= (10 if length <= 31 else 8)
    width, height = figure.get_size_inches()
    assert 6 <= width <= 22.1 and height < 6


def test_very_long_sequences_still_draw(monkeypatch, tmp_path):
    graph = np.eye(311, k=-1)
    figure = _draw(monkeypatch, tmp_path / "arcs.png", graph, ["x"] * 311)
    assert len(_arcs(figure)) == 310
    assert figure.get_size_inches()[0] <= 22.1
    assert_inside(figure)


def test_empty_graphs_say_so(monkeypatch, tmp_path):
    figure = _draw(monkeypatch, tmp_path / "a.png", 0 * GRAPH, UNITS)
    assert not _arcs(figure)
    assert "All rows are empty." in _note(figure)
    assert "no link of weight 0.1 or more" in [t for t, _ in text_boxes(figure)]
    weak = _draw(monkeypatch, tmp_path / "b.png", 0.01 * GRAPH, UNITS)
    assert "0 links of weight 0.1 or more, 0% of all weight" in _note(weak)


def test_odd_units(monkeypatch, tmp_path):
    units = ["$x$", "$y$", "漢", "\n", "", "a_very_long_unit_that_is_cut"]
    figure = _draw(monkeypatch, tmp_path / "arcs.png", np.eye(6, k=-1), units)
    texts = figure.axes[0].texts[:6]
    assert [text.get_text() for text in texts][:5] == ["$x$", "$y$", "□", "⏎", "␣"]
    assert not any(text.get_parse_math() for text in texts)


def test_missing_matplotlib(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    message = r'`plot_graph_arcs` needs .* pip install "glomo_keras\[plots\]"'
    with pytest.raises(ImportError, match=message):
        plot_graph_arcs(GRAPH, UNITS, tmp_path / "arcs.png")


@pytest.mark.parametrize(
    "graph, units, arguments, message",
    [
        ({"up": GRAPH}, UNITS, {}, r"keys \['up'\]"),
        ({}, UNITS, {}, r"keys \[\]"),
        (GRAPH, UNITS, {"min_weight": 0.0}, "min_weight=0.0"),
        (GRAPH, UNITS, {"min_weight": 1.5}, "min_weight=1.5"),
        (GRAPH, UNITS[:2], {}, "2 units"),
        ({"forward": GRAPH[None]}, UNITS, {}, r"shape \(1, 3, 3\)"),
    ],
)
def test_wrong_arguments(tmp_path, graph, units, arguments, message):
    with pytest.raises(ValueError, match=message):
        plot_graph_arcs(graph, units, tmp_path / "arcs.png", **arguments)
    assert not list(tmp_path.iterdir())
