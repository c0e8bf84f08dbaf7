"""Latency and throughput of the archives of a preset, by batch and length.

    python benchmarks/archives.py --preset glomo_text_small_en

Each archive is loaded by `tf.saved_model.load` and called in this process: the time of
a server without the network. `in process` is the predictor called as a Keras model.
"""

import argparse
import os
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

from glomo_keras.export import Limits
from glomo_keras.export import TextGraphs
from glomo_keras.export import export_graph_predictor


def milliseconds(call, repeats):
    """Median time of a call, after two that are not counted."""
    times = []
    for number in range(repeats + 2):
        start = time.perf_counter()
        call()
        if number >= 2:
            times.append(time.perf_counter() - start)
    return 1000 * float(np.median(times))


def main(arguments=None):
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--preset", default="glomo_text_small_en", help="name or folder")
    add("--batches", type=int, nargs="+", default=[1, 8, 32])
    add("--lengths", type=int, nargs="+", default=[16, 64, 256])
    add("--repeats", type=int, default=10)
    options = parser.parse_args(arguments)
    text_graphs = TextGraphs.from_preset(options.preset)
    predictor, units = text_graphs.predictor, text_graphs.vocabulary.units
    with tempfile.TemporaryDirectory() as folder:
        paths = export_graph_predictor(
            predictor,
            folder,
            vocabulary=text_graphs.vocabulary,
            limits=Limits(
                max_batch=max(options.batches),
                max_units=max(options.lengths),
                max_bytes=64 * max(options.lengths),
            ),
        )
        loaded = {kind: tf.saved_model.load(path) for kind, path in paths.items()}
    in_process = tf.function(predictor, reduce_retracing=True)
    draw = np.random.default_rng(0)
    print("Milliseconds a request (texts a second).\n")
    columns = ["ids", "text", "text, top_senders", "in process"]
    print(f"| batch | units | {' | '.join(columns)} |")
    print("|---|---|" + "---|" * len(columns))
    for batch in options.batches:
        for length in options.lengths:
            # Words, so that each is one unit of its own.
            ids = draw.integers(2, len(units), (4 * batch, 2 * length))
            words = [[units[i] for i in row if units[i].isalpha()] for row in ids]
            texts = [" ".join(row[:length]) for row in words if len(row) >= length]
            if len(texts) < batch:
                raise SystemExit(f"No {batch} texts of {length} words were drawn.")
            texts = tf.constant(texts[:batch])
            encoded = text_graphs.encode(texts)
            inputs = {k: encoded[k] for k in ("unit_ids", "padding_mask")}
            calls = [
                lambda i=inputs: loaded["ids"].signatures["serve"](**i),
                lambda t=texts: loaded["text"].signatures["serve"](text=t),
                lambda t=texts: loaded["text"].signatures["top_senders"](text=t),
                lambda i=inputs: in_process(i),
            ]
            times = [milliseconds(call, options.repeats) for call in calls]
            cells = [f"{t:.1f} ({1000 * batch / t:,.0f})" for t in times]
            print(f"| {batch} | {length} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
