"""Options of a task: the command line, and what the size decides."""

import argparse
import textwrap
from pathlib import Path

import keras

from experiment.text.graph_arms import ARMS
from experiment.text.graph_arms import PREDICTED_ARMS
from experiment.text.word_features import parse_features
from glomo_keras.models.presets import find_preset


def make_parser(task, description):
    """Parser of the options that the language tasks share; a task may add its own."""
    parser = _new_parser(task, description)
    parser.set_defaults(num_examples=None)  # of the embedded toy; a size may say
    add = parser.add_argument
    add("--data", default="embedded", help="tfds:NAME, a folder, or embedded (default)")
    add(
        "--features",
        default="trainable",
        help="vectors:PATH (a file in GloVe's text format, frozen), trainable "
        "(embeddings of the 20,000 most frequent words of train; the default), "
        "elmo:PRESET (layers of a language model, mixed) or elmo:PRESET+vectors:PATH",
    )
    add(
        "--elmo-cache",
        type=Path,
        help="folder of the layers of language models, computed once; comparisons of "
        "the same texts may share it (default: --output)",
    )
    add = _add_graph_options(parser, "glomo_text_base_en", ("embeddings", "rnn_states"))
    add("--top-k", type=int, help="strongest senders that a row keeps (default: all)")
    add = _add_size_options(parser)
    add("--length", type=int, help="units of a text that are read")
    add("--units", type=int, help="size of the recurrent states, each direction")
    return parser


def make_image_parser(task, description):
    """Parser of the options of a task on images."""
    parser = _new_parser(task, description)
    parser.add_argument(
        "--data",
        default="shapes",
        help="tfds:NAME, a path, or shapes (drawn, the default)",
    )
    _add_graph_options(parser, "glomo_image_small", ("pixels", "stem"))
    add = _add_size_options(parser)
    add("--image-size", type=int, help="height and width that images are shrunk to")
    add("--depth", type=int, choices=(18, 34), help="of the ResNet")
    add("--width", type=int, help="channels of the first stage")
    return parser


def _new_parser(task, description):
    parser = argparse.ArgumentParser(
        description=description,
        epilog="\n".join(_describe_sizes(task.sizes)),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--output", required=True, type=Path, help="folder of arrays and runs")
    add("--size", choices=task.sizes, default="small", help="(default: small)")
    add("--prepare-only", action="store_true", help="stop after the arrays are written")
    return parser


def _describe_sizes(sizes):
    yield "what --size decides, where nothing else is said:"
    for name, values in sizes.items():
        listed = ", ".join(f"{key} {value}" for key, value in values.items())
        yield textwrap.fill(f"  {name}: {listed}", 80, subsequent_indent="    ")


def _add_graph_options(parser, preset, sites):
    add = parser.add_argument_group("graphs").add_argument
    add(
        "--predictor",
        default=preset,
        help=f"name or folder of the preset that gives the graphs (default: {preset})",
    )
    add(
        "--graph-on",
        choices=sites,
        default=sites[0],
        help=f"the features that messages are computed of (default: {sites[0]})",
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
        help="GiB of graphs, or of messages along them, kept from one epoch or run of "
        "the process to the next (default: 4)",
    )
    return add


def _add_size_options(parser):
    add = parser.add_argument_group("sizes (default: decided by --size)").add_argument
    add("--num-train", type=int, help="examples to train on, drawn by the seed")
    add("--num-dev", type=int, help="others of train, to select the epoch by")
    add("--num-test", type=int, help="examples to test on, the same for all seeds")
    add("--epochs", type=int, help="at most")
    add("--patience", type=int, help="epochs without a better one, then it stops")
    add("--batch-size", type=int, help="examples a step")
    add("--learning-rate", type=float, help="the highest")
    add("--dropout", type=float, help="in the downstream model")
    return add


def add_run_options(parser, arms):
    """The options of a single arm: what `compare.py` runs through by itself."""
    listed = "; ".join(f"{arm}: {ARMS[arm]}" for arm in arms)
    parser.add_argument(
        "--graph", choices=arms, default="learned", help=f"{listed} (default: learned)"
    )
    parser.add_argument("--seeds", type=int, default=1, help="runs (default: 1)")


def finish_options(task, options):
    """Fill in what the size decides."""
    for name, value in task.sizes[options.size].items():
        if getattr(options, name, None) is None:
            setattr(options, name, value)
    if hasattr(options, "features"):  # mistakes are told before anything is read
        features = parse_features(options.features)
        if features.elmo:
            features.elmo_metadata()
    return options


def transfer_arguments(options):
    """Arguments of the layer that transfers graphs or messages."""
    return {
        "num_mixtures": options.num_mixtures,
        "composed": not options.no_composed,
        "conditional": not options.unconditional,
        "dropout": options.graph_dropout,
        "name": "graph_transfer",
    }


def run_settings(options, arm):
    """Settings that decide the result of a run of an arm, its seed aside."""
    left_out = ("output", "seeds", "graph", "prepare_only", "graph_memory", "graph_on")
    left_out += ("elmo_cache",)
    settings = {k: v for k, v in vars(options).items() if k not in left_out}
    if "features" in settings:
        features = parse_features(settings["features"])
        if features.elmo:
            settings["elmo"] = features.elmo_metadata()["fingerprint"]
    settings["backend"] = keras.backend.backend()
    del settings["predictor"]
    if arm in PREDICTED_ARMS:
        preset = find_preset(options.predictor)
        fingerprint = preset.metadata["fingerprint"]
        settings["predictor"] = f"{preset.folder.name} {fingerprint}"
    return settings
