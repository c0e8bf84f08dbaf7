"""Graphs and their units as arrays and strings, whatever they come as."""

import numpy as np
from keras import ops


def graph_array(graphs):
    """Convert graphs to a NumPy array of float32 or, if they have it, float64.

    Args:
        graphs: array, tensor or nested lists.

    Returns:
        Float array of the same shape.

    Example:

    >>> graph_array(keras.ops.ones((2, 2), dtype="bfloat16")).dtype.name
    'float32'
    """
    graphs = np.asarray(ops.convert_to_numpy(graphs))
    return graphs.astype(np.result_type(graphs.dtype, "float32"), copy=False)


def check_weights(name, graphs):
    """Raise unless all weights are finite and zero or more.

    Args:
        name: string, what the argument is called.
        graphs: float array.

    Raises:
        ValueError: if one is negative or not finite.

    Example:

    >>> check_weights("graph", np.array([[0.0, np.nan]]))
    Traceback (most recent call last):
    ValueError: `graph` must have finite weights of zero or more. Received: 1 that are
    not finite and 0 below zero. Pass graphs, not scores.
    """
    if not np.all(np.isfinite(graphs)) or np.any(graphs < 0):
        raise ValueError(
            f"`{name}` must have finite weights of zero or more. Received: "
            f"{np.sum(~np.isfinite(graphs))} that are not finite and "
            f"{np.sum(graphs < 0)} below zero. Pass graphs, not scores."
        )


def square_graph(graph, threshold=0.0):
    """Convert one graph to an array, and check what weights are kept of it.

    Args:
        graph: float array or tensor `(length, length)`.
        threshold: float, weights above it are kept.

    Returns:
        Float array.

    Raises:
        ValueError: if `graph` is not a square matrix or `threshold` is negative.

    Example:

    >>> square_graph([[0, 0], [1, 0]]).shape
    (2, 2)
    """
    graph = graph_array(graph)
    if graph.ndim != 2 or graph.shape[0] != graph.shape[1]:
        raise ValueError(
            "`graph` must have shape (length, length). "
            f"Received: shape {graph.shape}. Take one head: graphs[b, layer, head]."
        )
    if threshold < 0:
        raise ValueError(
            "`threshold` must not be negative: weights of zero are no edges. "
            f"Received: threshold={threshold}."
        )
    return graph


def unit_strings(units):
    r"""Decode the units of one text.

    Args:
        units: sequence of strings or of bytes in UTF-8, also as a NumPy array or a
            string tensor, such as a row of what `TextGraphs` returns as `units`.

    Returns:
        List of strings; bytes that are not UTF-8 become U+FFFD.

    Raises:
        ValueError: if it is one string, or the units of several texts.

    Example:

    >>> unit_strings(np.array([b"caf\xc3\xa9", b"."]))
    ['café', '.']
    """
    if isinstance(units, (str, bytes)):
        raise ValueError(
            "`units` must be a sequence of strings, one a unit. Received one string: "
            f"{units!r}. Give [{units!r}], or split it."
        )
    return [_unit_string(unit) for unit in _plain(units)]


def without_padding(graphs, units):
    """Leave out the padding of a text that was one of a batch.

    Empty units at the end are padding, where nothing reads them and they read nothing.

    Args:
        graphs: float array `(..., length, length)`.
        units: list of `length` strings.

    Returns:
        Tuple of the graphs and the units of the real length.

    Example:

    >>> graphs, units = without_padding(np.zeros((3, 3)), ["the", "cat", ""])
    >>> graphs.shape, units
    ((2, 2), ['the', 'cat'])
    """
    length = len(units)
    while (
        length
        and not units[length - 1]
        and not graphs[..., length - 1, :].any()
        and not graphs[..., length - 1].any()
    ):
        length -= 1
    return graphs[..., :length, :length], units[:length]


def graphs_and_units(name, graphs, units, rank):
    """Convert the graphs of one text and its units, and check them against each other.

    Args:
        name: string, what the argument `graphs` is called.
        graphs: array or tensor of `rank` dimensions, the last two being receivers
            and senders.
        units: as for `unit_strings`. Empty ones at the end are padding, and left out.
        rank: int, 2 or 4.

    Returns:
        Tuple of a float64 array and a list of strings.

    Raises:
        ValueError: if they do not fit, or a weight is negative or not finite.

    Example:

    >>> graphs_and_units("graph", [[0, 0], [1, 0]], [b"a", b"b"], 2)[1]
    ['a', 'b']
    """
    graphs = graph_array(graphs).astype("float64", copy=False)
    units = unit_strings(units)
    shape = {
        2: "(length, length), one head: graphs[b, layer, head]",
        4: "(layers, heads, length, length), one sequence: graphs[b]",
    }[rank]
    if graphs.ndim != rank or graphs.shape[-1] != graphs.shape[-2]:
        raise ValueError(f"`{name}` must be {shape}. Received: shape {graphs.shape}.")
    if len(units) == graphs.shape[-1]:
        graphs, units = without_padding(graphs, units)
    if graphs.size == 0 or len(units) != graphs.shape[-1]:
        raise ValueError(
            f"`units` must name the units of `{name}`, one or more. Received: "
            f"{len(units)} units, {name} of shape {graphs.shape}. "
            "Leave out what is padding in both."
        )
    check_weights(name, graphs)
    return graphs, units


def _plain(units):
    """Return what a tensor or an array holds, as plain values of Python."""
    if hasattr(units, "numpy"):
        units = units.numpy()
    return units.tolist() if isinstance(units, np.ndarray) else units


def _unit_string(unit):
    unit = _plain(unit)
    if isinstance(unit, (list, tuple)):
        raise ValueError(
            "`units` must be those of one text. Received those of several: give one "
            "row, such as units[0]."
        )
    return unit.decode("utf-8", "replace") if isinstance(unit, bytes) else str(unit)
