"""Pictures of a training: curves of its metrics, and the state of its graphs."""

import csv
import math
import os

import numpy as np

from glomo_keras.analysis.figures import BLUE
from glomo_keras.analysis.figures import FAINT
from glomo_keras.analysis.figures import INK
from glomo_keras.analysis.figures import ORANGE
from glomo_keras.analysis.figures import PLAIN
from glomo_keras.analysis.figures import new_figure
from glomo_keras.analysis.figures import require_matplotlib
from glomo_keras.analysis.figures import save_figure
from glomo_keras.analysis.figures import weight_colors
from glomo_keras.analysis.figures import write_header
from glomo_keras.strings import check_string_list

_STATISTICS = {
    "density": "density: active weights by visible pairs",
    "empty_rows": "empty rows: share of the receivers that read nothing",
    "one_sender_rows": "one-sender rows: share of the receivers that read one unit",
    "specificity": "specificity: 0 where the receiver does not matter, at most 1",
    "effective_senders": "effective senders of a row: 1 / sum of squared shares",
    "within_1": "weight within 1 unit: mean share of a row",
    "within_4": "weight within 4 units",
    "link_distance": "distance from receiver to sender: mean, in units",
}


def plot_history(history, path=None, metrics=("loss",), title="Training history"):
    """Draw the curves of a training, one panel a metric, over its epochs.

    The training curve is blue and solid, the curve of the metric's `val_` twin
    orange and dashed; the lowest validation value is marked. Epochs count from 1.

    Args:
        history: path of a file that `keras.callbacks.CSVLogger` wrote, or a dict from
            metric name to the values of the epochs, such as `History.history`, with
            an optional key `"epoch"` (from 0). Values that are missing or not finite
            leave gaps; a panel without any finite value says so.
        path: path of the picture; its suffix is the format, for example `.png`. `None`
            writes nothing: for notebooks.
        metrics: sequence of metric names without `val_`, or `None` for all.
        title: string.

    Returns:
        The path, a `pathlib.Path`. The file appears complete or not at all. Without
        `path` the `matplotlib.figure.Figure`.

    Raises:
        ImportError: if matplotlib is not installed.
        FileNotFoundError: if `history` is the path of no file.
        ValueError: if the history has no epoch or no such metric, if `metrics` is
            empty or one string, or the suffix of `path` is wrong.

    Example:

    >>> import tempfile
    >>> history = {"loss": [3.0, 2.0, 1.5], "val_loss": [3.1, 2.4, 2.5]}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = plot_history(history, folder + "/history.png")
    >>> path.name
    'history.png'
    """
    require_matplotlib("plot_history")
    columns = read_history(history)
    epochs = columns.pop("epoch") + 1
    if metrics is None:
        metrics = list(dict.fromkeys(name.removeprefix("val_") for name in columns))
    check_string_list("metrics", metrics)
    metrics = list(metrics)
    if not metrics:
        raise ValueError(
            "`metrics` must be one metric of the history or more. Received none, and "
            f"the history has: {', '.join(columns) or 'no metric'}. Name one, or train "
            "with one."
        )
    for name in metrics:
        if name not in columns and f"val_{name}" not in columns:
            raise ValueError(
                f"`metrics` must be in the history: {', '.join(columns)}. "
                f"Received: {name!r}."
            )
    num_columns = min(3, len(metrics))
    num_rows = math.ceil(len(metrics) / num_columns)
    width, panel_height = max(6.0, 3.9 * num_columns), 2.9
    note = "Blue: training."
    if any(f"val_{name}" in columns for name in metrics):
        note += " Orange, dashed: validation; the ring marks its lowest value."
    header = write_header(new_figure("plot_history", width, 1), title, note)
    height = header + num_rows * panel_height
    figure = new_figure("plot_history", width, height)
    figure.set_layout_engine("constrained", rect=(0.01, 0, 0.98, 1 - header / height))
    write_header(figure, title, note)
    for index, name in enumerate(metrics):
        axes = figure.add_subplot(num_rows, num_columns, index + 1)
        _draw_curves(axes, name, epochs, columns)
    return save_figure(figure, path)


def read_history(history):
    """Read a training's metrics.

    Args:
        history: as for `plot_history`.

    Returns:
        Dict from column name to a float array, all of the same length, `"epoch"`
        (from 0) among them. Columns without any number are left out; NaN is one, of a
        training that diverged.

    Raises:
        FileNotFoundError: if `history` is the path of no file.
        ValueError: if there is no epoch, columns differ in length, or an epoch is no
            number.

    Example:

    >>> read_history({"loss": [3.0, 2.0]})["epoch"].tolist()
    [0.0, 1.0]
    """
    if isinstance(history, (str, os.PathLike)):
        source = f"the file {os.fspath(history)!r}"
        with open(history, newline="", encoding="utf-8") as lines:
            rows = list(csv.DictReader(lines))
        names = [name for name in rows[0] if name] if rows else []
        columns = {name: [row[name] for row in rows] for name in names}
    else:
        source, columns = "a dict", dict(history)
    columns = {
        name: [_number(value) for value in values] for name, values in columns.items()
    }
    lengths = {len(values) for values in columns.values()}
    if len(lengths) != 1 or lengths == {0}:
        raise ValueError(
            "`history` must have the metrics of one epoch or more, all columns of "
            f"the same length. Received: {source} with columns of lengths "
            f"{sorted(lengths)}. Train for an epoch first."
        )
    columns.setdefault("epoch", np.arange(float(lengths.pop())))
    columns = {
        name: np.array(values, "float64")  # None becomes NaN
        for name, values in columns.items()
        if name == "epoch" or any(value is not None for value in values)
    }
    if not np.all(np.isfinite(columns["epoch"])):
        raise ValueError(
            f"`history` must have a finite number in every row of `epoch`. Received: "
            f"{source} with {columns['epoch'].tolist()}."
        )
    return columns


