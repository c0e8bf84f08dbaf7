"""Time of a training step of `GraphTransfer`, beside what could stand in its place.

python benchmarks/graph_transfer.py
"""

import argparse
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from keras import ops

from glomo_keras.layers import GatedGraphFusion
from glomo_keras.layers import GraphMixer
from glomo_keras.layers import GraphTransfer


class GraphByGraph(keras.layers.Layer):
    """The textbook order: multiply the graphs, mix them, then send the features."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.mixer = GraphMixer()
        self.fusion = GatedGraphFusion()

    def call(self, features, graphs):
        mixed = self.mixer(features, graphs["forward"])
        return self.fusion(features, ops.matmul(mixed[:, 0], features))


class Attention(keras.layers.Layer):
    """Self-attention of as many heads: what learns its weights with the task."""

    def __init__(self, num_heads, key_dim, **kwargs):
        super().__init__(**kwargs)
        self.attention = keras.layers.MultiHeadAttention(num_heads, key_dim)

    def call(self, features, graphs):
        attended = self.attention(features, features)
        return ops.concatenate([features, attended], axis=-1)


def measure(layer, features, graphs, repeats):
    """Median seconds of a training step."""
    inputs = keras.Input(features.shape[1:])
    graph_inputs = keras.Input(graphs.shape[1:])
    outputs = layer(inputs, {"forward": graph_inputs})
    model = keras.Model([inputs, graph_inputs], outputs)
    model.compile("sgd", "mse")
    targets = np.zeros((len(features), *outputs.shape[1:]), "float32")
    seconds = []
    for _ in range(repeats + 3):
        started = time.perf_counter()
        model.train_on_batch([features, graphs], targets)
        seconds.append(time.perf_counter() - started)
    return float(np.median(seconds[3:]))


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--length", type=int, default=200, help="units of a text")
    parser.add_argument("--dim", type=int, default=100, help="size of the features")
    parser.add_argument("--layers", type=int, default=3)
    parser.add_argument("--heads", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=20)
    options = parser.parse_args()
    generator = np.random.default_rng(0)
    shape = (options.batch_size, options.length, options.dim)
    features = generator.standard_normal(shape).astype("float32")
    shape = (options.batch_size, options.layers, options.heads) + (options.length,) * 2
    graphs = np.tril(generator.random(shape), -1)
    graphs /= np.maximum(graphs.sum(-1, keepdims=True), 1e-9)
    graphs = graphs.astype("float32")
    rows = {
        "GraphTransfer": GraphTransfer(),
        "graph by graph": GraphByGraph(),
        "MultiHeadAttention": Attention(options.heads, options.dim // options.heads),
    }
    baseline = None
    print(f"{'layer':<20}{'ms a step':>12}{'ratio':>8}")
    for name, layer in rows.items():
        seconds = measure(layer, features, graphs, options.repeats)
        baseline = baseline or seconds
        print(f"{name:<20}{seconds * 1000:>12.1f}{seconds / baseline:>8.2f}")


if __name__ == "__main__":
    main()
