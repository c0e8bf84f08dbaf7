"""Learned graphs in the forms that other libraries work on."""

from typing import NamedTuple

import numpy as np

from glomo_keras.analysis.graph_arrays import graph_array
from glomo_keras.analysis.graph_arrays import square_graph
from glomo_keras.analysis.graph_arrays import unit_strings
from glomo_keras.analysis.graph_arrays import without_padding
from glomo_keras.checks import check_positive_integers


class TopSenders(NamedTuple):
    """The strongest senders of every receiver.

    Attributes:
        indices: int32 array `(..., length, k)`, strongest sender first, -1 where the
            receiver has no further sender.
        weights: float array of the same shape, zero at an index of -1.
    """

    indices: np.ndarray
    weights: np.ndarray

    def table(self, units):
        """Write the senders of one graph as words, a line a receiver.

        Args:
            units: sequence of strings or of bytes in UTF-8, one a receiver, such as a
                row of what `TextGraphs` returns as `units`. Empty ones are padding, and
                left out.

        Returns:
            String of lines: index and word of the receiver, and the words that it
            reads, the strongest first, with their weights.

        Raises:
            ValueError: if these are senders of several graphs, or of another number of
                units.

        Example:

        >>> graph = [[0.0, 0, 0], [1, 0, 0], [0.25, 0.75, 0]]
        >>> print(top_senders(graph, k=2).table(["the", "cat", "sat"]))
        receiver  unit  reads
        0         the
        1         cat   the 1.00
        2         sat   cat 0.75, the 0.25
        """
        units = unit_strings(units)
        if self.indices.ndim != 2 or len(units) != len(self.indices):
            raise ValueError(
                "`table` writes one graph, with a unit a receiver. Received: senders "
                f"of shape {self.indices.shape}, {len(units)} units. Take one head or "
                "a mean: top_senders(graphs[text, layer, head], k).table(units[text])."
            )
        rows = [("receiver", "unit", "reads")]
        for index, unit in enumerate(units):
            if unit:
                pairs = zip(self.indices[index], self.weights[index], strict=True)
                reads = [f"{units[i]} {weight:.2f}" for i, weight in pairs if i >= 0]
                rows.append((str(index), unit, ", ".join(reads)))
        width = max(len(unit) for _, unit, _ in rows)
        lines = (f"{index:8}  {unit:{width}}  {reads}" for index, unit, reads in rows)
        return "\n".join(line.rstrip() for line in lines)


def to_scipy(graph, threshold=0.0):
    """Convert a graph to a sparse SciPy array.

    Args:
        graph: float array or tensor `(length, length)`, receivers in rows.
        threshold: float, weights above it are kept.

    Returns:
        A `scipy.sparse.csr_array` `(length, length)`: rows are receivers, columns
        senders.

    Raises:
        ImportError: if SciPy is not installed.
        ValueError: if `graph` is not a square matrix or `threshold` is negative.

    Example:

    >>> sparse = to_scipy([[0.0, 0, 0], [1, 0, 0], [0.1, 0.9, 0]], threshold=0.5)
    >>> sparse.nnz, float(sparse[2, 1])
    (2, 0.9)
    """
    graph = square_graph(graph, threshold)
    try:
        from scipy import sparse
    except ImportError as error:
        raise ImportError(_install("to_scipy", "SciPy")) from error
    return sparse.csr_array(np.where(graph > threshold, graph, 0))


def to_networkx(graph, units=None, threshold=0.0):
    """Convert a graph to a directed NetworkX graph.

    Nodes are positions, from 0 on, all of them, with the attribute `unit`. Edges run
    from sender to receiver, the way that messages take, with the attribute `weight`.

    Args:
        graph: float array or tensor `(length, length)`, receivers in rows.
        units: sequence, array or tensor of `length` strings, or of bytes in UTF-8;
            empty ones at the end are padding, and left out. `None` for no attribute.
        threshold: float, edges have weights above it.

    Returns:
        A `networkx.DiGraph`.

    Raises:
        ImportError: if NetworkX is not installed.
        ValueError: if `graph` is not a square matrix, `threshold` is negative, or
            `units` has another length.

    Example:

    >>> converted = to_networkx([[0.0, 0], [0.75, 0]], units=["the", "cat"])
    >>> list(converted.edges(data="weight"))
    [(0, 1, 0.75)]
    """
    graph = square_graph(graph, threshold)
    try:
        import networkx
    except ImportError as error:
        raise ImportError(_install("to_networkx", "NetworkX")) from error
    converted = networkx.DiGraph()
    if units is None:
        converted.add_nodes_from(range(len(graph)))
    else:
        units = unit_strings(units)
        if len(units) != len(graph):
            raise ValueError(
                f"`units` must name the {len(graph)} units of `graph`. "
                f"Received: {len(units)} units. Leave out what is padding in both."
            )
        graph, units = without_padding(graph, units)
        converted.add_nodes_from((i, {"unit": unit}) for i, unit in enumerate(units))
    for receiver, sender in np.argwhere(graph > threshold).tolist():
        weight = float(graph[receiver, sender])
        converted.add_edge(sender, receiver, weight=weight)
    return converted


def top_senders(graphs, k):
    """Find the `k` strongest senders of every receiver.

    Args:
        graphs: float array or tensor `(..., length, length)`, receivers in rows.
        k: int, how many senders, at most `length`.

    Returns:
        A `TopSenders`. Of equally strong senders the first comes first; where fewer
        than `k` have a weight above zero, the rest is -1 with weight zero.

    Raises:
        ValueError: if the last two dimensions differ or `k` does not fit.
        TypeError: if `k` is no integer.

    Example:

    >>> strongest = top_senders([[0.0, 0, 0], [1, 0, 0], [0.25, 0.75, 0]], k=2)
    >>> strongest.indices.tolist()
    [[-1, -1], [0, -1], [1, 0]]
    >>> strongest.weights[2].tolist()
    [0.75, 0.25]
    """
    graphs = graph_array(graphs)
    if graphs.ndim < 2 or graphs.shape[-1] != graphs.shape[-2]:
        raise ValueError(
            "`graphs` must have shape (..., length, length). "
            f"Received: shape {graphs.shape}."
        )
    check_positive_integers(k=k)
    if k > graphs.shape[-1]:
        raise ValueError(
            f"`k` must be at most the number of units, {graphs.shape[-1]}. Received: "
            f"k={k}."
        )
    # Stable, so that ties are in the order of the senders.
    indices = np.argsort(-graphs, axis=-1, kind="stable")[..., :k]
    weights = np.take_along_axis(graphs, indices, axis=-1)
    active = weights > 0
    return TopSenders(
        np.where(active, indices, -1).astype("int32"),
        np.where(active, weights, np.zeros_like(weights)),
    )


def _install(function, library):
    return (
        f"`{function}` needs {library}, which is not installed. "
        'Run: pip install "glomo_keras[analysis]"'
    )
