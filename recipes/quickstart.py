"""From nothing to learned graphs in a Keras model, in a few minutes.

    python recipes/quickstart.py
    python recipes/quickstart.py --size smoke --output runs/smoke

1. Pretrains a small graph predictor on the standard library of the running
   Python: no download, no labels, it only learns to tell which unit of the
   source comes next.
2. Draws the learned graphs of a piece of code.
3. Adds one line, `GraphTransfer`, to a small tagger: which function's call
   does a closing bracket end? The bracket itself doesn't tell, and its
   neighbours hardly do; the name that is called does. Brackets match, so the
   right graph is known. The tagger is trained with the learned graphs, and
   without a graph, with neighbours, with a uniform graph, with those of a
   predictor that was not trained, and with the right graph, three seeds each.
"""

import argparse
import os
import time
from pathlib import Path

import experiment.process
import keras
import numpy as np
from experiment.comparison.arms import control_graph
from experiment.comparison.arms import local_graphs
from experiment.folders import hold
from experiment.process import positive_int
from experiment.python_source import encode_units
from experiment.python_source import library_windows
from experiment.python_source import source_units
from experiment.run_clock import RunClock
from experiment.sizes import add_size_option
from experiment.sizes import defaults_of
from experiment.sizes import fill_in

from glomo_keras.analysis import plot_graph_arcs
from glomo_keras.analysis import plot_history
from glomo_keras.analysis import plot_predicted_texts
from glomo_keras.callbacks import RaiseOnNaN
from glomo_keras.files import named_path
from glomo_keras.layers import GraphTransfer
from glomo_keras.models import GLoMoPretrainer
from glomo_keras.models import GraphPredictor
from glomo_keras.ops import DIRECTIONS

CODE = """\
if isinstance(value, str):
    print(len(value), type(value), file=output)
"""
SIZES = {
    "smoke": {
        "max_bytes": 500_000,
        "epochs": 2,
        "steps_per_epoch": 20,
        "tagger_epochs": 2,
        "seeds": 1,
        "windows": 100,
        "jit": False,  # to compile takes longer than these steps
    },
    "small": {
        "max_bytes": 8_000_000,
        "epochs": 6,
        "steps_per_epoch": 250,
        "tagger_epochs": 8,
        "seeds": 3,
        "windows": 2_000,
        "jit": True,
    },
}
LENGTH = 64  # units of a window
NUM_FUNCTIONS = 30
BATCH_SIZE = 32  # of a tagger
ARMS = {
    "none": "no graph: the line is left out",
    "local": "the unit before, and the one after",
    "uniform": "all units alike",
    "untrained": "graphs of a predictor that was not trained",
    "learned": "graphs of the one that was",
    "gold": "the name that is called: the ceiling",
}


def new_predictor(vocabulary_size):
    """Return a small graph predictor with random weights."""
    keras.utils.set_random_seed(0)
    return GraphPredictor(
        vocabulary_size,
        embedding_dim=64,
        num_graph_layers=2,
        num_heads=4,
        num_convolutions=2,
    )


def pretrain(predictor, train, test, options):
    """Pretrain on unit ids alone."""
    pretrainer = GLoMoPretrainer(predictor, context_length=1, update="residual", seed=0)
    pretrainer.compile(
        keras.optimizers.Adam(0.003, global_clipnorm=1.0), jit_compile=options.jit
    )
    history = pretrainer.fit(
        Batches(train.unit_ids, batch_size=16),
        steps_per_epoch=options.steps_per_epoch,
        epochs=options.epochs,
        validation_data=test.unit_ids[:160],
        validation_batch_size=16,
        callbacks=[
            RaiseOnNaN(),
            RunClock(1).steps(options.epochs * options.steps_per_epoch),
            keras.callbacks.LambdaCallback(
                on_epoch_end=lambda epoch, logs: print(
                    epoch_line((epoch + 1) * options.steps_per_epoch, logs), flush=True
                )
            ),
        ],
        shuffle=False,
        verbose=0,
    )
    plot_history(
        history.history,
        options.output / "loss.png",
        metrics=("nats",),
        title="Pretraining on the standard library",
    )


def epoch_line(step, logs):
    """Return how the pretraining stands after a step."""
    return (
        f"  step {step:>5}: {logs['val_nats']:.2f} nats a unit in other files; a unit "
        f"reads {logs['val_effective_senders']:.1f} others"
    )


