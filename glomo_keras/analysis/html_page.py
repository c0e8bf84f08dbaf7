"""Graphs of texts as a page for a browser: one file, without network."""

import importlib.resources
import json
import pathlib

import numpy as np

from glomo_keras.analysis.graph_arrays import check_weights
from glomo_keras.analysis.graph_arrays import graph_array
from glomo_keras.analysis.graph_arrays import unit_strings
from glomo_keras.checks import check_positive_integers
from glomo_keras.files import write_text
from glomo_keras.ops.visibility import DIRECTIONS
from glomo_keras.strings import replace_surrogates

_PLACE_OF_DATA = "/*DATA*/"


def save_html(path, graphs, units=None, title="Learned graphs", max_senders=16):
    """Write a page that shows the graphs of texts in a browser.

    Arcs over the words, forward graphs above and backward graphs below them, and a heat
    map; layer, head, direction and the least weight that is shown can be chosen, as can
    the means over heads and layers and the product of the layers. Pointing at a word,
    or moving to it by the keyboard, shows what it reads. Nothing is loaded from a
    network.

    Args:
        path: path of the page. The file appears complete or not at all.
        graphs: dict of `forward` and `backward`, or one of them, arrays or tensors
            `(batch, layers, heads, length, length)`: what `TextGraphs` returns, or a
            `GraphPredictor`.
        units: sequences, array or tensor `(batch, length)` of strings, or of bytes in
            UTF-8; empty ones at the end are padding, and left out. `None` takes
            `graphs["units"]`, which `TextGraphs` returns.
        title: str, of the page.
        max_senders: int, strongest senders of a row that the page holds. Weights are
            rounded to thousandths.

    Returns:
        `path`, a `pathlib.Path`.

    Raises:
        ValueError: if a shape or the number of units is wrong, a weight is negative or
            not finite, or no text has a unit.

    Example:

    >>> import tempfile
    >>> graphs = dict.fromkeys(("forward", "backward"), np.zeros((1, 2, 3, 2, 2)))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = save_html(folder + "/cat.html", graphs, [["the", "cat"]])
    >>> path.name
    'cat.html'
    """
    check_positive_integers(max_senders=max_senders)
    arrays = {name: graph_array(graphs[name]) for name in DIRECTIONS if name in graphs}
    if not arrays or len({array.shape for array in arrays.values()}) > 1:
        shapes = {name: array.shape for name, array in arrays.items()}
        raise ValueError(
            "`graphs` must be a dict of `forward` and `backward`, or one of them, of "
            f"one shape. Received: {shapes or list(graphs)}."
        )
    array = next(iter(arrays.values()))
    if array.ndim != 5 or array.shape[-1] != array.shape[-2]:
        raise ValueError(
            "`graphs` must have shape (batch, layers, heads, length, length). "
            f"Received: shape {array.shape}. A single text is graphs[None]."
        )
    if units is None:
        if "units" not in graphs:
            raise ValueError(
                "`units` must be given, where `graphs` has none: those of every text. "
                f"Received: graphs with {list(graphs)}."
            )
        units = graphs["units"]
    units = [_without_padding(unit_strings(row)) for row in units]
    lengths = [len(row) for row in units]
    if len(units) != len(array) or max(lengths, default=0) > array.shape[-1]:
        raise ValueError(
            "`units` must name the units of every text. Received: texts of "
            f"{lengths} units, and graphs of shape {array.shape}."
        )
    if not any(lengths):
        raise ValueError("The texts have no unit: there is nothing to draw.")
    for name, weights in arrays.items():
        check_weights(name, weights)
    data = {
        "title": title,
        "layers": array.shape[1],
        "heads": array.shape[2],
        "texts": [
            {"units": row, **_text_edges(arrays, number, len(row), max_senders)}
            for number, row in enumerate(units)
            if row
        ],
    }
    return write_page("graph_page.html", data, path)


def write_page(template, data, path):
    """Write a page with its data inside.

    Args:
        template: str, file beside this one.
        data: what JSON can hold. Lone surrogates, which UTF-8 cannot, become U+FFFD.
        path: path of the page, whose folder is made.

    Returns:
        The path, a `pathlib.Path`. The file appears complete or not at all.

    Example:

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_page("graph_page.html", {}, folder + "/page.html").name
    'page.html'
    """
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    text = replace_surrogates(text)
    # Of what would end the element, no character is left.
    text = text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
    page = importlib.resources.files("glomo_keras.analysis") / template
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, page.read_text("utf-8").replace(_PLACE_OF_DATA, text))
    return path


def strongest_thousandths(graphs, max_senders):
    """Return weights in thousandths, zero but for the strongest senders of every row.

    Args:
        graphs: float array `(..., length, length)`, receivers in rows.
        max_senders: int.

    Returns:
        Int array of the same shape.

    Example:

    >>> strongest_thousandths(np.array([[0.0, 0.1, 0.2, 0.7]]), 2).tolist()
    [[0, 0, 200, 700]]
    """
    thousandths = np.rint(1000 * graphs).astype(int)
    if max_senders < graphs.shape[-1]:
        order = np.argsort(-graphs, axis=-1, kind="stable")[..., max_senders:]
        np.put_along_axis(thousandths, order, 0, axis=-1)
    return thousandths


def _without_padding(units):
    while units and not units[-1]:
        units = units[:-1]
    return units


def _text_edges(arrays, number, length, max_senders):
    """Return the edges of every direction, layer and head of a text."""
    edges = {}
    for direction in DIRECTIONS:
        graph = arrays.get(direction)
        if graph is None:
            graph = np.zeros_like(next(iter(arrays.values())))
        graph = graph[number, :, :, :length, :length]
        edges[direction] = [
            [_edges(head, max_senders) for head in layer] for layer in graph
        ]
    return edges


def _edges(graph, max_senders):
    """Return receiver, sender and thousandths of every edge, one after the other."""
    thousandths = strongest_thousandths(graph, max_senders)
    receivers, senders = np.nonzero(thousandths)
    triples = [receivers, senders, thousandths[receivers, senders]]
    return np.stack(triples, axis=1).ravel().tolist()
