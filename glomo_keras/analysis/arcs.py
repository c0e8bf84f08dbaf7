"""Pictures of learned graphs as arcs over a sentence."""

from typing import NamedTuple

import numpy as np

from glomo_keras.analysis.figures import BLUE
from glomo_keras.analysis.figures import INK
from glomo_keras.analysis.figures import ORANGE
from glomo_keras.analysis.figures import PLAIN
from glomo_keras.analysis.figures import drawable_units
from glomo_keras.analysis.figures import new_figure
from glomo_keras.analysis.figures import require_matplotlib
from glomo_keras.analysis.figures import save_figure
from glomo_keras.analysis.figures import text_width
from glomo_keras.analysis.figures import write_header
from glomo_keras.analysis.graph_arrays import graph_array
from glomo_keras.analysis.graph_arrays import graphs_and_units
from glomo_keras.analysis.graph_arrays import unit_strings

_MARGIN = 0.3
_MAX_WIDTH = 22.0
_COLORS = {"forward": BLUE, "backward": ORANGE}
_READS = {
    "forward": "forward (units read earlier ones)",
    "backward": "backward (units read later ones)",
}


class _Line(NamedTuple):
    """The sentence, laid out; everything in inches but the font size."""

    centers: np.ndarray
    labels: list
    size: float
    upright: bool
    height: float
    width: float


def plot_graph_arcs(graph, units, path=None, min_weight=0.1, title="Learned graph"):
    """Draw a graph as arcs over its sentence, from sender to receiver.

    Thicker and darker is stronger; the arrowhead is at the receiver, the unit that
    reads. Graphs of both directions share one line of units: forward above,
    backward below.

    Args:
        graph: float array or tensor `(length, length)`, receivers in rows, or a dict
            of one or two of them with the keys `"forward"` and `"backward"`. A
            graph without a key is drawn above.
        units: sequence, array or tensor of `length` strings, or of bytes in UTF-8;
            empty ones at the end are padding, and left out.
        path: path of the picture; its suffix is the format, for example `.png`. `None`
            writes nothing: for notebooks.
        min_weight: float in (0, 1]. Weaker links are left out, and how much of the
            weight is shown is said in the picture.
        title: string. How to read the picture is written below it.

    Returns:
        The path, a `pathlib.Path`. The file appears complete or not at all. Without
        `path` the `matplotlib.figure.Figure`.

    Raises:
        ImportError: if matplotlib is not installed.
        ValueError: if a shape, a key, the number of units, `min_weight` or the suffix
            of `path` is wrong.

    Example:

    >>> import tempfile
    >>> graph = [[0.0, 0, 0], [1, 0, 0], [0.1, 0.9, 0]]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = plot_graph_arcs(graph, ["the", "cat", "sat"], folder + "/arcs.png")
    >>> path.name
    'arcs.png'
    """
    require_matplotlib("plot_graph_arcs")
    graphs = graph if isinstance(graph, dict) else {None: graph}
    _check(graphs, isinstance(graph, dict), min_weight)
    graphs, units = _checked(graphs, units)
    line = _lay_out(units)
    note = _note(graphs, min_weight)
    header = write_header(new_figure("plot_graph_arcs", line.width, 1), title, note)
    heights = {key: _height(line, g, min_weight) for key, g in graphs.items()}
    below = heights.get("backward", 0.0)
    above = max([h for key, h in heights.items() if key != "backward"], default=0.0)
    legend_height = 0.25 * len(_legend_rows(graphs, min_weight)) + 0.1
    height = header + legend_height + above + line.height + below + 0.25
    figure = new_figure("plot_graph_arcs", line.width, height)
    write_header(figure, title, note)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, line.width), ylim=(0, height))
    axes.axis("off")
    middle = 0.15 + below + line.height / 2
    _draw_units(axes, line, middle)
    for key, weights in graphs.items():
        sign = -1 if key == "backward" else 1
        _draw_arcs(
            axes,
            line,
            weights,
            min_weight,
            base=middle + sign * line.height / 2,
            height=sign * heights[key],
            color=_COLORS[key or "forward"],
        )
    _draw_legend(axes, _legend_rows(graphs, min_weight), height - header)
    return save_figure(figure, path)


def _check(graphs, named, min_weight):
    if named and (not graphs or set(graphs) - set(_COLORS)):
        raise ValueError(
            '`graph` must be one graph, or a dict with the keys "forward" and '
            f'"backward" or one of them. Received: keys {sorted(map(str, graphs))}.'
        )
    if not 0 < min_weight <= 1:
        raise ValueError(
            "`min_weight` must be above 0 and at most 1, the largest weight. "
            f"Received: min_weight={min_weight}."
        )


def _checked(graphs, units):
    """Arrays of the graphs, over the units that are no padding in any of them."""
    converted = {
        key: graphs_and_units("graph", graph, units, 2) for key, graph in graphs.items()
    }
    length = max(len(names) for _, names in converted.values())
    graphs = {
        key: graph_array(graph)[:length, :length].astype("float64")
        for key, graph in graphs.items()
    }
    return graphs, unit_strings(units)[:length]


