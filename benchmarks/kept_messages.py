"""A step of the CIFAR-10 recipe: where the work of the frozen predictor is done.

    python benchmarks/kept_messages.py
    python benchmarks/kept_messages.py --image-size 32

Messages of the pixels kept in memory, computed anew in the input pipeline, and the
predictor inside of the model (as for features that train), beside no graphs; and the
bytes that an image's messages take.
"""

import argparse
import dataclasses
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "recipes"))

import experiment.process
import keras
import numpy as np
from experiment.comparison.options import make_parser
from experiment.comparison.options import make_settings
from experiment.images.cifar10 import Cifar10Task
from experiment.images.pixel_arms import PixelGraphs
from experiment.images.pixel_arms import PixelMessages
from experiment.images.pixel_arms import frozen_predictor
from frozen_graphs import median_ms

from glomo_keras.models import MessageCache

TASK = Cifar10Task()


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--image-size", type=int, default=16, help="rows and columns (16)")
    add("--repeats", type=int, default=10, help="steps of each row (10)")
    own = parser.parse_args()
    experiment.process.prepare_process()
    line = ["--output", "unused", "--image-size", str(own.image_size)]
    settings = make_settings(TASK, make_parser(TASK, "").parse_args(line))
    size, steps = settings.batch_size, own.repeats + 2
    draw = np.random.default_rng(0)
    shape = (size * steps, own.image_size, own.image_size, 3)
    images = draw.integers(0, 256, shape).astype("uint8")
    labels = np.arange(len(images)) % 10
    data = {"train": {"images": images, "labels": labels}}
    predictor = frozen_predictor(settings.predictor)
    cached = PixelMessages("learned", MessageCache(predictor, num_bytes=2**40))
    anew = PixelMessages("learned", MessageCache(predictor, num_bytes=0))

    def model_of(arm, site):
        keras.utils.set_random_seed(0)
        return TASK.build(data, arm, dataclasses.replace(settings, graph_on=site))

    def milliseconds(model, inputs_of):
        def step(number):
            rows = slice(number * size, (number + 1) * size)
            batch = {"images": images[rows], **inputs_of(images[rows])}
            model.train_on_batch(batch, labels[rows])

        return median_ms(step, own.repeats)

    none = PixelMessages("none")
    model = model_of(none, "pixels")
    results = {"none": milliseconds(model, none.batch_inputs)}
    model = model_of(cached, "pixels")
    results["messages computed anew"] = milliseconds(model, anew.batch_inputs)
    for start in range(0, len(images), size):
        messages = cached.batch_inputs(images[start : start + size])
    results["messages kept in memory"] = milliseconds(model, cached.batch_inputs)
    graphs = PixelGraphs("learned", predictor)
    model = model_of(graphs, "stem")
    results["predictor in the model"] = milliseconds(model, graphs.batch_inputs)

    base = results["none"]
    print(f"\nImages of {own.image_size} x {own.image_size}, batches of {size}.")
    print(f"{'graphs':<26}{'ms a step':>12}{'ratio':>8}")
    for name, value in results.items():
        print(f"{name:<26}{value:>12.0f}{value / base:>8.2f}")
    kib = sum(array[0].nbytes for array in messages.values()) / 2**10
    print(f"Messages of one image, float16: {kib:.0f} KiB.")


if __name__ == "__main__":
    main()
