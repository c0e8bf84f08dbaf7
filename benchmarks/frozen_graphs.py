"""Where the frozen graph predictor should run while a downstream model trains.

    python benchmarks/frozen_graphs.py --length 200

Times a training step of the IMDB recipe's model with the predictor inside of it, with
graphs computed in the input pipeline, and with graphs that were kept in memory, as they
are or packed, or on disk after the first epoch; beside them the model without graphs.
And the bytes that one text's graphs take.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "recipes"))

import experiment.process
import keras
import numpy as np
from experiment.comparison.options import make_parser
from experiment.comparison.options import make_settings
from experiment.text import model_parts
from experiment.text.graph_arms import TextArm
from experiment.text.imdb import ImdbTask
from experiment.text.text_arrays import FieldTexts
from experiment.text.text_arrays import TaskTexts

from glomo_keras.models import GraphCache
from glomo_keras.models import PackedGraphCache

TASK = ImdbTask()
ROOM = 2**40  # bytes of graphs kept: none is computed twice


def make_texts(length, count, vocabulary_size):
    """Texts of random units, each of the full length."""
    draw = np.random.default_rng(0)
    num_units = 20_000
    graph_ids = draw.integers(1, vocabulary_size, num_units).astype("int32")
    task_ids = np.arange(num_units, dtype="int32") + 1
    graph_ids[0] = task_ids[0] = 0
    units = draw.integers(1, num_units, count * length).astype("int32")
    field = FieldTexts(
        offsets=np.arange(count + 1) * length,
        units=units,
        starts=units,
        limits=units,
        length=length,
    )
    return TaskTexts(
        units=[],
        task_ids=task_ids,
        graph_ids=graph_ids,
        characters=np.zeros((num_units, 16), "uint8"),
        vectors=draw.standard_normal((num_units + 1, 100)).astype("float32"),
        task_vocabulary_size=num_units + 1,
        fields={"text": field},
        rows={"train": {"text": np.arange(count)}},
        examples={"train": []},
        metadata={},
    )


def with_predictor_inside(texts, arm, settings):
    """Make the recipe's model with the predictor as a part of it."""
    model = TASK.build(texts, arm, settings)
    shape = (settings.length,)
    ids, graph_ids = (keras.Input(shape, dtype="int32") for _ in range(2))
    mask = keras.ops.not_equal(graph_ids, 0)
    graphs = arm.graph_cache.predictor({"unit_ids": graph_ids, "padding_mask": mask})
    graphs = {
        f"text_{name}": keras.ops.cast(graph, "float16")
        for name, graph in graphs.items()
    }
    whole = keras.Model([ids, graph_ids], model({"text": ids, **graphs}))
    model_parts.compile_model(whole, model.loss, settings, clip_norm=1.0)
    return whole


def median_ms(step, repeats):
    """Median milliseconds of a step, after two that compile and warm up."""
    seconds = []
    for number in range(repeats + 2):
        started = time.perf_counter()
        step(number)
        seconds.append(time.perf_counter() - started)
    return 1000 * float(np.median(seconds[2:]))


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--length", type=int, default=200, help="units of a text")
    parser.add_argument("--repeats", type=int, default=10, help="steps of each row")
    own = parser.parse_args()
    experiment.process.prepare_process()
    line = ["--output", "unused", "--length", str(own.length)]
    settings = make_settings(TASK, make_parser(TASK, "").parse_args(line))
    size, steps = settings.batch_size, own.repeats + 2
    cached = TextArm(
        "learned", GraphCache.from_preset(settings.predictor, num_bytes=ROOM)
    )
    anew = TextArm("learned", GraphCache.from_preset(settings.predictor, num_bytes=0))
    packed = TextArm(
        "learned", PackedGraphCache.from_preset(settings.predictor, num_bytes=ROOM)
    )
    vocabulary_size = cached.graph_cache.predictor.vocabulary_size
    texts = make_texts(own.length, size * steps, vocabulary_size)
    field = texts.fields["text"]
    labels = np.zeros(size, "int32")
    rows = [np.arange(n * size, (n + 1) * size) for n in range(steps)]
    units = [field.padded(row) for row in rows]

    def graphs_of(number, arm):
        unit_ids = texts.graph_ids[units[number]]
        return arm.batch_inputs("text", rows[number], unit_ids)

    results = {}
    model = TASK.build(texts, TextArm("none"), settings)
    results["no graphs"] = median_ms(
        lambda n: model.train_on_batch({"text": texts.task_ids[units[n]]}, labels),
        own.repeats,
    )
    inside = with_predictor_inside(texts, cached, settings)
    results["predictor in the model"] = median_ms(
        lambda n: inside.train_on_batch(
            [texts.task_ids[units[n]], texts.graph_ids[units[n]]], labels
        ),
        own.repeats,
    )
    outside = TASK.build(texts, cached, settings)

    def step(number, graphs, model=outside):
        inputs = {"text": texts.task_ids[units[number]], **graphs}
        model.train_on_batch(inputs, labels)

    results["in the input pipeline"] = median_ms(
        lambda n: step(n, graphs_of(n, anew)), own.repeats
    )
    first = graphs_of(0, anew)
    bytes_of_text = sum(array[0].nbytes for array in first.values())
    with tempfile.TemporaryDirectory() as folder:
        shape = (size * steps, *next(iter(first.values())).shape[1:])
        files = {
            name: np.lib.format.open_memmap(
                f"{folder}/{name}.npy", "w+", np.float16, shape
            )
            for name in first
        }
        for number in range(steps):
            for name, graph in graphs_of(number, anew).items():
                files[name][rows[number]] = graph
        results["kept on disk"] = median_ms(
            lambda n: step(n, {k: np.array(v[rows[n]]) for k, v in files.items()}),
            own.repeats,
        )
    for number in range(steps):
        graphs_of(number, cached)
    results["kept in memory"] = median_ms(
        lambda n: step(n, graphs_of(n, cached)), own.repeats
    )
    of_packed = TASK.build(texts, packed, settings)
    for number in range(steps):
        last = graphs_of(number, packed)
    packed_bytes = sum(array[0].nbytes for array in last.values())
    results["packed, kept in memory"] = median_ms(
        lambda n: step(n, graphs_of(n, packed), of_packed), own.repeats
    )
    base = results["no graphs"]
    print(f"\nTexts of {own.length} units, batches of {size};", end=" ")
    print("graphs of {} layers and {} heads.".format(*cached.graph_shape))
    print(f"{'graphs':<26}{'ms a step':>12}{'ratio':>8}")
    for name, value in results.items():
        print(f"{name:<26}{value:>12.0f}{value / base:>8.2f}")
    print(
        f"Graphs of one text, float16: {bytes_of_text / 2**20:.2f} MiB; packed, with "
        f"their products: {packed_bytes / 2**20:.2f} MiB."
    )


if __name__ == "__main__":
    main()
