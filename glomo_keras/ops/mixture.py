"""Mixed graphs, and the messages along them, for given mixture weights."""

import keras
from keras import ops

from glomo_keras.checks import check_rank
from glomo_keras.checks import check_shape
from glomo_keras.checks import check_units
from glomo_keras.ops.composition import products
from glomo_keras.ops.sizes import batch_size

# JAX's compiler for the CPU takes three to ten times as long as others for products of
# many matrices with as many.
MULTIPLIES_GRAPHS = keras.backend.backend() != "jax"


def mix_graphs(graphs, weights, composed=True):
    """Sum the graphs and their products by weight.

        M_m[i, j] = sum_{t, k} weights[i, m, t, k] N_{t,k}[i, j]

    with the terms N in the order G^1 ... G^L, then (`composed`) the products of two
    to L layers.

    Args:
        graphs: float tensor `(batch, layers, heads, length, length)`.
        weights: float tensor `(batch or 1, length or 1, mixtures, terms, heads)`.
        composed: bool, whether the products are among the terms.

    Returns:
        Float tensor `(batch, mixtures, length, length)`.

    Raises:
        ValueError: if the weights are of other graphs, or a rank is another.

    Example:

    >>> graphs = keras.ops.ones((2, 3, 5, 7, 7)) / 7
    >>> weights = keras.ops.ones((1, 1, 1, 5, 5)) / 25
    >>> tuple(mix_graphs(graphs, weights).shape)
    (2, 1, 7, 7)

    Reference: Yang et al., 2018 (arXiv 1806.05662), section 2.3.
    """
    _check_weights(graphs, weights, composed)
    return _mix(graphs, weights, composed)


def propagate_mixture(features, graphs, weights, composed=True):
    """Compute messages along mixed graphs, in the cheapest order.

        messages_m = M_m @ features

    Graphs are mixed after they carried messages, or before, whichever has fewer
    multiplications an edge:

        messages first   layers * heads * dim
        graphs first     mixtures * (layers * heads + dim)

    Times of training follow them where they differ by a factor of three; closer,
    neither order is twice as slow as the other. Where they are mixed before, products
    act on features, (G^2 @ G^1) @ H is G^2 @ (G^1 @ H); or, of texts so short that it
    is cheaper, graphs are multiplied with graphs (not on JAX). With the gradient of the
    features, and none of the graphs, as of a frozen predictor, an edge takes

        products on features   2 * layers * heads * dim
        products of graphs     (layers - 1) * heads * length

    For graphs that never change see `propagate_packed`.

    Args:
        features: float tensor `(batch, length, dim)`.
        graphs: float tensor `(batch, layers, heads, length, length)`.
        weights: float tensor `(batch or 1, length or 1, mixtures, terms, heads)`.
        composed: bool, whether the products are among the terms.

    Returns:
        Float tensor `(batch, length, mixtures * dim)`, mixture by mixture.

    Raises:
        ValueError: if the weights are of other graphs, or the shapes do not fit.

    Example:

    >>> graphs = keras.ops.ones((2, 3, 5, 7, 7)) / 7
    >>> weights = keras.ops.ones((1, 1, 1, 5, 5)) / 25
    >>> tuple(propagate_mixture(keras.ops.ones((2, 7, 11)), graphs, weights).shape)
    (2, 7, 11)

    Reference: Yang et al., 2018 (arXiv 1806.05662), section 2.3, H M.
    """
    _check_graphs(features, graphs)
    _check_weights(graphs, weights, composed)
    num_layers, num_mixtures = graphs.shape[1], weights.shape[2]
    length, dim = ops.shape(features)[1], features.shape[-1]
    num_graphs = num_layers * graphs.shape[2]
    if num_graphs * dim < num_mixtures * (num_graphs + dim):
        return mix_messages(term_messages(features, graphs, composed), weights)
    of_graphs = (num_layers - 1) * (features.shape[1] or 0)
    on_graphs = MULTIPLIES_GRAPHS and 0 < of_graphs < 2 * num_layers * dim
    mixed = _mix(graphs, weights, composed and on_graphs)
    messages = ops.matmul(mixed, features[:, None])  # (batch, mixtures, length, dim)
    messages = ops.transpose(messages, (0, 2, 1, 3))
    if composed and num_layers > 1 and not on_graphs:
        reached = ops.matmul(graphs[:, 0], features[:, None])
        for layer in range(1, num_layers):
            # (batch, heads, length, dim)
            reached = ops.matmul(graphs[:, layer], reached)
            share = weights[..., num_layers + layer - 1, :]
            messages = messages + ops.matmul(
                share, ops.transpose(reached, (0, 2, 1, 3))
            )
    sizes = (batch_size(features), length, num_mixtures * dim)
    return ops.reshape(messages, sizes)


