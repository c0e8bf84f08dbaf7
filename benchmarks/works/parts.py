"""The parts of a training step of the recipe, forward and backward, each by itself."""

import numpy as np
from harness.frameworks import layer_step
from harness.work import Contender
from harness.work import Work

from works.pretraining import CONTEXT_LENGTH
from works.pretraining import NUM_CONVOLUTIONS
from works.pretraining import NUM_HEADS
from works.pretraining import RECIPE
from works.pretraining import make_pretrainer

BATCH, LENGTH, DIM = RECIPE["batch"], RECIPE["length"], RECIPE["dim"]
UNITS, PAIRS = BATCH * LENGTH, BATCH * LENGTH * (LENGTH - 1) / 2
WIDTH = NUM_HEADS * RECIPE["key_dim"]


def make_part(part, jit):
    """Return a step of a part of the pretrainer, of one direction."""
    pretrainer, unit_ids = make_pretrainer(**RECIPE)
    unit_ids = unit_ids.astype("int32")
    predictor = pretrainer.graph_predictor
    features = np.random.default_rng(0).standard_normal((BATCH, LENGTH, DIM), "float32")
    if part == "embedding":
        return layer_step(predictor.embedding, [unit_ids], 0, jit)
    if part == "networks":
        network = predictor.get_layer("forward_network")
        return layer_step(network, [features], 1, jit)
    if part == "graphs":
        affinity = predictor.affinity("forward")
        return layer_step(affinity, [features, features], 2, jit)
    if part == "updates":
        graph = np.random.default_rng(0).random(
            (BATCH, NUM_HEADS, LENGTH, LENGTH), "float32"
        )
        (propagation,) = pretrainer.propagations["forward"]
        return layer_step(propagation, [features, graph], 2, jit)
    return layer_step(pretrainer.decoders["forward"], [features, unit_ids], 1, jit)


def make_work(part, title, products):
    """Return the work of a part.

    Args:
        part: string.
        title: string.
        products: float, multiplications of its products of matrices, forward.
    """
    backends = {
        "TensorFlow": ("tensorflow", False),
        "TensorFlow, XLA": ("tensorflow", True),
    }
    backends["JAX"] = ("jax", True)
    return Work(
        title=f"{title}, forward and backward, one direction",
        sizes={"part": part},
        contenders={
            name: Contender(
                make_part, backend, options={"jit": jit}, same_results=False
            )
            for name, (backend, jit) in backends.items()
        },
        # A gradient takes twice the operations of its product.
        operations=3 * 2 * products,
    )


WORKS = {
    "part_embedding": make_work("embedding", "Embeddings of the recipe's step", 0),
    "part_networks": make_work(
        "networks",
        "Key and query networks",
        2 * NUM_CONVOLUTIONS * UNITS * 3 * DIM * DIM,
    ),
    "part_graphs": make_work(
        "graphs",
        "Graphs of queries and keys",
        RECIPE["num_layers"] * (2 * UNITS * DIM * WIDTH + PAIRS * WIDTH),
    ),
    "part_updates": make_work(
        "updates", "An update of the features", PAIRS * DIM + UNITS * 6 * DIM * DIM
    ),
    "part_decoder": make_work(
        "decoder",
        "The decoder and its softmax over classes",
        UNITS * CONTEXT_LENGTH * (6 * DIM * DIM + RECIPE["num_classes"] * DIM),
    ),
}
