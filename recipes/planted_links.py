"""Do learned graphs find relations that are known? Planted links tell.

    python recipes/planted_links.py --output runs/planted --seeds 3
    python recipes/planted_links.py --size smoke --output runs/planted_smoke

Sequences hold definitions (a key, then its value) and later recalls (the key
again); nothing but a link from the recall to its definition tells the value.
The graph predictor is pretrained on the unit ids alone. Then, on unseen
sequences, the strongest sender of every recall is compared with the true one,
in the head that did best on other sequences.

Arms: `mean`, `scalar`, `query`, `none` and `entmax` are thresholds of the
squared ReLU, `mean, offsets` and `entmax, offsets` (the default of the
predictors) have numbers of the distances as well; `softmax` and `square` are
other score rules; `unnormalized` and `batch` have no normalization and batch
normalization after the convolutions, with the mean; `untrained` has random
weights. The table also has two rules that need no learning. Finished runs are
kept in OUTPUT/runs.jsonl and are not repeated.
"""

import argparse
import csv
import dataclasses
import time

import experiment.process
import keras
import numpy as np
from experiment.folders import append_lines
from experiment.folders import hold
from experiment.folders import read_lines
from experiment.precision import add_precision_option
from experiment.precision import precision
from experiment.pretraining.score_rules import PREDICTORS
from experiment.process import UsageError
from experiment.process import positive_float
from experiment.process import positive_int
from experiment.process import usage_errors
from experiment.run_clock import RunClock
from experiment.sizes import add_size_option
from experiment.sizes import defaults_of
from experiment.sizes import fill_in

from glomo_keras.analysis import link_recovery
from glomo_keras.callbacks import RaiseOnNaN
from glomo_keras.data.planted import chance
from glomo_keras.data.planted import latest_of_its_kind
from glomo_keras.data.planted import planted_sequences
from glomo_keras.data.planted import planted_vocabulary
from glomo_keras.files import atomic_write
from glomo_keras.files import check_free_space
from glomo_keras.files import named_path
from glomo_keras.files import write_text
from glomo_keras.models import GLoMoPretrainer
from glomo_keras.pretraining.run_folder import differences

MEAN = {"threshold": "mean", "position_bias": None}
ARMS = {
    "mean": ("learned", MEAN),
    "scalar": ("learned", {**MEAN, "threshold": "scalar"}),
    "query": ("learned", {**MEAN, "threshold": "query"}),
    "none": ("learned", {**MEAN, "threshold": None}),
    "entmax": ("learned", {**MEAN, "threshold": "entmax"}),
    "mean, offsets": ("learned", {**MEAN, "position_bias": 32}),
    "entmax, offsets": ("learned", {}),
    "softmax": ("softmax", MEAN),
    "square": ("square", MEAN),
    "unnormalized": ("learned", {**MEAN, "normalization": None}),
    "batch": ("learned", {**MEAN, "normalization": "batch"}),
    "untrained": ("learned", MEAN),
}
SIZES = {
    "smoke": {"arms": ["mean", "untrained"], "seeds": 1, "steps": 100},
    "small": {"arms": list(ARMS), "seeds": 3, "steps": 4_000},
}
NUM_TEST_SEQUENCES = 1_000
STEPS_PER_EPOCH = 200
ENOUGH_ACCURACY = 0.995  # training ends early


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """What the command line decides of a run; a table is of runs of the same ones."""

    steps: int
    batch_size: int
    learning_rate: float
    embedding_dim: int
    num_graph_layers: int
    num_heads: int
    no_jit: bool
    precision: str


class LinkCurve(keras.callbacks.Callback):
    """Score link recovery every epoch; stop where all are found, or the steps are done.

    Args:
        test: planted sequences to score on.
        path: path of the curve.
        num_steps: int, of the whole training.
    """

    def __init__(self, test, path, num_steps):
        super().__init__()
        self.test = test
        self.num_steps = num_steps
        self.path = path

    def on_train_begin(self, logs=None):
        self.spent, self.steps = 0.0, 0
        names = "steps,seconds,accuracy,nats,density,empty_rows,dead_heads"
        write_text(self.path, names + "\n")

    def on_epoch_begin(self, epoch, logs=None):
        self.started = time.monotonic()

    def on_train_batch_end(self, batch, logs=None):
        self.steps += 1
        if self.steps >= self.num_steps:  # the last epoch may be a part of one
            self.model.stop_training = True

    def on_epoch_end(self, epoch, logs=None):
        self.spent += time.monotonic() - self.started  # scoring is not training
        self.result = recovery(self.model.graph_predictor, self.test)
        self.density = logs["density"]
        row = [self.steps, round(self.spent), round(self.result.accuracy, 4)]
        row += [logs[name] for name in ("nats", "density", "empty_rows", "dead_heads")]
        with self.path.open("a", newline="", encoding="utf-8") as file:
            csv.writer(file).writerow(row)
        print(
            f"  step {row[0]}, {row[1]} s: {row[2]:6.1%} of the links; {row[3]:.3f} "
            f"nats, density {row[4]:.1%}, empty rows {row[5]:.1%}, dead heads "
            f"{row[6]:.0f}",
            flush=True,
        )
        if self.result.accuracy >= ENOUGH_ACCURACY:
            self.model.stop_training = True