def term_messages(features, graphs, composed=True):
    """Compute messages along every graph, and along products of graphs, unmixed.

    Of features that never change, such as the pixels of an image, these are constants
    that can be kept; the weighted sum over terms and heads is what `propagate_mixture`
    gives.

    Args:
        features: float tensor `(batch, length, dim)`.
        graphs: float tensor `(batch, layers, heads, length, length)`.
        composed: bool, whether products are among the terms.

    Returns:
        Float tensor `(batch, terms, heads, length, dim)`.

    Raises:
        ValueError: if the shapes do not fit.

    Example:

    >>> graphs = keras.ops.ones((2, 3, 5, 7, 7)) / 7
    >>> tuple(term_messages(keras.ops.ones((2, 7, 11)), graphs).shape)
    (2, 5, 5, 7, 11)
    """
    _check_graphs(features, graphs)
    messages = ops.matmul(graphs, features[:, None, None])
    if not composed or graphs.shape[1] == 1:
        return messages
    reached, terms = messages[:, 0], [messages]
    for layer in range(1, graphs.shape[1]):
        reached = ops.matmul(graphs[:, layer], reached)
        terms.append(reached[:, None])
    return ops.concatenate(terms, axis=1)


def mix_messages(messages, weights):
    """Sum messages along all graphs, of `term_messages`, by weight.

        mixed_m[i] = sum_{t, k} weights[i, m, t, k] messages[t, k, i]

    Args:
        messages: float tensor `(batch, terms, heads, length, dim)`.
        weights: float tensor `(batch or 1, length or 1, mixtures, terms, heads)`.

    Returns:
        Float tensor `(batch, length, mixtures * dim)`, mixture by mixture: what
        `propagate_mixture` gives.

    Raises:
        ValueError: if there is not a weight for each of the messages, or a rank is
            another.

    Example:

    >>> graphs = keras.ops.ones((2, 3, 5, 7, 7)) / 7
    >>> messages = term_messages(keras.ops.ones((2, 7, 11)), graphs)
    >>> weights = keras.ops.ones((1, 1, 1, 5, 5)) / 25
    >>> tuple(mix_messages(messages, weights).shape)
    (2, 7, 11)

    Reference: Yang et al., 2018 (arXiv 1806.05662), section 2.3, H M.
    """
    layout = "batch, terms, heads, length, dim"
    _, num_terms, num_heads, _, dim = check_rank("messages", messages, layout)
    check_shape(
        "weights", weights, "messages", (None, None, None, num_terms, num_heads)
    )
    length, num_mixtures = ops.shape(messages)[3], weights.shape[2]
    rows = ops.reshape(
        messages, (batch_size(messages), num_terms * num_heads, length, dim)
    )
    rows = ops.transpose(rows, (0, 2, 1, 3))  # (batch, length, terms, dim)
    flat = batch_size(weights), ops.shape(weights)[1], num_mixtures, rows.shape[2]
    mixed = ops.matmul(ops.reshape(weights, flat), rows)
    return ops.reshape(mixed, (batch_size(messages), length, num_mixtures * dim))


def _check_graphs(features, graphs):
    """Raise unless the graphs are over the units of the features."""
    _, length, _ = check_rank("features", features, "batch, length, dim")
    shape = check_rank("graphs", graphs, "batch, layers, heads, length, length")
    check_units("graphs", shape[3:], "features", (length, length))


def _check_weights(graphs, weights, composed):
    """Raise unless there is a weight for every term and head of the graphs."""
    shape = check_rank("graphs", graphs, "batch, layers, heads, length, length")
    check_rank("weights", weights, "batch, length, mixtures, terms, heads")
    num_layers, num_heads = shape[1:3]
    terms = (2 * num_layers - 1 if composed else num_layers), num_heads
    if tuple(weights.shape[-2:]) != terms:
        raise ValueError(
            f"`weights` must be of {terms[0]} terms and {num_heads} heads: those of "
            f"`graphs` of {num_layers} layers. Received: {weights.shape[-2]} terms and "
            f"{weights.shape[-1]} heads. Graphs of another predictor need a mixture of "
            "their own."
        )


def _mix(graphs, weights, composed):
    """Sum graphs, and their products if `composed`, by weights: `mix_graphs`.

    Products are added one by one, each as it is: all terms in one array would be a
    copy of them.
    """
    num_layers = graphs.shape[1]
    mixed = _weighted_sum(graphs, weights[..., :num_layers, :])
    if composed:
        for term, product in enumerate(products(graphs), start=num_layers):
            of_product = weights[..., term : term + 1, :]
            mixed = mixed + _weighted_sum(product[:, None], of_product)
    return mixed


def _weighted_sum(terms, weights):
    """Sum terms `(batch, terms, heads, i, j)` by weights `(b, i, mixtures, t, k)`."""
    batch, num_terms, num_heads, length, _ = ops.shape(terms)
    num_mixtures, num_rows = weights.shape[2], num_terms * num_heads
    rows = ops.reshape(terms, (batch, num_rows, length, length))
    if weights.shape[:2] == (1, 1):  # the same for every unit: receivers stay in place
        rows = ops.reshape(rows, (batch, num_rows, length * length))
        mixed = ops.matmul(ops.reshape(weights, (num_mixtures, num_rows)), rows)
        return ops.reshape(mixed, (batch, num_mixtures, length, length))
    weights = ops.reshape(weights, (*ops.shape(weights)[:3], num_rows))
    weights = ops.broadcast_to(weights, (batch, length, num_mixtures, num_rows))
    return ops.einsum("bimr,brij->bmij", weights, rows)
