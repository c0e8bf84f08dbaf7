"""Graphs of texts by a frozen predictor."""

import dataclasses

from harness.frameworks import forward_step
from harness.work import Contender
from harness.work import Work

from works.pretraining import NUM_CONVOLUTIONS
from works.pretraining import NUM_HEADS
from works.pretraining import NUM_LAYERS
from works.pretraining import make_inputs
from works.pretraining import make_torch_model


def make_torch(vocabulary_size, dim, batch, length, with_features):
    """Return a step of the authors' program, which computes features as well."""
    import torch

    model = make_torch_model(vocabulary_size, dim).eval()
    unit_ids = torch.from_numpy(make_inputs(vocabulary_size, batch, length, None)[0])

    def step():
        with torch.no_grad():
            graphs = model.graphs(unit_ids)
            if with_features:
                model.features(unit_ids, graphs)
        names = ("forward", "backward")
        return {
            name: torch.stack(of_direction, 1)
            for name, of_direction in zip(names, graphs, strict=True)
        }

    return step


def make_keras(vocabulary_size, dim, batch, length, jit, dtype="float32"):
    """Return a step of the library's predictor, with the weights of PyTorch's."""
    from glomo_keras.models import GraphPredictor
    from glomo_keras.models import released

    model = make_torch_model(vocabulary_size, dim)
    arrays = {name: value.numpy() for name, value in model.state_dict().items()}
    as_released = released.pretrainer_from_released(arrays, NUM_HEADS).graph_predictor
    predictor = GraphPredictor.from_config(as_released.get_config() | {"dtype": dtype})
    predictor.set_weights(as_released.get_weights())
    predictor.trainable = False
    unit_ids = make_inputs(vocabulary_size, batch, length, None)[0].astype("int32")

    def predict(unit_ids, mask):
        return predictor({"unit_ids": unit_ids, "padding_mask": mask}, training=False)

    return forward_step(predict, [unit_ids, unit_ids != 0], jit)


def make_work(vocabulary_size, dim, batch, length):
    """Return the work of some sizes."""
    units, pairs, width = batch * length, batch * length * (length - 1) / 2, dim // 2
    products = 2 * NUM_CONVOLUTIONS * units * 3 * dim * dim + NUM_LAYERS * (
        2 * units * dim * width + pairs * width
    )
    alone, beside = {"with_features": False}, {"with_features": True}
    return Work(
        title=f"Graphs of {batch} texts of {length} units, dimension {dim}",
        sizes={
            "vocabulary_size": vocabulary_size,
            "dim": dim,
            "batch": batch,
            "length": length,
        },
        contenders={
            "PyTorch dense, tuned": Contender(
                make_torch, "torch", tuned=True, options=alone, is_peer=True
            ),
            "PyTorch dense and features, as released": Contender(
                make_torch, "torch", options=beside, is_peer=True
            ),
            "TensorFlow": Contender(make_keras, "tensorflow", options={"jit": False}),
            "TensorFlow, tuned": Contender(
                make_keras, "tensorflow", tuned=True, options={"jit": False}
            ),
            "TensorFlow, XLA": Contender(
                make_keras, "tensorflow", options={"jit": True}
            ),
            "JAX": Contender(make_keras, "jax", options={"jit": True}),
        },
        operations=2 * 2 * products,
        num_bytes=4 * 2 * NUM_LAYERS * NUM_HEADS * batch * length * length,
    )


def make_precisions(**sizes):
    """Return the work of the library alone, in 32 bits and in 16."""
    whole = make_work(**sizes)
    contenders = {
        "TensorFlow": whole.contenders["TensorFlow"],
        "TensorFlow, XLA": whole.contenders["TensorFlow, XLA"],
        "TensorFlow, bfloat16": _in_half_precision(jit=False),
        "TensorFlow, XLA, bfloat16": _in_half_precision(jit=True),
    }
    title = f"{whole.title}, in 32 and 16 bits"
    return dataclasses.replace(whole, title=title, contenders=contenders)


def _in_half_precision(jit):
    options = {"jit": jit, "dtype": "mixed_bfloat16"}
    return Contender(make_keras, "tensorflow", options=options, same_results=False)


WORKS = {
    "extraction_1024": make_work(10_000, 128, 4, 1024),
    "extraction_256": make_work(10_000, 128, 32, 256),
    "extraction_256_precision": make_precisions(
        vocabulary_size=10_000, dim=128, batch=32, length=256
    ),
}