def plot_graph_statistics(statistics, path=None, title="State of the graphs"):
    """Draw what `graph_statistics` found: a table of layers and heads a statistic.

    Args:
        statistics: dict that `graph_statistics` returned.
        path: path of the picture; its suffix is the format, for example `.png`. `None`
            writes nothing: for notebooks.
        title: string.

    Returns:
        The path, a `pathlib.Path`. The file appears complete or not at all. Without
        `path` the `matplotlib.figure.Figure`.

    Raises:
        ImportError: if matplotlib is not installed.
        ValueError: if the suffix of `path` is wrong.

    Example:

    >>> import tempfile
    >>> from glomo_keras.analysis import graph_statistics
    >>> statistics = graph_statistics(np.tril(np.ones((2, 3, 5, 7, 7)), -1))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = plot_graph_statistics(statistics, folder + "/statistics.png")
    >>> path.name
    'statistics.png'
    """
    require_matplotlib("plot_graph_statistics")
    by_head, overall = statistics["by_head"], statistics["overall"]
    num_layers, num_heads = by_head["density"].shape
    width = max(6.0, 0.62 * num_heads + 1.4)
    note = (
        "Rows: layers. Columns: heads. Both count from 0. Dead heads, without any "
        f"weight: {overall['dead_heads']:.0f} of {num_layers * num_heads}."
    )
    header = write_header(new_figure("plot_graph_statistics", width, 1), title, note)
    panel_height = 0.34 * num_layers + 0.75
    height = header + len(_STATISTICS) * panel_height
    figure = new_figure("plot_graph_statistics", width, height)
    figure.set_layout_engine("constrained", rect=(0.01, 0, 0.98, 1 - header / height))
    write_header(figure, title, note)
    for index, (name, meaning) in enumerate(_STATISTICS.items()):
        axes = figure.add_subplot(len(_STATISTICS), 1, index + 1)
        heading = f"{meaning} (overall {_text(overall[name])})"
        axes.set_title(heading, size=9, loc="left", **PLAIN)
        _draw_table(axes, np.asarray(by_head[name]))
    return save_figure(figure, path)


def _number(value):
    """Float of a cell, or `None` where it is missing ("NA", empty)."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _text(value):
    return f"{value:.3g}" if np.isfinite(value) else "–"


def _draw_curves(axes, name, epochs, columns):
    from matplotlib.ticker import MaxNLocator

    # What is not finite leaves a gap, infinities included.
    curves = {
        column: np.where(np.isfinite(columns[column]), columns[column], np.nan)
        for column in (name, f"val_{name}")
        if column in columns
    }
    marker = {"marker": "o", "markersize": 3} if len(epochs) <= 30 else {}
    if name in curves:
        axes.plot(epochs, curves[name], color=BLUE, label="training", **marker)
    validation = curves.get(f"val_{name}")
    if validation is not None:
        axes.plot(
            epochs,
            validation,
            color=ORANGE,
            linestyle="--",
            label="validation",
            **marker,
        )
        if np.any(np.isfinite(validation)):
            best = np.nanargmin(validation)
            axes.plot(
                epochs[best],
                validation[best],
                marker="o",
                markersize=9,
                fillstyle="none",
                color=ORANGE,
                linestyle="none",
                label=f"lowest: {validation[best]:.4g}, epoch {epochs[best]:.0f}",
            )
    axes.set_xlabel("epoch", size=9, **PLAIN)
    axes.set_title(name, size=10, **PLAIN)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set_xlim(np.min(epochs) - 0.3, np.max(epochs) + 0.3)
    axes.grid(color=FAINT, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8, colors=INK)
    if not any(np.any(np.isfinite(values)) for values in curves.values()):
        axes.set_yticks([])
        axes.text(
            0.5,
            0.5,
            "no finite value",
            transform=axes.transAxes,
            size=9,
            ha="center",
            va="center",
            **PLAIN,
        )
        return
    axes.legend(fontsize=8, frameon=False, labelcolor=INK)


def _draw_table(axes, values):
    # Colours start at zero: small differences between heads look small.
    largest = max(np.max(values, initial=0.0, where=np.isfinite(values)), 1e-9)
    axes.imshow(
        np.ma.masked_invalid(values / largest),
        cmap=weight_colors(),
        vmin=0,
        vmax=1.3,  # leaves out the darkest colours: numbers stand on these
        aspect="auto",
    )
    for (layer, head), value in np.ndenumerate(values):
        dark = np.isfinite(value) and value / largest > 0.65
        axes.text(
            head,
            layer,
            _text(value),
            size=8,
            ha="center",
            va="center",
            **(PLAIN | {"color": "white" if dark else INK}),
        )
    axes.set_xticks(range(values.shape[1]))
    axes.set_yticks(range(values.shape[0]))
    axes.tick_params(length=0, labelsize=8, colors=INK)
    axes.set_ylabel("layer", size=9, **PLAIN)
    axes.set_xlabel("head", size=9, labelpad=1, **PLAIN)
    axes.spines[:].set_visible(False)