class Batches(keras.utils.PyDataset):
    """Endless batches of windows, in one random order after another."""

    def __init__(self, unit_ids, batch_size):
        super().__init__()
        self.unit_ids = unit_ids
        self.batch_size = batch_size

    @property
    def num_batches(self):
        return None

    def __getitem__(self, index):
        steps = max(1, len(self.unit_ids) // self.batch_size)  # of a pass
        order = np.random.default_rng(index // steps).permutation(len(self.unit_ids))
        start = index % steps * self.batch_size
        return self.unit_ids[order[start : start + self.batch_size]]


def function_labels(windows, number, functions=None):
    """Choose windows, and label the brackets that end a call of a frequent function.

    Args:
        windows: `Windows`.
        number: int, how many windows at most.
        functions: int array, ids of the functions, or `None`: the most frequent ones.

    Returns:
        `(windows, labels, functions)`: labels are int `(number, length)`, -1 for units
        that have none.
    """
    names = np.take_along_axis(windows.unit_ids, np.maximum(windows.callees, 0), 1)
    names = np.where(windows.callees >= 0, names, 0)
    if functions is None:
        counts = np.bincount(names.ravel(), minlength=2)
        counts[:2] = 0  # no call, and names that are not in the vocabulary
        functions = np.argsort(-counts, kind="stable")[:NUM_FUNCTIONS]
        functions = functions[counts[functions] > 0]
    is_function = names[:, :, None] == functions
    labels = np.where(is_function.any(axis=-1), is_function.argmax(axis=-1), -1)
    rows = np.flatnonzero((labels >= 0).any(axis=1))
    rows = np.random.default_rng(0).permutation(rows)[:number]
    return type(windows)(*(array[rows] for array in windows)), labels[rows], functions


def build_tagger(vocabulary_size, graphs):
    """Return a small tagger of units; one line makes it structure-aware.

    Args:
        vocabulary_size: int.
        graphs: dict of arrays `(texts, layers, heads, length, length)`, empty for a
            tagger without.
    """
    inputs = {"unit_ids": keras.Input((LENGTH,), dtype="int32", name="unit_ids")}
    hidden = keras.layers.Embedding(vocabulary_size, 32, name="embedding")(
        inputs["unit_ids"]
    )
    if graphs:
        for direction, array in graphs.items():
            inputs[direction] = keras.Input(array.shape[1:], name=direction)
        hidden = GraphTransfer(num_mixtures=2, name="transfer")(
            hidden, {name: inputs[name] for name in graphs}
        )
    hidden = keras.layers.Dense(64, activation="relu")(hidden)
    return keras.Model(inputs, keras.layers.Dense(NUM_FUNCTIONS)(hidden))


def arm_graphs(arm, predictor, windows):
    """Return the graphs of an arm by direction, computed once: nothing trains them."""
    mask = np.ones(windows.unit_ids.shape, bool)
    if arm == "none":
        return {}
    if arm == "local":
        return local_graphs(mask, "float16")
    if arm == "uniform":
        return dict.fromkeys(DIRECTIONS, control_graph("uniform", mask, "float16"))
    if arm == "gold":
        is_callee = windows.callees[:, :, None] == np.arange(LENGTH)
        gold = is_callee[:, None, None].astype("float16")
        return {"forward": gold, "backward": np.zeros_like(gold)}
    graphs = predictor.predict(
        {"unit_ids": windows.unit_ids, "padding_mask": mask}, batch_size=64, verbose=0
    )
    return {direction: array.astype("float16") for direction, array in graphs.items()}


def compare(predictor, vocabulary, train, test, options):
    """Train the tagger in all arms; print the accuracies.

    Returns:
        `(results, tagger)`: a dict of lists by arm, and a tagger with learned graphs.
    """
    train, labels, functions = function_labels(train, options.windows)
    test, test_labels, _ = function_labels(test, options.windows, functions)
    labelled, test_labelled = labels >= 0, test_labels >= 0
    names = [vocabulary.units[number] for number in functions]
    print(
        f"  One of {len(names)} functions ({', '.join(names[:4])}, ...). "
        f"{labelled.sum():,} brackets to train on,\n  {test_labelled.sum():,} in other "
        "files to test on. Accuracy, mean +- standard deviation, "
        f"{options.seeds} seeds:"
    )
    commonest = np.bincount(labels[labelled]).argmax()
    chance = np.mean(test_labels[test_labelled] == commonest)
    print(f"  {'chance':<11}{chance:6.1%}           always {names[commonest]}")
    predictors = {"learned": predictor, "untrained": new_predictor(len(vocabulary))}
    results, kept = {}, None
    num_steps = options.tagger_epochs * -(-len(labels) // BATCH_SIZE)
    clock = RunClock(len(ARMS) * options.seeds)
    for arm in ARMS:
        graphs = arm_graphs(arm, predictors.get(arm), train)
        test_graphs = arm_graphs(arm, predictors.get(arm), test)
        results[arm] = []
        for seed in range(options.seeds):
            steps = clock.steps(num_steps)  # of the first tagger, which all are like
            keras.utils.set_random_seed(seed)
            tagger = build_tagger(len(vocabulary), graphs)
            tagger.compile(
                keras.optimizers.Adam(0.003),
                keras.losses.SparseCategoricalCrossentropy(
                    from_logits=True, ignore_class=-1
                ),
                jit_compile="auto" if options.jit else False,
            )
            tagger.fit(
                {"unit_ids": train.unit_ids, **graphs},
                labels,
                batch_size=BATCH_SIZE,
                epochs=options.tagger_epochs,
                callbacks=[RaiseOnNaN(), *([] if any(results.values()) else [steps])],
                verbose=0,
            )
            logits = tagger.predict(
                {"unit_ids": test.unit_ids, **test_graphs},
                batch_size=BATCH_SIZE,
                verbose=0,
            )
            is_right = logits.argmax(axis=-1) == test_labels
            results[arm].append(float(is_right[test_labelled].mean()))
        if arm == "learned":
            kept = tagger
        print(result_line(arm, results[arm]), flush=True)
    return results, kept


def result_line(arm, scores):
    """Return mean and standard deviation of an arm, and what it is."""
    deviation = np.std(scores, ddof=1) if len(scores) > 1 else 0.0  # of a sample
    return f"  {arm:<11}{np.mean(scores):6.1%} +- {deviation:5.1%}  {ARMS[arm]}"


def plot_brackets(tagger, predictor, unit_ids, units, path):
    """Draw what closing brackets read: the graph that the tagger mixed of the learned.

    Args:
        tagger: keras.Model, with learned graphs.
        predictor: `GraphPredictor`.
        unit_ids: int array `(1, length)`, 0 at padding.
        units: list of strings.
        path: path of the picture.
    """
    graphs = predictor.predict(
        {"unit_ids": unit_ids, "padding_mask": unit_ids != 0}, verbose=0
    )
    features = tagger.get_layer("embedding")(unit_ids)
    _, mixed = tagger.get_layer("transfer")(features, graphs, return_graphs=True)
    forward = keras.ops.convert_to_numpy(mixed["forward"])[0].mean(axis=0)
    is_bracket = np.array([unit == ")" for unit in units])
    plot_graph_arcs(
        {"forward": forward[: len(units), : len(units)] * is_bracket[:, None]},
        units,
        path,
        min_weight=0.08,
        title="What closing brackets read: learned graphs, mixed by the tagger",
    )


@experiment.process.one_line_errors()
def main(arguments=None):
    """Pretrain, look, transfer."""
    experiment.process.prepare_process()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add(
        "--output",
        type=named_path,
        default=Path("runs/quickstart"),
        help="folder of pictures and model (default: runs/quickstart)",
    )
    add_size_option(parser, SIZES)
    add(
        "--epochs",
        type=positive_int,
        help=f"of pretraining {defaults_of(SIZES, 'epochs')}",
    )
    add(
        "--steps-per-epoch",
        type=positive_int,
        help=f"of pretraining {defaults_of(SIZES, 'steps_per_epoch')}",
    )
    add(
        "--tagger-epochs",
        type=positive_int,
        help=f"of each tagger {defaults_of(SIZES, 'tagger_epochs')}",
    )
    add(
        "--seeds",
        type=positive_int,
        help=f"of each arm {defaults_of(SIZES, 'seeds')}",
    )
    add(
        "--windows",
        type=positive_int,
        help="of 64 units to train a tagger on, at most "
        + defaults_of(SIZES, "windows"),
    )
    add(
        "--max-bytes",
        type=positive_int,
        help=f"of source to read {defaults_of(SIZES, 'max_bytes')}",
    )
    options = parser.parse_args(arguments)
    fill_in(options, SIZES)
    started, output = time.monotonic(), options.output
    with hold(output):
        vocabulary, train, test = library_windows(options.max_bytes, 3_000, LENGTH)
        print(
            f"1. Pretraining on {train.unit_ids.size:,} units of Python's standard "
            "library, without labels:"
        )
        predictor = new_predictor(len(vocabulary))
        pretrain(predictor, train, test, options)
        predictor.save_to_preset(output / "preset", vocabulary)
        print("\n2. The learned graphs of a piece of code:")
        units = source_units(CODE)
        unit_ids = np.zeros((1, LENGTH), np.int32)
        unit_ids[0, : len(units)] = encode_units(vocabulary, [units])[0]
        plot_predicted_texts(predictor, unit_ids, vocabulary.units, output / "graphs")
        for path in sorted(output.glob("graphs*.png")):
            print(f"  {path}")
        print(
            "\n3. A tagger, and the one line that adds graphs to it: which function's "
            "call\n  does a closing bracket end?"
        )
        _, tagger = compare(predictor, vocabulary, train, test, options)
        path = output / "brackets.png"
        plot_brackets(tagger, predictor, unit_ids, units, path)
        print(f"  What closing brackets read: {path}")
    print(
        f"\nDone in {time.monotonic() - started:.0f} s, {os.times().user:.0f} s of "
        "processor time."
    )


if __name__ == "__main__":
    main()
