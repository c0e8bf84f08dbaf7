"""Pictures without a file, and of what comes with its units."""

import numpy as np
import pytest
from keras import ops
from matplotlib.figure import Figure

from glomo_keras import analysis

GRAPHS = np.zeros((2, 3, 4, 4), "float32")  # (layers, heads, receivers, senders)
for unit in range(1, 4):
    GRAPHS[..., unit, unit - 1] = 1.0
UNITS = ["the", "cat", "sat", "."]


@pytest.mark.parametrize(
    "plot",
    [
        lambda: analysis.plot_graph_heatmap(GRAPHS[0, 0], UNITS),
        lambda: analysis.plot_graph_grid(GRAPHS, UNITS),
        lambda: analysis.plot_graph_arcs(GRAPHS[0, 0], UNITS),
        lambda: analysis.plot_pixel_edges(np.zeros((2, 2, 3), "uint8"), GRAPHS, (1, 1)),
        lambda: analysis.plot_history({"loss": [2.0, 1.0]}),
        lambda: analysis.plot_graph_statistics(analysis.graph_statistics(GRAPHS[None])),
        lambda: analysis.plot_text_graphs(
            dict.fromkeys(["forward", "backward"], GRAPHS), UNITS
        ),
    ],
    ids=["heatmap", "grid", "arcs", "pixels", "history", "statistics", "text"],
)
def test_without_a_path_there_is_a_figure(plot, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    figure = plot()
    assert isinstance(figure, Figure) and figure.axes
    assert not any(tmp_path.iterdir())


def texts_of(figure):
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    return [text for text in texts if text.strip()]


def test_what_text_graphs_return_is_drawn_text_by_text(tmp_path):
    batch = {
        "forward": ops.array(np.stack([GRAPHS, np.zeros_like(GRAPHS)])),
        "backward": ops.array(np.zeros((2, 2, 3, 4, 4))),
        "units": np.array([UNITS, ["a", "dog", "", ""]]),
        "padding_mask": np.ones((2, 4), bool),
    }
    first = texts_of(analysis.plot_text_graphs(batch))
    assert [text for text in first if text in UNITS] == UNITS
    second = texts_of(analysis.plot_text_graphs(batch, text=1))
    assert {"a", "dog"} <= set(second) and "cat" not in second
    one = {name: array[1] for name, array in batch.items()}
    assert texts_of(analysis.plot_text_graphs(one)) == second
    path = analysis.plot_text_graphs(batch, path=tmp_path / "x.png", kind="grid")
    assert path.read_bytes().startswith(b"\x89PNG")
    del batch["units"]
    with pytest.raises(ValueError, match="`units` must be given .*'forward'"):
        analysis.plot_text_graphs(batch)
