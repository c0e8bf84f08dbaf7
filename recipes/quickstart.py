"""From nothing to learned graphs in a Keras model, in a few minutes.

    python recipes/quickstart.py

1. Pretrains a small graph predictor on documentation of Python and of the packages that
   this library requires: real English, no download, no labels.
2. Draws the learned graphs of a few sentences.
3. Adds one line, `GraphTransfer`, to a small text classifier (which library does a
   paragraph document?) and trains it without a graph, with a uniform graph and with
   the learned graphs, three seeds each.
"""

import argparse
import time
from pathlib import Path

import experiment.process
import keras
import numpy as np
from experiment.comparison.arms import control_graph
from experiment.folders import hold
from experiment.pretraining.progress import EpochLine
from experiment.pretraining.progress import text_line
from experiment.process import positive_int

from glomo_keras.analysis import plot_history
from glomo_keras.analysis import plot_predicted_texts
from glomo_keras.callbacks import RaiseOnNaN
from glomo_keras.data import Vocabulary
from glomo_keras.data import WindowSequence
from glomo_keras.data import fixed_windows
from glomo_keras.data import labelled_paragraphs
from glomo_keras.data import load_prepared
from glomo_keras.data import prepare_corpus
from glomo_keras.layers import GraphTransfer
from glomo_keras.models import GLoMoPretrainer
from glomo_keras.models import GraphPredictor

SENTENCES = [
    "If the array is empty, the function returns None instead of an error.",
    "The method raises a value error when the shape of the input does not match.",
]
LENGTH = 48  # units of a paragraph that the classifier reads
SEEDS = 3


def pretrain(output, epochs):
    """Pretrain on documentation; return the predictor and its vocabulary."""
    prepare_corpus("docs", output / "prepared", vocabulary_size=8_000)
    corpus = load_prepared(output / "prepared")
    keras.utils.set_random_seed(0)
    predictor = GraphPredictor(
        len(corpus.units), embedding_dim=64, num_graph_layers=2, num_heads=4
    )
    pretrainer = GLoMoPretrainer(predictor, num_positions=20, seed=0)
    pretrainer.compile(
        keras.optimizers.Adam(0.003, global_clipnorm=1.0), jit_compile=True
    )
    windows = WindowSequence(
        corpus.train_ids, corpus.train_offsets, batch_size=16, window=100, shift=50
    )
    valid = fixed_windows(corpus.valid_ids, corpus.valid_offsets, 32, window=100)
    history = pretrainer.fit(
        windows,
        steps_per_epoch=100,
        epochs=epochs,
        validation_data=valid,
        validation_batch_size=16,
        callbacks=[RaiseOnNaN(), EpochLine(epochs, text_line)],
        shuffle=False,
        verbose=0,
    )
    plot_history(
        history.history,
        output / "loss.png",
        metrics=("nats",),
        title="Pretraining on documentation",
    )
    vocabulary = Vocabulary.load(output / "prepared" / "vocabulary.txt")
    predictor.save_to_preset(output / "preset", vocabulary)
    return predictor, vocabulary


def build_classifier(vocabulary_size, num_labels, graphs):
    """Return a small text classifier; one line makes it structure-aware.

    Args:
        vocabulary_size: int.
        num_labels: int.
        graphs: dict of arrays `(texts, layers, heads, length, length)`, or `None`.
    """
    inputs = {"unit_ids": keras.Input((None,), dtype="int32", name="unit_ids")}
    hidden = keras.layers.Embedding(vocabulary_size, 32, mask_zero=True)(
        inputs["unit_ids"]
    )
    if graphs is not None:
        for direction, array in graphs.items():
            layers, heads = array.shape[1:3]
            inputs[direction] = keras.Input((layers, heads, None, None), name=direction)
        hidden = GraphTransfer()(hidden, {name: inputs[name] for name in graphs})
    hidden = keras.layers.Dense(32, activation="relu")(hidden)
    hidden = keras.layers.GlobalAveragePooling1D(data_format="channels_last")(hidden)
    hidden = keras.layers.Dropout(0.2)(hidden)
    outputs = keras.layers.Dense(num_labels, activation="softmax")(hidden)
    return keras.Model(inputs, outputs)


