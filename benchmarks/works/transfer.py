"""Training steps of a layer of graphs, and of what could stand in its place."""

import inspect

import numpy as np
from harness.work import Contender
from harness.work import Work

NUM_LAYERS, NUM_HEADS = 3, 8


def make_graphs(batch, length):
    """Return graphs of a predictor's shape, rows that sum to one or zero."""
    random = np.random.default_rng(0)
    shape = (batch, NUM_LAYERS, NUM_HEADS, length, length)
    graphs = np.tril(random.random(shape, "float32"), -1)
    return graphs / np.maximum(graphs.sum(-1, keepdims=True), 1e-9)


def make_step(connect, dim, batch, length):
    """Return a training step of a model.

    Args:
        connect: function of features and, where it takes them, graphs, that returns the
            outputs.
        dim: int, size of the features.
        batch: int.
        length: int.
    """
    import keras

    features = np.random.default_rng(1).standard_normal((batch, length, dim), "float32")
    arrays = [features]
    if len(inspect.signature(connect).parameters) > 1:
        arrays.append(make_graphs(batch, length))
    inputs = [keras.Input(array.shape[1:]) for array in arrays]
    outputs = connect(*inputs)
    model = keras.Model(inputs, outputs)
    model.compile("sgd", "mse")
    targets = np.zeros((batch, *outputs.shape[1:]), "float32")

    def step():
        loss = model.train_on_batch(arrays, targets)
        return {"loss": np.float32(loss)}

    return step


def make_transfer(**sizes):
    """Return a step of the library's layer."""
    from glomo_keras.layers import GraphTransfer

    return make_step(
        lambda features, graphs: GraphTransfer()(features, {"forward": graphs}), **sizes
    )


def make_graph_by_graph(**sizes):
    """Return a step in the textbook order: multiply graphs, mix them, use them."""
    from keras import ops

    from glomo_keras.layers import GatedGraphFusion
    from glomo_keras.layers import GraphMixer

    def connect(features, graphs):
        mixed = GraphMixer()(features, graphs)
        return GatedGraphFusion()(features, ops.matmul(mixed[:, 0], features))

    return make_step(connect, **sizes)


def make_attention(**sizes):
    """Return a step of self-attention, which learns its weights with the task."""
    import keras
    from keras import ops

    attention = keras.layers.MultiHeadAttention(NUM_HEADS, sizes["dim"] // NUM_HEADS)
    return make_step(
        lambda features: ops.concatenate(
            [features, attention(features, features)], axis=-1
        ),
        **sizes,
    )


def make_long_transfer(length, dim, without_graphs):
    """Return a step of a transfer from a predictor to the features of one text."""
    import keras

    from glomo_keras.layers import GraphTransfer
    from glomo_keras.layers import MessageTransfer
    from glomo_keras.models import GraphMessages
    from glomo_keras.models import GraphPredictor

    keras.utils.set_random_seed(0)
    predictor = GraphPredictor(1_000, 64, NUM_LAYERS, NUM_HEADS)
    symbols = {
        "unit_ids": keras.Input((length,), dtype="int32", name="unit_ids"),
        "padding_mask": keras.Input((length,), dtype="bool", name="padding_mask"),
    }
    features = keras.Input((length, dim), name="features")
    if without_graphs:
        messages = GraphMessages(predictor)(features, symbols)
        outputs = MessageTransfer(name="transfer")(features, messages)
    else:
        outputs = GraphTransfer(name="transfer")(features, predictor(symbols))
    model = keras.Model({"features": features, **symbols}, outputs)
    random = np.random.default_rng(0)
    transfer = model.get_layer("transfer")
    transfer.set_weights(
        [0.1 * random.standard_normal(w.shape) for w in transfer.get_weights()]
    )
    unit_ids = random.integers(2, 1_000, (1, length), dtype="int32")
    data = {
        "features": random.standard_normal((1, length, dim), "float32"),
        "unit_ids": unit_ids,
        "padding_mask": unit_ids != 0,
    }
    return lambda: {"outputs": model.predict_on_batch(data)}


def make_long_work(length):
    """Return the work of a transfer to one text."""
    return Work(
        title=(
            f"Transfer to one text of {length:,} units, forward, dimension 32, from a "
            f"predictor of {NUM_LAYERS} layers of {NUM_HEADS} heads"
        ),
        sizes={"length": length, "dim": 32},
        contenders={
            name: Contender(
                make_long_transfer,
                "tensorflow",
                options={"without_graphs": without_graphs},
                is_peer=not without_graphs,
            )
            for name, without_graphs in (
                ("graphs, and GraphTransfer", False),
                ("GraphMessages, and MessageTransfer", True),
            )
        },
        operations=0.0,
        tolerance=1e-3,
    )


WORKS = {
    "transfer_of_1024": make_long_work(1024),
    "transfer_200": Work(
        title=(
            "A training step of a layer on features of 8 texts of 200 units, dimension "
            f"100, graphs of {NUM_LAYERS} layers of {NUM_HEADS} heads"
        ),
        sizes={"dim": 100, "batch": 8, "length": 200},
        contenders={
            "keras.layers.MultiHeadAttention": Contender(
                make_attention, "tensorflow", is_peer=True, same_results=False
            ),
            "GraphTransfer": Contender(make_transfer, "tensorflow", same_results=False),
            "graph by graph first": Contender(
                make_graph_by_graph, "tensorflow", same_results=False
            ),
        },
        operations=0.0,
    ),
}
