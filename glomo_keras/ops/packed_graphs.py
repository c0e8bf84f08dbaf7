"""Graphs of both directions in one array, their products among them."""

from keras import ops

from glomo_keras.checks import check_rank
from glomo_keras.checks import check_shape
from glomo_keras.checks import check_units
from glomo_keras.ops.composition import mixture_terms
from glomo_keras.ops.sizes import batch_size
from glomo_keras.ops.visibility import DIRECTIONS
from glomo_keras.ops.visibility import visible_pairs


def pack_graphs(graphs, composed=True):
    """Put the graphs of both directions, and their products, into one array.

        packed[i, t, k, j] = N_{t,k}[i, j],   of forward if j < i, of backward if j > i

    A forward graph reads what comes before, a backward graph what comes after, and so
    do their products: both fit into one matrix. Of graphs that never change products
    are constants, and need not be computed in every step. With the receivers first, the
    terms of a receiver lie together, as `propagate_packed` reads them.

    Args:
        graphs: dict of `forward` and `backward`, float tensors `(batch, layers, heads,
            length, length)`. No unit may read itself: such weights are left out.
        composed: bool, whether products are among the terms.

    Returns:
        Float tensor `(batch, length, terms, heads, length)`: receivers, the terms
        G^1 ... G^L, then (`composed`) the products of two to L layers, and senders.

    Raises:
        ValueError: if a direction is missing, or a rank is another.

    Example:

    >>> graphs = keras.ops.ones((2, 3, 5, 7, 7)) / 7
    >>> tuple(pack_graphs({"forward": graphs, "backward": graphs}).shape)
    (2, 7, 5, 5, 7)

    Reference: Yang et al., 2018 (arXiv 1806.05662), section 2.3, mixed graph.
    """
    if set(graphs) != set(DIRECTIONS):
        raise ValueError(
            "`graphs` must hold both directions, which share one array. Received: "
            f"{sorted(graphs)}. Give graphs of one direction to `propagate_mixture`."
        )
    forward, backward = (
        mixture_terms(_checked(graphs[direction]), composed) for direction in DIRECTIONS
    )
    packed = ops.tril(forward, -1) + ops.triu(backward, 1)
    return ops.transpose(packed, (0, 3, 1, 2, 4))


def propagate_packed(features, graphs, weights):
    """Compute messages along mixtures of packed graphs, of both directions at once.

        messages_m = M_m @ features,   M_m[i, j] = sum_{t, k} weights[i, m, t, k]
                                                   packed[i, t, k, j]

    with j < i for the first half of the mixtures, and j > i for the second. Of the same
    graphs and weights these are the messages of `propagate_mixture`, forward and
    backward.

    Args:
        features: float tensor `(batch, length, dim)`.
        graphs: float tensor `(batch, length, terms, heads, length)`, of `pack_graphs`.
        weights: float tensor `(batch or 1, length or 1, 2 * mixtures, terms, heads)`,
            those of forward first.

    Returns:
        Float tensor `(batch, length, 2 * mixtures * dim)`, mixture by mixture.

    Raises:
        ValueError: if the weights are of other graphs, or the shapes do not fit.

    Example:

    >>> graphs = keras.ops.ones((2, 3, 5, 7, 7)) / 7
    >>> packed = pack_graphs({"forward": graphs, "backward": graphs})
    >>> weights = keras.ops.ones((1, 1, 2, 5, 5)) / 25
    >>> tuple(propagate_packed(keras.ops.ones((2, 7, 11)), packed, weights).shape)
    (2, 7, 22)

    Reference: Yang et al., 2018 (arXiv 1806.05662), section 2.3, H M.
    """
    _, length, dim = check_rank("features", features, "batch, length, dim")
    shape = check_rank("graphs", graphs, "batch, length, terms, heads, length")
    _, receivers, num_terms, num_heads, senders = shape
    check_units("graphs", (receivers, senders), "features", (length, length))
    check_shape("weights", weights, "graphs", (None, None, None, num_terms, num_heads))
    num_mixtures, length = weights.shape[2], ops.shape(features)[1]
    if num_mixtures % 2:
        raise ValueError(
            "`weights` must be of as many mixtures forward as backward. Received: "
            f"{num_mixtures} mixtures. Give those of both directions."
        )
    num_graphs = num_terms * num_heads
    batch = batch_size(graphs)
    # Nothing is transposed, as JAX transposes graphs for weights that they share:
    # receivers and mixtures together are the rows of one matrix.
    weights = ops.multiply(weights, ops.ones_like(features[:, :, :1, None, None]))
    weights = ops.reshape(weights, (batch, length, num_mixtures, num_graphs))
    terms = ops.reshape(graphs, (batch, length, num_graphs, length))
    mixed = ops.matmul(weights, terms)
    sides = [visible_pairs(length, direction) for direction in DIRECTIONS]
    sides = ops.repeat(ops.stack(sides, axis=1), num_mixtures // 2, axis=1)
    mixed = mixed * ops.cast(sides, mixed.dtype)  # graphs are finite, faster than where
    rows = ops.reshape(mixed, (batch_size(mixed), length * num_mixtures, length))
    messages = ops.matmul(rows, features)
    return ops.reshape(messages, (batch_size(messages), length, num_mixtures * dim))


def _checked(graphs):
    check_rank("graphs", graphs, "batch, layers, heads, length, length")
    return graphs
