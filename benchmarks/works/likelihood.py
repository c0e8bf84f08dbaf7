"""Likelihood of units under a softmax over a large vocabulary, in training."""

import dataclasses

import numpy as np
from harness.frameworks import gradient_step
from harness.frameworks import torch_step
from harness.work import Contender
from harness.work import Work


def make_arrays(rows, dim, vocabulary_size):
    """Return outputs of a decoder, the table, and the ids of the targets."""
    random = np.random.default_rng(0)
    outputs = random.standard_normal((rows, dim), "float32")
    table = random.standard_normal((vocabulary_size, dim), "float32") * dim**-0.5
    targets = random.integers(0, vocabulary_size, rows, dtype="int64")
    return [outputs, table.astype("float32"), targets]


def make_keras(**sizes):
    """Return a step of the library, which takes the vocabulary in chunks."""
    from keras import ops

    from glomo_keras.ops import log_likelihood

    return gradient_step(
        lambda outputs, table, targets: (
            -ops.mean(log_likelihood(outputs, table, targets))
        ),
        make_arrays(**sizes),
        2,
    )


def make_plain(**sizes):
    """Return a step of Keras's own cross entropy, of all logits."""
    import keras
    from keras import ops

    def loss(outputs, table, targets):
        logits = ops.matmul(outputs, ops.transpose(table))
        return ops.mean(
            keras.losses.sparse_categorical_crossentropy(
                targets, logits, from_logits=True
            )
        )

    return gradient_step(loss, make_arrays(**sizes), 2)


def make_torch(**sizes):
    """Return a step of PyTorch's cross entropy of a product."""
    from torch.nn import functional

    return torch_step(functional.linear_cross_entropy, make_arrays(**sizes), 2)


def make_work(rows, dim, vocabulary_size):
    """Return the work of some sizes."""
    return Work(
        title=(
            f"Loss of {rows:,} predictions of {vocabulary_size:,} units, forward and "
            f"backward, dimension {dim}"
        ),
        sizes={"rows": rows, "dim": dim, "vocabulary_size": vocabulary_size},
        contenders={
            "Keras, all logits": Contender(make_plain, "tensorflow", is_peer=True),
            "PyTorch linear_cross_entropy": Contender(
                make_torch, "torch", is_peer=True
            ),
            "TensorFlow": Contender(make_keras, "tensorflow"),
            "TensorFlow, tuned": Contender(make_keras, "tensorflow", tuned=True),
            "JAX": Contender(make_keras, "jax"),
        },
        operations=3 * 2 * rows * dim * vocabulary_size,
        apart=rows * vocabulary_size > 5e8,  # whose logits take gigabytes
    )


def without(work, *names):
    """Return work without some contenders."""
    left = {name: each for name, each in work.contenders.items() if name not in names}
    return dataclasses.replace(work, contenders=left)


WORKS = {
    f"likelihood_{size // 1000}k": make_work(9_600, 256, size)
    for size in (10_000, 30_000, 100_000)
} | {
    # PyTorch's would take 22 GiB, for which there is no room.
    "likelihood_200k": without(
        make_work(9_600, 256, 200_000), "PyTorch linear_cross_entropy", "JAX"
    )
}
