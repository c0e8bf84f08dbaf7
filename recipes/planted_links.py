"""Do learned graphs find relations that are known? Train on planted links and see.

    python recipes/planted_links.py --output runs/planted --seeds 3

Sequences hold definitions (a key, then its value) and later recalls (the key again);
nothing but a link from the recall to its definition tells the value. The graph
predictor is pretrained on the unit ids alone. Then, on unseen sequences, the strongest
sender of every recall is compared with the true one, in the head that did best on
other sequences.

Arms: `mean` (the default), `scalar`, `query` and `none` are thresholds of the squared
ReLU; `softmax` and `square` are other score rules; `unnormalized` and `batch` have no
normalization and batch normalization after the convolutions; `untrained` has random
weights. The table also has two rules that need no learning. Finished runs are kept in
OUTPUT/runs.jsonl and are not repeated.
"""

import argparse
import csv
import json
import time
from pathlib import Path

import experiment.process
import keras
import numpy as np
from experiment.pretraining.score_rules import PREDICTORS

from glomo_keras.analysis import link_recovery
from glomo_keras.data.planted import chance
from glomo_keras.data.planted import latest_of_its_kind
from glomo_keras.data.planted import planted_sequences
from glomo_keras.data.planted import planted_vocabulary
from glomo_keras.models import GLoMoPretrainer

ARMS = {
    "mean": ("learned", {}),
    "scalar": ("learned", {"threshold": "scalar"}),
    "query": ("learned", {"threshold": "query"}),
    "none": ("learned", {"threshold": None}),
    "softmax": ("softmax", {}),
    "square": ("square", {}),
    "unnormalized": ("learned", {"normalization": None}),
    "batch": ("learned", {"normalization": "batch"}),
    "untrained": ("learned", {}),
}
NUM_TEST_SEQUENCES = 1_000
STEPS_PER_EPOCH = 200
ALL_FOUND = 0.995  # training ends early


class LinkCurve(keras.callbacks.Callback):
    """Scores link recovery every epoch, and stops when all links are found."""

    def __init__(self, test, path):
        super().__init__()
        self.test = test
        self.path = path

    def on_train_begin(self, logs=None):
        self.spent = 0.0
        names = "steps,seconds,accuracy,nats,density,empty_rows,dead_heads"
        self.path.write_text(names + "\n")

    def on_epoch_begin(self, epoch, logs=None):
        self.started = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        self.spent += time.monotonic() - self.started  # scoring is not training
        self.result = recovery(self.model.graph_predictor, self.test)
        self.density = logs["density"]
        self.steps = (epoch + 1) * STEPS_PER_EPOCH
        row = [self.steps, round(self.spent), round(self.result.accuracy, 4)]
        row += [logs[name] for name in ("nats", "density", "empty_rows", "dead_heads")]
        with self.path.open("a", newline="") as file:
            csv.writer(file).writerow(row)
        print(
            f"  step {row[0]}, {row[1]} s: {row[2]:6.1%} of the links; {row[3]:.3f} "
            f"nats, density {row[4]:.1%}, empty rows {row[5]:.1%}, dead heads "
            f"{row[6]:.0f}",
            flush=True,
        )
        if self.result.accuracy >= ALL_FOUND:
            self.model.stop_training = True


def recovery(predictor, test):
    """Link recovery of the forward graphs on test sequences."""
    mask = np.ones(test.unit_ids.shape, bool)
    graphs = predictor.predict(
        {"unit_ids": test.unit_ids, "padding_mask": mask}, verbose=0, batch_size=50
    )
    return link_recovery(graphs["forward"], test.links)


