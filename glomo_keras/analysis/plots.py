"""Pictures of learned graphs as matrices: one graph, or all heads side by side."""

import math

import numpy as np
from keras import ops

from glomo_keras.analysis.figures import FAINT
from glomo_keras.analysis.figures import HIDDEN
from glomo_keras.analysis.figures import INK
from glomo_keras.analysis.figures import PLAIN
from glomo_keras.analysis.figures import drawable_units
from glomo_keras.analysis.figures import new_figure
from glomo_keras.analysis.figures import require_matplotlib
from glomo_keras.analysis.figures import save_figure
from glomo_keras.analysis.figures import text_width
from glomo_keras.analysis.figures import weight_colors
from glomo_keras.analysis.figures import write_header
from glomo_keras.analysis.graph_arrays import graphs_and_units
from glomo_keras.ops import visible_pairs

_MIN_LABEL_SIZE = 5.0


def plot_graph_heatmap(graph, units, path=None, title="Learned graph", direction=None):
    """Draw one graph as a matrix: receivers in rows, senders in columns.

    Weights of exactly zero are white, small ones already coloured (the scale follows
    the square root), so that the sparsity is seen.

    Args:
        graph: float array or tensor `(length, length)`, receivers in rows.
        units: sequence, array or tensor of `length` strings, or of bytes in UTF-8;
            empty ones at the end are padding, and left out. Where there is no room for
            all of them, every second (third, ...) is written.
        path: path of the picture; its suffix is the format, for example `.png`. `None`
            writes nothing: for notebooks.
        title: string. How to read the picture is written below it.
        direction: `"forward"`, `"backward"` or `None`. With a direction, the pairs
            that cannot see each other are grey.

    Returns:
        The path, a `pathlib.Path`. The file appears complete or not at all. Without
        `path` the `matplotlib.figure.Figure`.

    Raises:
        ImportError: if matplotlib is not installed.
        ValueError: if a shape, the number of units, `direction` or the suffix of
            `path` is wrong.

    Example:

    >>> import tempfile
    >>> graph = [[0.0, 0, 0], [1, 0, 0], [0.1, 0.9, 0]]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = plot_graph_heatmap(graph, ["the", "cat", "sat"], folder + "/g.png")
    >>> path.name
    'g.png'
    """
    require_matplotlib("plot_graph_heatmap")
    graph, units = graphs_and_units("graph", graph, units, 2)
    length = len(units)
    labels = drawable_units(units)
    cell = max(min(0.3, 18 / length), min(0.55, 2.2 / length))
    side = cell * length
    size, step = _label_size(cell)
    label_width = max(text_width(label, size) for label in labels[::step])
    left, right = label_width + 0.55, 1.1
    width = max(left + side + right, 6.0)
    note = (
        "Rows: receivers. Columns: the senders that they read. "
        "White: weight zero" + ("; grey: out of sight." if direction else ".")
    )
    # The header's height depends on the width alone.
    header = write_header(new_figure("plot_graph_heatmap", width, 1), title, note)
    bottom = 0.2
    height = header + label_width + 0.5 + side + bottom
    figure = new_figure("plot_graph_heatmap", width, height)
    write_header(figure, title, note)
    axes = _axes(figure, left, bottom, side, side)
    image = _draw_matrix(axes, graph, _scale(graph), direction)
    axes.xaxis.set_label_position("top")
    axes.set_xlabel("senders", labelpad=6, size=9, **PLAIN)
    axes.set_ylabel("receivers", labelpad=6, size=9, **PLAIN)
    places = np.arange(0, length, step)
    shown = labels[::step]
    axes.set_xticks(places, shown, rotation=90, size=size, **PLAIN)
    axes.set_yticks(places, shown, size=size, **PLAIN)
    axes.tick_params(top=True, labeltop=True, bottom=False, labelbottom=False)
    if cell >= 0.1:
        _draw_cell_borders(axes, length)
    bar_height = min(side, 3.0)
    bar = _axes(figure, left + side + 0.2, bottom + side - bar_height, 0.14, bar_height)
    _draw_scale(figure, image, bar)
    return save_figure(figure, path)


