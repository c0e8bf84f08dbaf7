"""Messages along graphs: scores, weights, sums."""

import functools

import numpy as np
from harness.frameworks import forward_step
from harness.frameworks import gradient_step
from harness.frameworks import torch_step
from harness.work import Contender
from harness.work import Work


def make_arrays(batch, heads, length, dim):
    """Return queries, keys, values, and the gradient of the messages."""
    random = np.random.default_rng(0)
    shape = (batch, heads, length, dim)
    return [random.standard_normal(shape, "float32") for _ in range(4)]


def make_step(attend, arrays, gradients):
    """Return a step of a Keras function of queries, keys and values."""
    if not gradients:
        return forward_step(attend, arrays[:3])
    from keras import ops

    def project(queries, keys, values, upstream):
        return ops.sum(attend(queries, keys, values) * upstream)

    return gradient_step(project, arrays, 3)


def make_torch_step(attend, arrays, gradients):
    """Return a step of a PyTorch function of queries, keys and values."""
    if not gradients:
        return torch_step(attend, arrays[:3])
    return torch_step(
        lambda queries, keys, values, upstream: (
            attend(queries, keys, values) * upstream
        ).sum(),
        arrays,
        3,
    )


def make_blocks(gradients, threshold, **sizes):
    """Return a step of squared ReLU in blocks of receivers."""
    from glomo_keras.ops import squared_relu_attention

    attend = functools.partial(squared_relu_attention, threshold=threshold)
    return make_step(attend, make_arrays(**sizes), gradients)


def make_dense(gradients, threshold, **sizes):
    """Return a step of squared ReLU over whole graphs."""
    from keras import ops

    from glomo_keras.ops import entmax_affinity
    from glomo_keras.ops import squared_relu_affinity
    from glomo_keras.ops import subtract_mean_score
    from glomo_keras.ops import visible_pairs

    def attend(queries, keys, values):
        scores = ops.matmul(queries, ops.swapaxes(keys, -1, -2))
        visible = visible_pairs(sizes["length"])
        if threshold == "entmax":
            return ops.matmul(entmax_affinity(scores, visible), values)
        if threshold == "mean":
            scores = subtract_mean_score(scores, visible)
        return ops.matmul(squared_relu_affinity(scores, visible), values)

    return make_step(attend, make_arrays(**sizes), gradients)


def make_torch_dense(gradients, threshold, **sizes):
    """Return a step of squared ReLU over whole graphs, as PyTorch programs do it."""
    import torch

    length = sizes["length"]
    visible = torch.ones(length, length, dtype=torch.bool).tril(-1)

    def attend(queries, keys, values):
        scores = queries @ keys.transpose(-1, -2)
        if threshold == "mean":
            count = visible.sum(-1, keepdim=True).clamp(min=1)
            mean = (scores * visible).sum(-1, keepdim=True) / count
            # A single sender is its own mean, and left out.
            scores = torch.where(count > 1, scores - mean, 0.0)
        squares = torch.relu(scores) ** 2 * visible
        graph = squares / (squares.sum(-1, keepdim=True) + 1e-16)
        return graph @ values

    return make_torch_step(attend, make_arrays(**sizes), gradients)


def make_torch_attention(gradients, threshold, **sizes):
    """Return a step of PyTorch's fused attention: softmax, another function."""
    from torch.nn.functional import scaled_dot_product_attention

    attend = functools.partial(scaled_dot_product_attention, is_causal=True)
    return make_torch_step(attend, make_arrays(**sizes), gradients)


def count_operations(batch, heads, length, dim, gradients):
    """Count those of the products of matrices of visible pairs.

    Two products make messages, and five their gradients where scores are not held.
    """
    pairs = batch * heads * length * (length - 1) / 2
    return 2 * pairs * dim * (7 if gradients else 2)


def make_work(threshold, gradients, with_peer=True, **sizes):
    """Return the work of one rule."""
    rule = {None: "no threshold", "mean": "mean threshold"}.get(threshold, threshold)
    contenders = {}
    if with_peer and threshold != "entmax":
        contenders |= {
            "PyTorch dense, tuned": Contender(
                make_torch_dense, "torch", tuned=True, is_peer=True
            ),
            "PyTorch dense": Contender(make_torch_dense, "torch", is_peer=True),
        }
    if not gradients:  # or there would be no room for all at a time
        contenders["dense"] = Contender(make_dense, "tensorflow")
    contenders |= {
        "in blocks": Contender(make_blocks, "tensorflow"),
        "in blocks, tuned": Contender(make_blocks, "tensorflow", tuned=True),
        "in blocks, JAX": Contender(make_blocks, "jax"),
        "PyTorch fused softmax": Contender(
            make_torch_attention, "torch", is_peer=True, same_results=False
        ),
    }
    passes = "forward and backward" if gradients else "forward"
    return Work(
        title=(
            f"Messages, {rule}, {passes}; batch {sizes['batch']}, {sizes['heads']} "
            f"heads of {sizes['dim']}, length {sizes['length']}"
        ),
        sizes={"gradients": gradients, "threshold": threshold, **sizes},
        contenders=contenders,
        operations=count_operations(gradients=gradients, **sizes),
        num_bytes=4 * 4 * np.prod(list(sizes.values())),
    )


SIZES = {"batch": 4, "heads": 8, "dim": 32}
RULES = {"none": None, "mean": "mean", "entmax": "entmax"}
WORKS = (
    {
        f"messages_{name}_2048": make_work(rule, True, length=2048, **SIZES)
        for name, rule in RULES.items()
    }
    | {
        f"messages_{name}_forward_2048": make_work(rule, False, length=2048, **SIZES)
        for name, rule in RULES.items()
    }
    | {
        # Whole graphs of the longest would not fit side by side.
        f"messages_mean_forward_{length}": make_work(
            "mean", False, with_peer=length < 2048, length=length, **SIZES
        )
        for length in (128, 512, 4096)
    }
)
