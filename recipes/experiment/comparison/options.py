"""The command line of a task, and the settings that come of it."""

import argparse
import dataclasses
import shlex
import textwrap

from experiment.comparison.arms import ARMS
from experiment.devices import add_strategy_option
from experiment.process import UsageError
from experiment.process import positive_int
from experiment.process import usage_errors
from glomo_keras.files import named_path


def make_parser(task, description):
    """Make the parser of the options of a task.

    Args:
        task: `Task`.
        description: str, the beginning of `--help`.
    """
    parser = argparse.ArgumentParser(
        description=description,
        epilog="\n".join(_describe_sizes(task.sizes)),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--output", required=True, type=named_path, help="folder of arrays and runs")
    add("--size", choices=task.sizes, default="small", help="(default: small)")
    add("--prepare-only", action="store_true", help="stop after the arrays are written")
    add = parser.add_argument_group("graphs").add_argument
    add(
        "--predictor",
        default=task.default_predictor,
        help="name or folder of the preset that gives the graphs (default: "
        f"{task.default_predictor})",
    )
    add(
        "--graph-on",
        choices=task.sites,
        default=task.sites[0],
        help=f"the features that messages are computed of (default: {task.sites[0]})",
    )
    add(
        "--num-hops",
        type=int,
        default=task.default_num_hops,
        help="transfers one after the other, each with mixtures of its own (default: "
        f"{task.default_num_hops})",
    )
    add(
        "--num-mixtures",
        type=int,
        default=task.default_num_mixtures,
        help=f"mixed graphs a direction (default: {task.default_num_mixtures})",
    )
    add(
        "--message-dim",
        type=int,
        default=task.default_message_dim,
        help="size that features are projected to before they are sent; 0 sends them "
        f"as they are (default: {task.default_message_dim})",
    )
    add("--no-composed", action="store_true", help="mix no products of graphs")
    add(
        "--residual",
        action="store_true",
        help="add what the gate lets through to the features, in place of putting it "
        "beside them: the model keeps its size, and starts as it is without graphs",
    )
    add(
        "--unconditional",
        action="store_true",
        help="mixture weights that do not depend on the features",
    )
    add(
        "--graph-dropout",
        type=float,
        default=task.default_graph_dropout,
        help=f"before the gate (default: {task.default_graph_dropout:g})",
    )
    add(
        "--graph-memory",
        type=float,
        default=4.0,
        help="GiB of graphs, or of messages along them, kept from one epoch or run of "
        "the process to the next (default: 4)",
    )
    add = parser.add_argument_group("sizes (default: decided by --size)").add_argument
    add("--num-train", type=int, help="examples to train on, drawn by the seed")
    add("--num-dev", type=int, help="others of train, to select the epoch by")
    add("--num-test", type=int, help="examples to test on, the same for all seeds")
    add("--epochs", type=int, help="at most")
    add("--patience", type=int, help="epochs without a better one, then it stops")
    add("--batch-size", type=int, help="examples a step")
    add("--learning-rate", type=float, help="the highest, of all arms")
    add(
        "--learning-rates",
        type=float,
        nargs="+",
        help="of which every arm takes the best by dev, with one seed; in place of "
        "--learning-rate",
    )
    add("--dropout", type=float, help="in the downstream model")
    add_strategy_option(parser.add_argument_group("devices").add_argument)
    task.add_options(parser)
    return parser


def parse_quoted(task, options, flag):
    """Parse the options of a task that stand in quotation marks after another option.

    Args:
        task: `Task`.
        options: list of str and others.
        flag: str, the option they stand after.

    Returns:
        The settings of the task.

    Raises:
        UsageError: if they are none of the task.
    """
    parser = make_parser(task, task.__doc__)
    try:
        return make_settings(task, parser.parse_args(list(map(str, options))))
    except SystemExit as error:
        raise UsageError(
            f"{flag} must be options of {task.name}.py, see above. Received: "
            f"{' '.join(map(str, options))}."
        ) from error


def split_quoted(text, flag):
    """Return the words of options in quotation marks, as a shell splits them.

    Args:
        text: str.
        flag: str, the option they stand after.

    Raises:
        UsageError: if a quotation mark in it has no end.
    """
    try:
        return shlex.split(text)
    except ValueError as error:
        raise UsageError(f"{flag} {text!r}: {error}.") from error


def add_run_options(parser, task):
    """Add the options of a single arm: what `compare.py` runs through by itself."""
    arms = (*task.arms, *task.extra_arms)
    meanings = "; ".join(f"{name}: {ARMS[name]}" for name in arms)
    parser.add_argument(
        "--graph",
        choices=arms,
        default="learned",
        help=f"{meanings} (default: learned)",
    )
    parser.add_argument(
        "--seeds", type=positive_int, default=1, help="runs (default: 1)"
    )


def make_settings(task, options):
    """Turn parsed options into the settings of a task, complete and checked.

    Args:
        task: `Task`.
        options: `argparse.Namespace` of `make_parser`.

    Returns:
        An instance of `task.settings_class`; what was not given is what the size
        decides.

    Raises:
        UsageError: if the settings cannot be run.
    """
    values = dict(task.sizes[options.size])
    for field in dataclasses.fields(task.settings_class):
        given = getattr(options, field.name, None)
        if given is not None or field.name not in values:
            values[field.name] = given
    if values["learning_rates"] is not None:
        values["learning_rates"] = tuple(values["learning_rates"])
    settings = task.settings_class(**values)
    with usage_errors():
        task.check_settings(settings)
    return settings


def _describe_sizes(sizes):
    yield "what --size decides, where nothing else is said:"
    for name, values in sizes.items():
        described = ", ".join(f"{key} {value}" for key, value in values.items())
        yield textwrap.fill(f"  {name}: {described}", 80, subsequent_indent="    ")