def plot_graph_grid(
    graphs, units, path=None, title="Learned graphs of all heads", direction=None
):
    """Draw the graphs of all layers and heads of one sequence, small, side by side.

    Layers are rows of panels, heads columns, both counted from 0 as in the array.
    All panels share one scale of colours.

    Args:
        graphs: float array or tensor `(layers, heads, length, length)`.
        units: sequence, array or tensor of `length` strings, or of bytes in UTF-8,
            written at the outer panels if there is room; empty ones at the end are
            padding, and left out.
        path: path of the picture; its suffix is the format, for example `.png`. `None`
            writes nothing: for notebooks.
        title: string. How to read the picture is written below it.
        direction: `"forward"`, `"backward"` or `None`. With a direction, the pairs
            that cannot see each other are grey.

    Returns:
        The path, a `pathlib.Path`. The file appears complete or not at all. Without
        `path` the `matplotlib.figure.Figure`.

    Raises:
        ImportError: if matplotlib is not installed.
        ValueError: if a shape, the number of units, `direction` or the suffix of
            `path` is wrong.

    Example:

    >>> import tempfile
    >>> graphs = np.tril(np.ones((2, 3, 5, 5)), -1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = plot_graph_grid(graphs, list("abcde"), folder + "/grid.png")
    >>> path.name
    'grid.png'
    """
    require_matplotlib("plot_graph_grid")
    graphs, units = graphs_and_units("graphs", graphs, units, 4)
    num_layers, num_heads, length, _ = graphs.shape
    labels = drawable_units(units, max_length=12)
    side = float(np.clip(0.1 * length, 1.5, min(3.2, max(1.5, 20 / num_heads))))
    size, step = _label_size(side / length)
    label_width = max(text_width(label, size) for label in labels[::step])
    gap, left, right = 0.12, label_width + 0.45, 0.85
    width = max(left + num_heads * (side + gap) + right, 6.0)
    note = (
        "Panels: layers from top to bottom, heads from left to right, counted from "
        "0. In a panel, rows: receivers; columns: the senders that they read; "
        "white: weight zero" + ("; grey: out of sight." if direction else ".")
    )
    header = write_header(new_figure("plot_graph_grid", width, 1), title, note)
    bottom = label_width + 0.15
    height = header + 0.3 + num_layers * (side + gap) + bottom
    figure = new_figure("plot_graph_grid", width, height)
    write_header(figure, title, note)
    scale = _scale(graphs)
    places = np.arange(0, length, step)
    for layer in range(num_layers):
        for head in range(num_heads):
            x = left + head * (side + gap)
            y = bottom + (num_layers - 1 - layer) * (side + gap)
            axes = _axes(figure, x, y, side, side)
            image = _draw_matrix(axes, graphs[layer, head], scale, direction)
            if not graphs[layer, head].any():
                axes.text(
                    0.5,
                    0.5,
                    "empty",
                    ha="center",
                    va="center",
                    size=9,
                    transform=axes.transAxes,
                    **PLAIN,
                )
            axes.set_xticks([])
            axes.set_yticks([])
            if layer == 0:
                axes.set_title(f"head {head}", size=9, pad=4, **PLAIN)
            if layer == num_layers - 1:
                axes.set_xticks(places, labels[::step], rotation=90, size=size, **PLAIN)
            if head == 0:
                axes.set_yticks(places, labels[::step], size=size, **PLAIN)
                axes.set_ylabel(f"layer {layer}", size=9, labelpad=4, **PLAIN)
    bar_height = min(side, 2.5)
    top = bottom + num_layers * (side + gap) - gap
    x = left + num_heads * (side + gap) + 0.05
    _draw_scale(figure, image, _axes(figure, x, top - bar_height, 0.12, bar_height))
    return save_figure(figure, path)


def _axes(figure, left, bottom, width, height):
    """Axes at a place given in inches from the lower left corner."""
    total_width, total_height = figure.get_size_inches()
    return figure.add_axes(
        (
            left / total_width,
            bottom / total_height,
            width / total_width,
            height / total_height,
        )
    )


def _label_size(cell):
    """Font size for cells of a width in inches, and how many share one label."""
    size = min(9.0, cell * 72 * 0.75)
    step = max(1, math.ceil(_MIN_LABEL_SIZE / size))
    return max(size, _MIN_LABEL_SIZE), step


def _scale(graphs):
    from matplotlib.colors import PowerNorm

    largest = graphs.max()
    return PowerNorm(0.5, vmin=0.0, vmax=largest if largest > 0 else 1.0)


def _draw_matrix(axes, graph, scale, direction):
    if direction is not None:
        seen = ops.convert_to_numpy(visible_pairs(len(graph), direction))
        axes.imshow(
            np.where(seen, np.nan, 1.0), cmap=_single_color(HIDDEN), vmin=0, vmax=1
        )
    image = axes.imshow(
        np.ma.masked_equal(graph, 0.0),
        cmap=weight_colors(),
        norm=scale,
        interpolation="nearest",
        aspect="equal",
    )
    for spine in axes.spines.values():
        spine.set(color="#999999", linewidth=0.6)
    axes.tick_params(length=0, pad=2)
    return image


def _single_color(color):
    from matplotlib.colors import ListedColormap

    return ListedColormap([color])


def _draw_cell_borders(axes, length):
    edges = np.arange(1, length) - 0.5
    axes.set_xticks(edges, minor=True)
    axes.set_yticks(edges, minor=True)
    axes.grid(which="minor", color=FAINT, linewidth=0.4)
    axes.tick_params(which="minor", length=0, top=False, left=False, bottom=False)


def _draw_scale(figure, image, axes):
    bar = figure.colorbar(image, cax=axes)
    largest = image.norm.vmax
    bar.set_ticks(largest * np.array([0.0, 0.05, 0.25, 0.5, 1.0]))
    bar.ax.yaxis.set_major_formatter(lambda value, _: f"{value:.2g}")
    bar.minorticks_off()
    bar.outline.set(color="#999999", linewidth=0.6)
    bar.ax.tick_params(labelsize=8, length=2, colors=INK)
    bar.set_label("weight", size=9, color=INK)
