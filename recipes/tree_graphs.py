r"""Train graphs on annotated trees: what a task could get from better graphs.

    python recipes/tree_graphs.py --data ud_english_ewt --output runs/trees
    python recipes/compare.py nli --predictor runs/trees --arms learned \
        --output runs/nli_trees

Pretraining learns graphs from text alone, and where they do not help a task
the question is whether any would. This program starts from the embeddings and
the networks of a pretrained predictor and trains one layer of two heads on a
treebank: with one a word reads its head, with the other its dependents, and a
row is empty where they are on the other side. It writes a preset like any
other, but annotated trees went into it.

--data is a folder with *-ud-train.conllu and *-ud-dev.conllu, plain or .gz;
tfds:universal_dependencies/en_ewt; or `toy`. All sentences of train are
trained on. After every epoch dev tells how often the strongest sender of a
row is a head, or a dependent, and how many rows without one are empty.
"""

import argparse
import math

import experiment.process
import keras
import numpy as np
from experiment.dependencies import tree_predictor
from experiment.dependencies.sentence_arrays import make_arrays
from experiment.dependencies.task import load_trees
from experiment.folders import hold
from experiment.process import positive_float
from experiment.process import positive_int
from experiment.process import usage_errors
from experiment.run_clock import RunClock
from experiment.sizes import add_size_option
from experiment.sizes import defaults_of
from experiment.sizes import fill_in
from experiment.text.graph_arms import preset_vocabulary

from glomo_keras.files import named_path
from glomo_keras.pretraining.progress import EpochLine
from glomo_keras.pretraining.settings import seed_int

SIZES = {
    "smoke": {"epochs": 2, "steps": 20, "length": 16},
    "small": {"epochs": 8, "steps": 2_000, "length": 80},
}
BATCH_SIZE = 32  # sentences of about 32 words


def train(predictor, splits, options):
    """Train a predictor on trees; return the `found_shares` of dev."""
    steps = math.ceil(options.steps / options.epochs)
    model = tree_predictor.TreeScores(predictor)
    rate = keras.optimizers.schedules.CosineDecay(
        options.learning_rate, steps * options.epochs
    )
    optimizer = keras.optimizers.Adam(rate, global_clipnorm=1.0)
    model.compile(optimizer, tree_predictor.EntmaxLoss())
    batches, of_dev = (
        tree_predictor.TreeTargets(
            splits[split],
            np.arange(len(splits[split])),
            BATCH_SIZE,
            steps,
            **training,
        )
        for split, training in (("train", {"shuffle_seed": options.seed}), ("test", {}))
    )
    shares = {}

    def describe(logs):
        shares.update(tree_predictor.found_shares(model, of_dev))
        found = ", ".join(f"{name} {share:.1%}" for name, share in shares.items())
        return f"loss {logs['loss']:.4f}, dev {found}"

    model.fit(
        batches,
        epochs=options.epochs,
        steps_per_epoch=steps,
        shuffle=False,  # batches shuffle themselves
        verbose=0,
        callbacks=[
            EpochLine(options.epochs, describe),
            RunClock(1).steps(steps * options.epochs),
        ],
    )
    return shares


@experiment.process.one_line_errors()
def main(arguments=None):
    """Train on the trees of the command line, and write a preset."""
    experiment.process.prepare_process()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--output", required=True, type=named_path, help="folder of the preset")
    add("--data", default="toy", help="the treebank, see above (default: toy)")
    add(
        "--predictor",
        default="glomo_text_base_en",
        help="name or folder of the preset to start from (default: glomo_text_base_en)",
    )
    add_size_option(parser, SIZES)
    for name, described in (
        ("epochs", "lines of progress"),
        ("steps", "batches of all epochs together"),
        ("length", "words of a sentence that are read"),
    ):
        add(
            f"--{name}",
            type=positive_int,
            help=f"{described} {defaults_of(SIZES, name)}",
        )
    add(
        "--learning-rate",
        type=positive_float,
        default=0.003,
        help="the first one; it falls to zero by a cosine (default: 0.003)",
    )
    add(
        "--dropout",
        type=float,
        default=0.2,
        help="in the networks, while they are trained (default: 0.2)",
    )
    add("--seed", type=seed_int, default=0, help="(default: 0)")
    options = parser.parse_args(arguments)
    fill_in(options, SIZES)
    keras.utils.set_random_seed(options.seed)
    with usage_errors():
        vocabulary = preset_vocabulary(options.predictor)
        sentences, sources = load_trees(options.data)
        predictor = tree_predictor.start_from(options.predictor, options.dropout)
    with hold(options.output):
        treebank = make_arrays(sentences, vocabulary, "trainable", options.length)
        shares = train(predictor, treebank.splits, options)
        recorded = {k: v for k, v in vars(options).items() if k != "output"}
        predictor.save_to_preset(
            options.output,
            vocabulary,
            {"trees": sources, "settings": recorded, "dev": shares},
        )
    print(f"{options.output} is written.")


if __name__ == "__main__":
    main()
