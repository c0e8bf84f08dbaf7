"""Learned graphs as lists of edges, which libraries of graph networks work on."""

from typing import NamedTuple

import numpy as np

from glomo_keras.analysis.graph_arrays import check_weights
from glomo_keras.analysis.graph_arrays import graph_array
from glomo_keras.analysis.graph_arrays import square_graph
from glomo_keras.checks import positive_integer


class Edges(NamedTuple):
    """The edges of a graph, in the order of receivers, then of senders.

    Attributes:
        receivers: int32 array `(num_edges,)`.
        senders: int32 array `(num_edges,)`.
        weights: float array `(num_edges,)`.
    """

    receivers: np.ndarray
    senders: np.ndarray
    weights: np.ndarray


def to_coo(graph, threshold=0.0):
    """Convert a graph to the coordinates of its edges.

    Messages run from senders to receivers: `np.stack([senders, receivers])` is what
    PyTorch Geometric calls an edge index.

    Args:
        graph: float array or tensor `(length, length)`, receivers in rows.
        threshold: float, weights above it are kept.

    Returns:
        `Edges`.

    Raises:
        ValueError: if `graph` is not a square matrix or `threshold` is negative.

    Example:

    >>> edges = to_coo([[0.0, 0, 0], [1, 0, 0], [0.25, 0.75, 0]])
    >>> edges.receivers.tolist(), edges.senders.tolist(), edges.weights.tolist()
    ([1, 2, 2], [0, 0, 1], [1.0, 0.25, 0.75])
    """
    graph = square_graph(graph, threshold)
    receivers, senders = np.nonzero(graph > threshold)
    return Edges(
        receivers.astype("int32"), senders.astype("int32"), graph[receivers, senders]
    )


def from_coo(edges, length):
    """Convert the coordinates of edges to a graph, as `GraphTransfer` takes it.

    Args:
        edges: `Edges`, or a tuple of receivers, senders and weights. Weights of an
            edge that is there more than once are added up.
        length: int, number of units.

    Returns:
        Float32 or float64 array `(length, length)`, receivers in rows: `graph[None,
        None, None]` is one of a batch, layer and head.

    Raises:
        ValueError: if the arrays differ in shape, a unit is not one of `length`, or a
            weight is negative or not finite.

    Example:

    >>> from_coo(([1, 2, 2], [0, 0, 1], [1.0, 0.25, 0.75]), length=3).tolist()
    [[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.25, 0.75, 0.0]]
    """
    length = positive_integer("length", length)
    receivers, senders, weights = edges
    weights = graph_array(weights)
    places = np.stack([np.asarray(receivers), np.asarray(senders)])
    if places.size and not np.issubdtype(places.dtype, np.integer):
        raise ValueError(
            "`edges` must have integers for receivers and senders. Received: "
            f"{places.dtype}."
        )
    if weights.ndim != 1 or places.shape[1:] != weights.shape:
        raise ValueError(
            "`edges` must be three arrays (num_edges,): receivers, senders, weights. "
            f"Received: shapes {np.shape(receivers)}, {np.shape(senders)}, "
            f"{weights.shape}."
        )
    check_weights("weights", weights)
    if weights.size and not (places.min() >= 0 and places.max() < length):
        raise ValueError(
            f"`edges` must be of the units from 0 to {length - 1}. Received: units "
            f"from {places.min()} to {places.max()}."
        )
    graph = np.zeros((length, length), weights.dtype)
    np.add.at(graph, tuple(places.astype(int)), weights)
    return graph
