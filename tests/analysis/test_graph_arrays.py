"""Graphs and units in every form that they come in."""

import numpy as np
import pytest

from glomo_keras.analysis import plot_graph_arcs
from glomo_keras.analysis import plot_graph_grid
from glomo_keras.analysis import plot_graph_heatmap
from glomo_keras.analysis import plot_text_graphs
from glomo_keras.analysis import to_networkx
from glomo_keras.analysis.figures import drawable_units
from glomo_keras.analysis.graph_arrays import unit_strings

UNITS = ["the", "café", "sat"]
GRAPH = np.array([[0, 0, 0], [1, 0, 0], [0.1, 0.9, 0]])


def encoded():
    return [unit.encode() for unit in UNITS]


def string_tensor(units):
    return pytest.importorskip("tensorflow").constant(units)


FORMS = {
    "strings": lambda: UNITS,
    "a tuple": lambda: tuple(UNITS),
    "bytes": encoded,
    "an array of strings": lambda: np.array(UNITS),
    "an array of bytes": lambda: np.array(encoded()),
    "an array of objects": lambda: np.array(encoded(), object),
    "a tensor": lambda: string_tensor(UNITS),
    "a list of tensors": lambda: list(string_tensor(UNITS)),
    "strings of NumPy": lambda: list(np.array(UNITS)),
}


@pytest.mark.parametrize("form", FORMS)
def test_units_are_decoded(form):
    units = unit_strings(FORMS[form]())
    assert units == UNITS and all(type(unit) is str for unit in units)
    assert drawable_units(FORMS[form]()) == UNITS


def test_what_is_not_utf_8_is_replaced():
    assert unit_strings(np.array([b"caf\xc3", b"a"])) == ["caf\ufffd", "a"]


@pytest.mark.parametrize("form", ["bytes", "an array of bytes", "a tensor"])
def test_everything_that_takes_units_takes_them(form, tmp_path):
    units = FORMS[form]()
    grid = GRAPH[None, None]
    path = tmp_path / "picture.svg"
    for draw in (
        lambda: plot_graph_heatmap(GRAPH, units, path),
        lambda: plot_graph_arcs(GRAPH, units, path),
        lambda: plot_graph_grid(grid, units, path),
        lambda: plot_text_graphs({"forward": grid, "backward": grid}, units, path),
    ):
        shown = draw().read_text("utf-8")
        assert "<!-- café -->" in shown and "tf.Tensor" not in shown
        assert "b'" not in shown
        path.unlink()
    pytest.importorskip("networkx")
    assert dict(to_networkx(GRAPH, units).nodes(data="unit")) == dict(enumerate(UNITS))


def test_padding_of_a_batch_is_left_out(tmp_path):
    padded = np.pad(GRAPH, [(0, 2), (0, 2)])
    units = string_tensor([*UNITS, "", ""])
    path = tmp_path / "picture.svg"
    for draw in (
        lambda: plot_graph_heatmap(padded, units, path),
        lambda: plot_graph_arcs({"forward": padded, "backward": padded}, units, path),
        lambda: plot_graph_grid(padded[None, None], units, path),
    ):
        shown = draw().read_text("utf-8")
        assert "<!-- sat -->" in shown and "\N{OPEN BOX}" not in shown
    pytest.importorskip("networkx")
    converted = to_networkx(padded, units)
    assert converted.number_of_nodes() == 3 and converted.number_of_edges() == 3
    # A unit that is read is none, whatever it is called.
    assert to_networkx(GRAPH, ["the", "", "sat"]).number_of_nodes() == 3
    assert to_networkx(GRAPH.T, ["the", "cat", ""]).number_of_nodes() == 3


def test_what_text_graphs_return_is_drawn(tmp_path):
    pytest.importorskip("tensorflow_text")
    from glomo_keras.data import Vocabulary
    from glomo_keras.export import TextGraphs
    from glomo_keras.models import GraphPredictor

    predictor = GraphPredictor(4, 6, 2, 3, num_convolutions=1)
    text_graphs = TextGraphs(predictor, Vocabulary(["the", "cat"]))
    outputs = text_graphs(["the cat sat on the mat", "café"])
    for text, word in enumerate(("mat", "café")):
        graphs = {d: outputs[d][text] for d in ("forward", "backward")}
        for kind in ("arcs", "grid"):
            path = tmp_path / f"{kind}.svg"
            plot_text_graphs(graphs, outputs["units"][text], path, kind)
            assert f"<!-- {word} -->" in path.read_text("utf-8")


@pytest.mark.parametrize("units", ["abc", b"abc"])
def test_one_string_is_no_sequence_of_units(units, tmp_path):
    with pytest.raises(ValueError, match="must be a sequence.*Received one string"):
        plot_graph_heatmap(GRAPH, units, tmp_path / "x.png")


@pytest.mark.parametrize("units", [[UNITS], np.array([UNITS])])
def test_units_of_several_texts_are_refused(units, tmp_path):
    with pytest.raises(ValueError, match="of one text.*units\\[0\\]"):
        plot_graph_heatmap(GRAPH, units, tmp_path / "x.png")


def test_an_unknown_kind(tmp_path):
    with pytest.raises(ValueError, match="kind='both'"):
        plot_text_graphs({}, UNITS, tmp_path / "x.png", "both")
