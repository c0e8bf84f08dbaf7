"""Graphs at work: propagation along one graph, products along several."""

from keras import ops

from glomo_keras.checks import check_rank
from glomo_keras.checks import check_units
from glomo_keras.ops.sizes import batch_size


def compose_graphs(graphs):
    """Multiply the graphs of the first layers, head by head.

        composed^1 = G^1,   composed^l = G^l @ composed^(l-1)

    which is the paper's product G^1 ... G^l in its transposed orientation: what a
    receiver of layer l reads, l steps along the graphs.

    Args:
        graphs: float tensor `(batch, layers, heads, length, length)`, receivers in
            rows.

    Returns:
        Float tensor of the same shape, index 0 of axis 1 being G^1 itself.

    Raises:
        ValueError: if the rank is another.

    Example:

    >>> graphs = keras.ops.ones((2, 3, 5, 7, 7)) / 7
    >>> tuple(compose_graphs(graphs).shape)
    (2, 3, 5, 7, 7)

    Reference: Yang et al., 2018 (arXiv 1806.05662), section 2.3, Lambda.
    """
    check_rank("graphs", graphs, "batch, layers, heads, length, length")
    return ops.stack([graphs[:, 0], *products(graphs)], axis=1)


def products(graphs):
    """Return an iterator of the products of two to all layers, one after the other."""
    product = graphs[:, 0]
    for layer in range(1, graphs.shape[1]):
        product = ops.matmul(graphs[:, layer], product)
        yield product


def mixture_terms(graphs, composed=True):
    """Return what a mixture sums: the graphs, then the products of two to all layers.

    Args:
        graphs: float tensor `(batch, layers, heads, length, length)`.
        composed: bool, whether products are among the terms.

    Returns:
        Float tensor `(batch, terms, heads, length, length)`.

    Raises:
        ValueError: if the rank is another.

    Example:

    >>> tuple(mixture_terms(keras.ops.ones((2, 3, 5, 7, 7)) / 7).shape)
    (2, 5, 5, 7, 7)
    """
    if not composed:
        return graphs
    return ops.concatenate([graphs, compose_graphs(graphs)[:, 1:]], axis=1)


def propagate(features, graph):
    """Sum the senders' features by weight; each head moves its own slice.

        messages[i, slice k] = sum_j graph[k, i, j] features[j, slice k]

    Args:
        features: float tensor `(batch, length, dim)`, `dim` a multiple of `heads`.
        graph: float tensor `(batch, heads, length, length)`, receivers in rows.

    Returns:
        Float tensor `(batch, length, dim)`.

    Raises:
        ValueError: if a rank is another, the heads do not divide the features, or the
            graph is over other units.

    Example:

    >>> features = keras.ops.array([[[1.0, 0], [0, 1], [1, 1]]])
    >>> graph = keras.ops.array([[[[0.0, 0, 0], [1, 0, 0], [0.25, 0.75, 0]]]])
    >>> keras.ops.convert_to_numpy(propagate(features, graph)).tolist()
    [[[0.0, 0.0], [1.0, 0.0], [0.25, 0.75]]]

    Reference: Yang et al., 2018 (arXiv 1806.05662), eq. 2, the weighted sum.
    """
    check_heads(features, graph)
    return join_heads(ops.matmul(graph, split_heads(features, graph.shape[1])))


def check_heads(features, graph):
    """Raise unless the heads of a graph can each move a slice of the features.

    Args:
        features: float tensor `(batch, length, dim)`, or its shape.
        graph: float tensor `(batch, heads, length, length)`, or its shape.

    Raises:
        ValueError: if a rank is another, the heads do not divide the features, or the
            graph is over other units.

    Example:

    >>> check_heads((2, 7, 6), (2, 4, 7, 7))
    Traceback (most recent call last):
    ValueError: The number of heads of `graph` must divide the last dimension of
    `features`. Received: heads=4, dim=6. Use one of [1, 2, 3, 6] heads.
    """
    _, length, dim = check_rank("features", features, "batch, length, dim")
    _, heads, receivers, senders = check_rank(
        "graph",
        graph,
        "batch, heads, length, length",
        advice="`graph` is one layer of a predictor's graphs.",
    )
    check_units("graph", (receivers, senders), "features", (length, length))
    if None not in (dim, heads) and dim % heads:
        divisors = [n for n in range(1, dim + 1) if dim % n == 0]
        raise ValueError(
            "The number of heads of `graph` must divide the last dimension of "
            f"`features`. Received: heads={heads}, dim={dim}. Use one of "
            f"{divisors} heads."
        )


def split_heads(features, num_heads):
    """Cut features into slices, one a head.

    Args:
        features: float tensor `(batch, length, dim)`, `dim` a multiple of `num_heads`.
        num_heads: int.

    Returns:
        Float tensor `(batch, num_heads, length, dim / num_heads)`.

    Example:

    >>> tuple(split_heads(keras.ops.ones((2, 7, 15)), 3).shape)
    (2, 3, 7, 5)
    """
    length, dim = ops.shape(features)[1], features.shape[-1]
    sizes = (batch_size(features), length, num_heads, dim // num_heads)
    slices = ops.reshape(features, sizes)
    return ops.transpose(slices, (0, 2, 1, 3))


def join_heads(slices):
    """Join what `split_heads` cut.

    Args:
        slices: float tensor `(batch, num_heads, length, size)`.

    Returns:
        Float tensor `(batch, length, num_heads * size)`.

    Example:

    >>> tuple(join_heads(keras.ops.ones((2, 3, 7, 5))).shape)
    (2, 7, 15)
    """
    dim = slices.shape[1] * slices.shape[-1]
    sizes = (batch_size(slices), ops.shape(slices)[2], dim)
    return ops.reshape(ops.transpose(slices, (0, 2, 1, 3)), sizes)
