"""A step of the CIFAR-10 recipe: where the work of the frozen predictor is done.

    python benchmarks/kept_messages.py
    python benchmarks/kept_messages.py --image-size 32

Messages of the pixels kept in memory, computed anew in the input pipeline, and the
predictor inside of the model (as for features that train), beside no graphs; and the
bytes that an image's messages take.
"""

import argparse
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "recipes"))

import cifar10
import keras
import numpy as np
from experiment.comparison.options import finish_options
from experiment.images.image_task import ImageGraphs
from experiment.images.image_task import PixelMessages
from experiment.images.image_task import load_image_predictor
from experiment.process import keep_freed_memory
from frozen_graphs import median_ms


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--image-size", type=int, default=16, help="rows and columns (16)")
    add("--repeats", type=int, default=10, help="steps of each row (10)")
    own = parser.parse_args()
    keep_freed_memory()
    options = cifar10.make_parser().parse_args(["--output", "unused"])
    options.image_size = own.image_size
    options = finish_options(cifar10.TASK, options)
    size, steps = options.batch_size, own.repeats + 2
    draw = np.random.default_rng(0)
    shape = (size * steps, own.image_size, own.image_size, 3)
    images = draw.integers(0, 256, shape).astype("uint8")
    labels = np.arange(len(images)) % 10
    data = {"train": {"images": images, "labels": labels}}
    predictor = load_image_predictor(options.predictor)
    kept = PixelMessages("learned", predictor, memory=2**40)
    anew = PixelMessages("learned", predictor, memory=0)

    def model_of(arm, site):
        keras.utils.set_random_seed(0)
        options.graph_on = site
        return cifar10.build(data, arm.shape, options)

    def milliseconds(model, inputs_of):
        def step(number):
            rows = slice(number * size, (number + 1) * size)
            batch = {"images": images[rows], **inputs_of(images[rows])}
            model.train_on_batch(batch, labels[rows])

        return median_ms(step, own.repeats)

    def nothing(of_batch):
        return {}

    none = ImageGraphs("none")
    results = {"none": milliseconds(model_of(none, "pixels"), nothing)}
    model = model_of(kept, "pixels")
    results["messages computed anew"] = milliseconds(model, anew.inputs)
    for start in range(0, len(images), size):
        messages = kept.inputs(images[start : start + size])
    results["messages kept in memory"] = milliseconds(model, kept.inputs)
    graphs = ImageGraphs("learned", predictor)
    results["predictor in the model"] = milliseconds(model_of(graphs, "stem"), nothing)

    base = results["none"]
    print(f"\nImages of {own.image_size} x {own.image_size}, batches of {size}.")
    print(f"{'graphs':<26}{'ms a step':>12}{'ratio':>8}")
    for name, value in results.items():
        print(f"{name:<26}{value:>12.0f}{value / base:>8.2f}")
    kib = sum(of_batch[0].nbytes for of_batch in messages.values()) / 2**10
    print(f"Messages of one image, float16: {kib:.0f} KiB.")


if __name__ == "__main__":
    main()