def run_arm(arm, seed, options):
    """Train one model and score it; returns what the table needs."""
    keras.utils.set_random_seed(seed)
    kind, choices = ARMS[arm]
    predictor = PREDICTORS[kind](
        len(planted_vocabulary()),
        embedding_dim=options.embedding_dim,
        num_graph_layers=options.num_graph_layers,
        num_heads=options.num_heads,
        num_convolutions=2,  # a key lies one unit before its value
        **choices,
    )
    pretrainer = GLoMoPretrainer(predictor, context_length=1, seed=seed)
    pretrainer.compile(
        keras.optimizers.Adam(options.learning_rate, global_clipnorm=1.0),
        jit_compile=not options.no_jit,
    )
    test = planted_sequences(NUM_TEST_SEQUENCES, seed=10_000 + seed)
    if arm == "untrained":
        result, density, steps, seconds = recovery(predictor, test), None, 0, 0
    else:
        curve = LinkCurve(test, options.output / f"{arm}_{seed}.csv")
        batches = PlantedBatches(options.batch_size, seed)
        pretrainer.fit(
            batches,
            steps_per_epoch=STEPS_PER_EPOCH,
            epochs=max(1, options.steps // STEPS_PER_EPOCH),
            callbacks=[curve],
            shuffle=False,
            verbose=0,
        )
        result, density = curve.result, curve.density
        steps, seconds = curve.steps, curve.spent
        predictor.save(options.output / f"{arm}_{seed}.keras")
    return {
        "arm": arm,
        "seed": seed,
        "accuracy": result.accuracy,
        "by_kind": {str(kind): value for kind, value in result.by_kind.items()},
        "layer": result.layer,
        "head": result.head,
        "num_links": result.num_links,
        "density": density,
        "steps": steps,
        "seconds": round(seconds),
    }


class PlantedBatches(keras.utils.PyDataset):
    """Endless batches of planted sequences, none of them seen twice."""

    def __init__(self, batch_size, seed):
        super().__init__()
        self.batch_size = batch_size
        self.seed = seed
        self.blocks = {}

    @property
    def num_batches(self):
        return None

    def __getitem__(self, index):
        block, place = divmod(index, 100)
        if block not in self.blocks:
            size = 100 * self.batch_size
            seed = (self.seed + 1) * 1_000_000 + block
            self.blocks = {block: planted_sequences(size, seed=seed).unit_ids}
        start = place * self.batch_size
        return self.blocks[block][start : start + self.batch_size]


def print_table(runs):
    """Print accuracy by arm, beside the rules that need no learning."""
    test = planted_sequences(NUM_TEST_SEQUENCES, seed=10_000)
    guess = chance(test)
    print(f"\n{'arm':<28}{'links found':>14}   by seed")
    for name, value in (
        ("chance, visible senders", guess.visible_senders),
        ("chance, open definitions", guess.open_definitions),
        ("latest of its kind", latest_of_its_kind(test)),
    ):
        print(f"{name:<28}{value:>14.1%}")
    for arm in ARMS:
        scores = [run["accuracy"] for run in runs if run["arm"] == arm]
        densities = [run["density"] for run in runs if run["arm"] == arm]
        if scores:
            by_seed = " ".join(f"{score:.1%}" for score in scores)
            note = "" if None in densities else f", density {np.mean(densities):.0%}"
            steps = max(run["steps"] for run in runs if run["arm"] == arm)
            note += f", at most {steps} steps" if steps else ""
            print(f"{arm:<28}{np.mean(scores):>14.1%}   {by_seed}{note}")


def main(arguments=None):
    """Run the arms, then print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--output", required=True, type=Path, help="folder of the runs")
    add("--arms", nargs="+", choices=ARMS, default=list(ARMS), help="(default: all)")
    add("--no-jit", action="store_true", help="do not compile with XLA")
    add("--seeds", type=int, default=3, help="seeds of each arm (default: 3)")
    add(
        "--steps",
        type=int,
        default=4000,
        help="of training a run, which ends early when all links are found (default: "
        "4000, under five minutes on two cores)",
    )
    add("--batch-size", type=int, default=32, help="sequences a step (default: 32)")
    add("--learning-rate", type=float, default=0.01, help="of Adam (default: 0.01)")
    add("--embedding-dim", type=int, default=32, help="(default: 32)")
    add("--num-graph-layers", type=int, default=1, help="(default: 1)")
    add("--num-heads", type=int, default=4, help="(default: 4)")
    options = parser.parse_args(arguments)
    experiment.process.prepare_process()
    options.output.mkdir(parents=True, exist_ok=True)
    log = options.output / "runs.jsonl"
    runs = (
        [json.loads(line) for line in log.read_text().splitlines()]
        if log.exists()
        else []
    )
    done = {(run["arm"], run["seed"]) for run in runs}
    for seed in range(options.seeds):
        for arm in options.arms:
            if (arm, seed) in done:
                continue
            print(f"{arm}, seed {seed}", flush=True)
            runs.append(run_arm(arm, seed, options))
            with log.open("a") as file:
                file.write(json.dumps(runs[-1]) + "\n")
    print_table(runs)


if __name__ == "__main__":
    main()
