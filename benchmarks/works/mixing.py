"""Messages along mixed graphs and products of graphs, in training."""

import numpy as np
from harness.frameworks import gradient_step
from harness.frameworks import torch_step
from harness.work import Contender
from harness.work import Work

NUM_LAYERS, NUM_HEADS, NUM_MIXTURES = 3, 8, 2
NUM_TERMS = 2 * NUM_LAYERS - 1


def make_arrays(dim, batch, length):
    """Return features, weights of mixtures, graphs, and the messages' gradient."""
    random = np.random.default_rng(0)
    features = random.standard_normal((batch, length, dim), "float32")
    graphs = random.random((batch, NUM_LAYERS, NUM_HEADS, length, length), "float32")
    graphs = np.tril(graphs, -1)
    graphs /= np.maximum(graphs.sum(-1, keepdims=True), 1e-9)
    shape = (batch, length, NUM_MIXTURES, NUM_TERMS, NUM_HEADS)
    weights = random.random(shape, "float32")
    weights /= weights.sum((-2, -1), keepdims=True)
    shape = (batch, length, NUM_MIXTURES * dim)
    return [features, weights, graphs, random.standard_normal(shape, "float32")]


def make_keras(**sizes):
    """Return a step of the library: products act on features."""
    from keras import ops

    from glomo_keras.ops import propagate_mixture

    def project(features, weights, graphs, upstream):
        return ops.sum(propagate_mixture(features, graphs, weights) * upstream)

    return gradient_step(project, make_arrays(**sizes), 2)


def make_graph_by_graph(**sizes):
    """Return a step in the textbook order: multiply graphs, mix them, use them."""
    from keras import ops

    from glomo_keras.ops import mix_graphs

    def project(features, weights, graphs, upstream):
        mixed = mix_graphs(graphs, weights)
        messages = ops.matmul(mixed, features[:, None])
        messages = ops.transpose(messages, (0, 2, 1, 3))
        return ops.sum(ops.reshape(messages, upstream.shape) * upstream)

    return gradient_step(project, make_arrays(**sizes), 2)


def make_torch(**sizes):
    """Return a step of the authors' program, which multiplies for every mixture."""
    import torch

    def mix(graphs, weights):
        product, mixed = None, 0.0
        for layer in range(NUM_LAYERS):
            graph = graphs[:, layer]
            mixed = mixed + _sum_heads(weights[:, :, layer], graph)
            product = graph if product is None else graph @ product
            if layer:
                mixed = mixed + _sum_heads(
                    weights[:, :, NUM_LAYERS + layer - 1], product
                )
        return mixed

    def project(features, weights, graphs, upstream):
        messages = [
            mix(graphs, weights[:, :, mixture]) @ features
            for mixture in range(NUM_MIXTURES)
        ]
        return (torch.cat(messages, -1) * upstream).sum()

    return torch_step(project, make_arrays(**sizes), 2)


def _sum_heads(weights, graphs):
    """Sum the graphs of the heads, weights `(batch, receivers, heads)`."""
    return (weights.transpose(1, 2)[..., None] * graphs).sum(1)


def count_operations(dim, batch, length):
    """Count those of products of matrices, with those of the two gradients.

    Of visible pairs alone: features travel along products, which are mixed after that,
    and along mixed graphs.
    """
    pairs = batch * length * (length - 1) / 2
    along_products = NUM_LAYERS * NUM_HEADS * pairs * dim
    mixed = NUM_LAYERS * NUM_HEADS * NUM_MIXTURES * pairs + NUM_MIXTURES * pairs * dim
    rows = batch * length * (NUM_LAYERS - 1) * NUM_HEADS * NUM_MIXTURES * dim
    # Graphs need no gradient: what they multiply does.
    return 2 * (2 * along_products + 3 * mixed + 3 * rows)


def make_work(**sizes):
    """Return the work of some sizes."""
    return Work(
        title=(
            f"Messages along {NUM_MIXTURES} mixtures of {NUM_LAYERS} layers of "
            f"{NUM_HEADS} heads, forward and backward; batch {sizes['batch']}, length "
            f"{sizes['length']}, dimension {sizes['dim']}"
        ),
        sizes=sizes,
        contenders={
            "PyTorch dense, tuned": Contender(
                make_torch, "torch", tuned=True, is_peer=True
            ),
            "PyTorch dense": Contender(make_torch, "torch", is_peer=True),
            "graph by graph": Contender(make_graph_by_graph, "tensorflow"),
            "TensorFlow": Contender(make_keras, "tensorflow"),
            "TensorFlow, tuned": Contender(make_keras, "tensorflow", tuned=True),
            "JAX": Contender(make_keras, "jax"),
        },
        operations=count_operations(**sizes),
        num_bytes=2
        * 4
        * sizes["batch"]
        * NUM_LAYERS
        * NUM_HEADS
        * sizes["length"] ** 2,
    )


WORKS = {
    f"mixing_{length}": make_work(dim=300, batch=8, length=length)
    for length in (400, 800)
}
