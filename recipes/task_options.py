"""Options of a language task: the command line, and what the size decides."""

import argparse
from pathlib import Path

import keras
from graph_arms import ARMS
from graph_arms import PREDICTED_ARMS

from glomo_keras.models.presets import find_preset


def make_parser(task, description):
    """Parser of the options that the tasks share; a task may add its own."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.set_defaults(num_examples=None)  # of the embedded toy; a size may say
    add = parser.add_argument
    add("--data", default="embedded", help="tfds:NAME, a folder, or embedded (default)")
    add("--output", required=True, type=Path, help="folder of arrays and runs")
    add("--size", choices=task.sizes, default="small", help="(default: small)")
    add(
        "--features",
        default="trainable",
        help="vectors:PATH (a file in GloVe's text format, frozen) or trainable "
        "(embeddings of the 20,000 most frequent words of train; the default)",
    )
    add(
        "--predictor",
        default="glomo_text_small_en",
        help="name or folder of the preset that gives the graphs (default: "
        "glomo_text_small_en)",
    )
    add("--prepare-only", action="store_true", help="stop after the arrays are written")
    model = parser.add_argument_group("graphs")
    add = model.add_argument
    add(
        "--graph-on",
        choices=("embeddings", "rnn_states"),
        default="embeddings",
        help="the features that messages are computed of (default: embeddings)",
    )
    add("--num-mixtures", type=int, default=1, help="mixed graphs a direction")
    add("--no-composed", action="store_true", help="mix no products of graphs")
    add(
        "--unconditional",
        action="store_true",
        help="mixture weights that do not depend on the features",
    )
    add("--graph-dropout", type=float, default=0.0, help="before the gate (default: 0)")
    add(
        "--graph-memory",
        type=float,
        default=4.0,
        help="GiB of graphs kept from one epoch to the next (default: 4)",
    )
    sizes = parser.add_argument_group("sizes (default: decided by --size)")
    add = sizes.add_argument
    add("--length", type=int, help="units of a text that are read")
    add("--num-train", type=int, help="examples to train on, drawn by the seed")
    add("--num-dev", type=int, help="others of train, to select the epoch by")
    add("--num-test", type=int, help="examples to test on, the same for all seeds")
    add("--epochs", type=int, help="at most")
    add("--patience", type=int, help="epochs without a better one, then it stops")
    add("--batch-size", type=int, help="examples a step")
    add("--learning-rate", type=float, help="of Adam")
    add("--units", type=int, help="size of the recurrent states, each direction")
    add("--dropout", type=float, help="in the downstream model")
    return parser


def add_run_options(parser):
    """The options of a single arm: what `compare.py` runs through by itself."""
    listed = "; ".join(f"{arm}: {meaning}" for arm, meaning in ARMS.items())
    parser.add_argument(
        "--graph", choices=ARMS, default="learned", help=f"{listed} (default: learned)"
    )
    parser.add_argument("--seeds", type=int, default=1, help="runs (default: 1)")


def finish_options(task, options):
    """Fill in what the size decides."""
    for name, value in task.sizes[options.size].items():
        if getattr(options, name, None) is None:
            setattr(options, name, value)
    return options


def run_settings(options, arm):
    """Settings that decide the result of a run of an arm, its seed aside."""
    left_out = ("output", "seeds", "graph", "prepare_only", "graph_memory", "graph_on")
    settings = {k: v for k, v in vars(options).items() if k not in left_out}
    settings["backend"] = keras.backend.backend()
    del settings["predictor"]
    if arm in PREDICTED_ARMS:
        preset = find_preset(options.predictor)
        fingerprint = preset.metadata["fingerprint"]
        settings["predictor"] = f"{preset.folder.name} {fingerprint}"
    return settings