def recovery(predictor, test):
    """Return the link recovery of the forward graphs on test sequences."""
    mask = np.ones(test.unit_ids.shape, bool)
    graphs = predictor.predict(
        {"unit_ids": test.unit_ids, "padding_mask": mask}, verbose=0, batch_size=50
    )
    return link_recovery(graphs["forward"], test.links)


def run_arm(arm, seed, settings, output, clock):
    """Train one model, score it, and return what the table needs.

    Raises:
        FloatingPointError: if the training diverges.
    """
    keras.utils.set_random_seed(seed)
    kind, choices = ARMS[arm]
    with usage_errors(), precision(settings.precision):
        predictor = PREDICTORS[kind](
            len(planted_vocabulary()),
            embedding_dim=settings.embedding_dim,
            num_graph_layers=settings.num_graph_layers,
            num_heads=settings.num_heads,
            num_convolutions=2,  # a key lies one unit before its value
            **choices,
        )
        pretrainer = GLoMoPretrainer(predictor, context_length=1, seed=seed)
    pretrainer.compile(
        keras.optimizers.Adam(settings.learning_rate, global_clipnorm=1.0),
        jit_compile=not settings.no_jit,
    )
    # Or else TensorFlow traces the first step twice, with and without making these.
    pretrainer.optimizer.build(pretrainer.trainable_variables)
    test = planted_sequences(NUM_TEST_SEQUENCES, seed=10_000 + seed)
    if arm == "untrained":
        result, density, steps, seconds = recovery(predictor, test), None, 0, 0
    else:
        curve = LinkCurve(test, output / f"{arm}_{seed}.csv", settings.steps)
        batches = PlantedBatches(settings.batch_size, seed)
        pretrainer.fit(
            batches,
            steps_per_epoch=STEPS_PER_EPOCH,
            epochs=-(-settings.steps // STEPS_PER_EPOCH),
            callbacks=[RaiseOnNaN(), clock.steps(settings.steps), curve],
            shuffle=False,
            verbose=0,
        )
        result, density = curve.result, curve.density
        steps, seconds = curve.steps, curve.spent
        check_free_space(output, 4 * predictor.count_params())
        with atomic_write(output / f"{arm}_{seed}.keras") as temporary:
            predictor.save(temporary)
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
        "settings": dataclasses.asdict(settings),
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


def read_runs(path, settings):
    """Return the finished runs.

    Raises:
        UsageError: if a run stands twice in the file, or has other settings.
    """
    runs, names = read_lines(path), set()
    for number, run in enumerate(runs, start=1):
        if not {"arm", "seed", "accuracy", "density", "steps"} <= run.keys():
            raise UsageError(
                f"{path}, line {number}, is no run of this program. Give another "
                "--output."
            )
        name = run["arm"], run["seed"]
        line = f"{path}, line {number} ({name[0]}, seed {name[1]}),"
        other = differences(run.get("settings", {}), dataclasses.asdict(settings))
        if other:
            raise UsageError(
                f"{line} is a run with other settings ({other}). Give those, or "
                "another --output."
            )
        if name in names:
            raise UsageError(f"{line} is recorded twice. Remove one of the lines.")
        names.add(name)
    return runs


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


@experiment.process.one_line_errors()
def main(arguments=None):
    """Run the arms, then print the table."""
    experiment.process.prepare_process()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--output", required=True, type=named_path, help="folder of the runs")
    add_size_option(parser, SIZES)
    add("--arms", nargs="+", choices=ARMS, help="(default: all; smoke: mean untrained)")
    add("--no-jit", action="store_true", help="do not compile with XLA")
    add(
        "--seeds",
        type=positive_int,
        help=f"seeds of each arm {defaults_of(SIZES, 'seeds')}",
    )
    add(
        "--steps",
        type=positive_int,
        help="of training a run, which ends early when all links are found "
        + defaults_of(SIZES, "steps"),
    )
    add(
        "--batch-size",
        type=positive_int,
        default=32,
        help="sequences a step (default: 32)",
    )
    add(
        "--learning-rate",
        type=positive_float,
        default=0.01,
        help="of Adam (default: 0.01)",
    )
    add_precision_option(add)
    for name, default, describes in (
        ("--embedding-dim", 32, "size of the embeddings of units"),
        ("--num-graph-layers", 1, "layers of graphs"),
        ("--num-heads", 4, "heads of a layer"),
    ):
        add(
            name,
            type=positive_int,
            default=default,
            help=f"{describes} (default: {default})",
        )
    options = parser.parse_args(arguments)
    fill_in(options, SIZES)
    names = [field.name for field in dataclasses.fields(Settings)]
    settings = Settings(**{name: getattr(options, name) for name in names})
    output = options.output
    with hold(output):
        path = output / "runs.jsonl"
        runs = read_runs(path, settings)
        finished = {(run["arm"], run["seed"]) for run in runs}
        missing = [
            (arm, seed)
            for seed in range(options.seeds)
            for arm in dict.fromkeys(options.arms)
            if (arm, seed) not in finished
        ]
        clock = RunClock(len(missing))
        for arm, seed in missing:
            clock.begin(f"{arm}, seed {seed}")
            runs.append(run_arm(arm, seed, settings, output, clock))
            append_lines(path, runs[-1])
            clock.end()
    print_table(runs)


if __name__ == "__main__":
    main()