def _lay_out(units):
    """Put the units side by side, upright where the line would be too long."""
    labels = drawable_units(units)
    gap = 0.16
    widths = np.array([max(text_width(label, 10), 0.25) for label in labels])
    total = widths.sum() + gap * len(labels)
    if total <= _MAX_WIDTH - 2 * _MARGIN:
        starts = np.concatenate([[0], np.cumsum(widths + gap)[:-1]])
        width = max(total - gap + 2 * _MARGIN, 6.0)
        centers = starts + widths / 2 + (width - total + gap) / 2
        return _Line(centers, labels, 10.0, False, 0.34, width)
    pitch = min(0.24, (_MAX_WIDTH - 2 * _MARGIN) / len(labels))
    size = min(9.0, pitch * 72 * 0.8)
    centers = _MARGIN + pitch * (np.arange(len(labels)) + 0.5)
    tallest = max(text_width(label, size) for label in labels)
    width = max(2 * _MARGIN + pitch * len(labels), 6.0)
    return _Line(centers, labels, size, True, tallest + 0.16, width)


def _height(line, graph, min_weight):
    """Height that the tallest arc of a graph needs, in inches."""
    receivers, senders = np.nonzero(graph >= min_weight)
    if not len(receivers):
        return 0.3
    longest = np.abs(line.centers[receivers] - line.centers[senders]).max()
    return float(np.clip(0.35 * longest, 0.5, 3.2)) + 0.1


def _note(graphs, min_weight):
    total = sum(graph.sum() for graph in graphs.values())
    shown = sum(graph[graph >= min_weight].sum() for graph in graphs.values())
    num_shown = sum(int(np.sum(graph >= min_weight)) for graph in graphs.values())
    note = "An arc runs from a sender to the receiver that reads it (arrowhead). "
    if total == 0:
        return note + "All rows are empty."
    return note + (
        f"Shown: the {num_shown} links of weight {min_weight:g} or more, "
        f"{shown / total:.0%} of all weight."
    )


def _draw_units(axes, line, middle):
    for center, label in zip(line.centers, line.labels, strict=True):
        axes.text(
            center,
            middle,
            label,
            size=line.size,
            rotation=90 if line.upright else 0,
            ha="center",
            va="center",
            **PLAIN,
        )


def _style(weight):
    weight = min(weight, 1.0)  # of edges that were added up it may be more
    return {"linewidth": 0.5 + 2.7 * weight, "alpha": 0.25 + 0.7 * weight}


def _draw_arcs(axes, line, graph, min_weight, base, height, color):
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    receivers, senders = np.nonzero(graph >= min_weight)
    if not len(receivers):
        axes.text(
            line.width / 2,
            base + height / 2,
            f"no link of weight {min_weight:g} or more",
            size=9,
            ha="center",
            va="center",
            **(PLAIN | {"color": color}),
        )
        return
    spans = np.abs(line.centers[receivers] - line.centers[senders])
    weights = graph[receivers, senders]
    pitch = np.min(np.diff(line.centers)) if len(line.centers) > 1 else 1.0
    offset = min(0.06, 0.2 * pitch)  # where links leave is beside where they arrive
    for i in np.argsort(weights):
        sender, receiver = line.centers[senders[i]], line.centers[receivers[i]]
        side = np.sign(receiver - sender)
        start, end = sender + side * offset, receiver - side * offset
        # Flatter than proportional, so that short arcs are seen beside long ones.
        top = base + height * (spans[i] / spans.max()) ** 0.7 * 4 / 3 * 0.92
        codes = [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4]
        curve = Path([(start, base), (start, top), (end, top), (end, base)], codes)
        style = _style(weights[i])
        axes.add_patch(PathPatch(curve, fill=False, edgecolor=color, **style))
        axes.plot(
            [end],
            [base],
            marker="v" if height > 0 else "^",
            markersize=2.5 + 3.0 * weights[i],
            markeredgewidth=0,
            color=color,
            alpha=style["alpha"],
            clip_on=False,
        )


def _legend_rows(graphs, min_weight):
    """Labels and line properties: a row of directions, if named, one of weights."""
    directions = [
        (_READS[key], {"color": _COLORS[key], "linewidth": 2.5})
        for key in _COLORS
        if key in graphs
    ]
    weights = [
        (f"weight {weight:g}", {"color": INK} | _style(weight))
        for weight in sorted({min_weight, 0.5, 1.0})
    ]
    return [row for row in (directions, weights) if row]


def _draw_legend(axes, rows, top):
    for index, row in enumerate(rows):
        x, y = 0.12, top - 0.25 * (index + 0.5)
        for label, properties in row:
            axes.plot([x, x + 0.3], [y, y], solid_capstyle="butt", **properties)
            axes.text(x + 0.38, y, label, size=8.5, va="center", **PLAIN)
            x += 0.38 + text_width(label, 8.5) + 0.25