def learned_graphs(predictor, unit_ids):
    """Return the graphs of all texts, computed once: the predictor is frozen."""
    graphs = predictor.predict(
        {"unit_ids": unit_ids, "padding_mask": unit_ids != 0}, batch_size=64, verbose=0
    )
    return {direction: array.astype("float16") for direction, array in graphs.items()}


def classify(predictor, vocabulary, epochs):
    """Train the classifier in three arms; print and return the accuracies."""
    parts = {}
    for split, size in (("train", 250), ("test", 200)):
        texts, labels, names = labelled_paragraphs(split, max_per_class=size)
        ids = vocabulary.encode(texts)["unit_ids"].numpy()[:, :LENGTH]
        arms = {
            "no graph": None,
            "uniform graph": {"forward": control_graph("uniform", ids != 0, "float16")},
            "learned graph": learned_graphs(predictor, ids),
        }
        parts[split] = ids, labels, arms
    ids, labels, arms = parts["train"]
    test_ids, test_labels, test_arms = parts["test"]
    print(
        f"\nWhich of {len(names)} libraries does a paragraph document? {len(ids)} "
        f"paragraphs to train on, {len(test_ids)} from other files to test on."
    )
    results = {}
    for arm, graphs in arms.items():
        results[arm] = []
        for seed in range(SEEDS):
            keras.utils.set_random_seed(seed)
            model = build_classifier(len(vocabulary), len(names), graphs)
            model.compile(
                keras.optimizers.Adam(0.003),
                "sparse_categorical_crossentropy",
                metrics=["accuracy"],
            )
            model.fit(
                {"unit_ids": ids, **(graphs or {})},
                labels,
                batch_size=32,
                epochs=epochs,
                callbacks=[RaiseOnNaN()],
                verbose=0,
            )
            _, accuracy = model.evaluate(
                {"unit_ids": test_ids, **(test_arms[arm] or {})}, test_labels, verbose=0
            )
            results[arm].append(accuracy)
        print(result_line(arm, results[arm]), flush=True)
    print(f"  always the same answer: {1 / len(names):.1%}")
    return results


def result_line(arm, scores):
    """Return mean and standard deviation of an arm, and the score of each seed."""
    seeds = " ".join(f"{score:.1%}" for score in scores)
    deviation = np.std(scores, ddof=1)  # of a sample, as in the other tables
    return f"  {arm:<14} {np.mean(scores):.1%} +- {deviation:.1%}   (seeds: {seeds})"


@experiment.process.one_line_errors()
def main(arguments=None):
    """Pretrain, look, transfer."""
    experiment.process.prepare_process()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("runs/quickstart"),
        help="folder of pictures and model (default: runs/quickstart)",
    )
    parser.add_argument(
        "--epochs",
        type=positive_int,
        default=7,
        help="of pretraining, 100 steps each (default: 7)",
    )
    parser.add_argument(
        "--classifier-epochs",
        type=positive_int,
        default=6,
        help="of each classifier (default: 6)",
    )
    options = parser.parse_args(arguments)
    started = time.monotonic()
    with hold(options.output):
        print("1. Pretraining on documentation, without labels. The loss falls:")
        predictor, vocabulary = pretrain(options.output, options.epochs)
        print("\n2. The learned graphs of some sentences:")
        encoded = vocabulary.encode(SENTENCES)["unit_ids"].numpy()
        plot_predicted_texts(
            predictor, encoded, vocabulary.units, options.output / "graphs"
        )
        for path in sorted(options.output.glob("*.png")):
            print(f"  {path}")
        print("\n3. A classifier, and the one line that adds the graphs to it.")
        classify(predictor, vocabulary, options.classifier_epochs)
    print(f"\nDone in {time.monotonic() - started:.0f} s.")


if __name__ == "__main__":
    main()
