"""What a pixel reads, over its image."""

import numpy as np
import pytest

from glomo_keras.analysis import pixel_edges
from glomo_keras.analysis import plot_pixel_edges
from tests.analysis.figure_capture import assert_apart
from tests.analysis.figure_capture import assert_inside
from tests.analysis.figure_capture import captured_figure

IMAGE = np.full((3, 5, 3), 128, "uint8")


def graphs_for(layers=2, heads=3):
    graphs = np.zeros((layers, heads, 15, 15))
    graphs[1, 2, 7, 4] = 1.0  # the pixel (1, 2) reads (0, 4)
    return graphs


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_panels(tmp_path, monkeypatch, direction):
    path = tmp_path / "edges.png"
    with captured_figure(monkeypatch, pixel_edges) as written:
        assert plot_pixel_edges(IMAGE, graphs_for(), (1, 2), path, direction) == path
    (figure,) = written
    assert len(figure.axes) == 7
    assert_inside(figure)
    assert_apart(figure)
    pictures = [axes.images[0].get_array() for axes in figure.axes]
    np.testing.assert_array_equal(pictures[0], IMAGE)
    red = pictures[6][0, 4]
    assert red[0] > 2 * red[1]  # the one edge, in layer 1, head 2
    plain = pictures[1]
    assert len({tuple(color) for color in plain.reshape(-1, 3).round(3)}) == 2
    dark = plain[..., 0] < 0.5
    later = np.arange(15).reshape(3, 5) > 7
    expected = later if direction == "forward" else np.arange(15).reshape(3, 5) < 7
    np.testing.assert_array_equal(dark, expected)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"image": IMAGE[..., 0]}, "`image` must have shape"),
        ({"graphs": np.zeros((2, 3, 9, 9))}, "`graphs` must have shape.*3 x 5"),
        ({"graphs": graphs_for() * np.nan}, "finite weights of zero or more.*1350"),
        ({"graphs": -graphs_for()}, "1 below zero"),
        ({"pixel": (3, 0)}, r"must lie in the image of 3 x 5.*\(3, 0\)"),
    ],
)
def test_wrong_inputs(tmp_path, changes, message):
    arguments = {"image": IMAGE, "graphs": graphs_for(), "pixel": (1, 2), **changes}
    with pytest.raises(ValueError, match=message):
        plot_pixel_edges(**arguments, path=tmp_path / "x.png")
