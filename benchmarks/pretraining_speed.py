"""Units a second in pretraining on text: what is predicted, and by what rule.

    KERAS_BACKEND=jax python benchmarks/pretraining_speed.py

Times training steps of random ids, in one process, on the backend of the environment.
The first line is a step as the recipe made it before: windows of 200 units, 20
positions of each, a softmax over the vocabulary, the mean threshold. The others change
one thing after the other.
"""

import argparse
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from glomo_keras.models import GLoMoPretrainer
from glomo_keras.models import GraphPredictor

LONG, SHORT = (32, 200), (32, 64)  # windows a step, units a window
MEAN = {"threshold": "mean", "position_bias": None}
ENTMAX = {"threshold": "entmax", "position_bias": None}
BIASED = {"threshold": "entmax", "position_bias": 32}


def make_variants(num_classes):
    """Return dicts of the shape of a batch, of predictor and of pretrainer by name."""
    classes = {"num_classes": num_classes}
    return {
        "20 positions, all units, mean": (LONG, MEAN, {"num_positions": 20}),
        "every position, sampled units, mean": (SHORT, MEAN, {"num_sampled": 1024}),
        "every position, classes, mean": (SHORT, MEAN, classes),
        "every position, classes, entmax": (SHORT, ENTMAX, classes),
        "every position, classes, entmax, positions": (SHORT, BIASED, classes),
    }


def measure(options, shape, predictor_arguments, pretrainer_arguments):
    """Return the units a second of training steps."""
    keras.utils.set_random_seed(0)
    predictor = GraphPredictor(
        options.vocabulary_size,
        options.embedding_dim,
        options.num_graph_layers,
        options.num_heads,
        options.key_dim,
        **predictor_arguments,
    )
    arguments = dict(pretrainer_arguments)
    if "num_classes" in arguments:
        classes = np.arange(options.vocabulary_size) % arguments.pop("num_classes")
        arguments["unit_classes"] = classes
    pretrainer = GLoMoPretrainer(predictor, **arguments)
    optimizer = keras.optimizers.Adam(1e-3, global_clipnorm=1.0)
    pretrainer.compile(optimizer, jit_compile=True)
    random = np.random.default_rng(0)
    steps = max(1, round(options.units / np.prod(shape)))
    ids = random.integers(2, options.vocabulary_size, (steps, *shape), dtype="int32")
    pretrainer.fit(ids[0], batch_size=shape[0], verbose=0)  # compiles
    ids = ids.reshape(-1, shape[1])
    started = time.perf_counter()
    pretrainer.fit(ids, batch_size=shape[0], verbose=0, shuffle=False)
    return ids.size / (time.perf_counter() - started)


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--vocabulary-size", type=int, default=30_000)
    add("--embedding-dim", type=int, default=256)
    add("--num-graph-layers", type=int, default=3)
    add("--num-heads", type=int, default=8)
    add("--key-dim", type=int, help="of a head (default: embeddings' size / heads)")
    add("--num-classes", type=int, default=500)
    add("--units", type=int, default=64_000, help="units that are timed")
    options = parser.parse_args()
    print(f"{'a step of':<46}{'units/s':>10}{'ratio':>8}")
    baseline = None
    for name, variant in make_variants(options.num_classes).items():
        speed = measure(options, *variant)
        baseline = baseline or speed
        print(f"{name:<46}{speed:>10,.0f}{speed / baseline:>8.2f}", flush=True)


if __name__ == "__main__":
    main()
