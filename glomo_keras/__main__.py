"""The library from the command line: `glomo-keras --help`.

`python -m glomo_keras` is the same, where the script is not at hand.
"""

import argparse
import functools
import json
import os
import pathlib
import re
import sys

from glomo_keras import picture_commands
from glomo_keras import pretrain_command
from glomo_keras import start_up
from glomo_keras.files import named_path
from glomo_keras.graph_lines import HELP_ON_LINES
from glomo_keras.graph_lines import write_graphs
from glomo_keras.start_up import without_machine_lines
from glomo_keras.version import __version__

_INTERRUPTED = 130  # what a shell reports of a program that Ctrl-C has ended
_ERRORS = (
    FloatingPointError,
    ImportError,
    MemoryError,
    OSError,
    OverflowError,
    TypeError,
    ValueError,
)
_LARGEST = 2**31 - 1  # TensorFlow counts units and bytes in 32 bits
_LARGEST_VERSION = 2**63 - 1  # that TF Serving takes


def positive(text, largest=_LARGEST):
    """Return an int above zero, of the command line."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a positive integer, not {text}")
    if int(text) > largest:
        raise argparse.ArgumentTypeError(f"must be at most {largest}, not {text}")
    return int(text)


class IntermixedParser(argparse.ArgumentParser):
    """A parser that takes options before, between and after files or texts."""

    _is_inside = False

    def parse_known_args(self, args=None, namespace=None):
        if self._is_inside:
            return super().parse_known_args(args, namespace)
        self._is_inside = True
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._is_inside = False


def make_parser():
    """Make the parser of the seven commands."""
    parser = argparse.ArgumentParser(
        prog=start_up.program_name(),
        description="Presets of relational graphs, of texts and of images, and of "
        "language models: exported, inspected, drawn, and run on texts; and pretrained "
        "on texts of your own.",
    )
    version = f"glomo_keras {__version__}"
    parser.add_argument("--version", action="version", version=version)
    commands = parser.add_subparsers(
        dest="command", required=True, parser_class=IntermixedParser
    )

    def command(name, run, description, **options):
        made = commands.add_parser(
            name, help=description, description=description, **options
        )
        made.set_defaults(run=run)
        return made.add_argument

    command("list", list_presets, "List the presets that come with the library.")

    preset = "name or folder of a preset, such as glomo_text_small_en"
    add = command("export", export, "Write a preset as SavedModels for TF Serving.")
    add("preset", help=preset)
    add("directory", type=named_path, help="folder of models; archives go to "
        "DIRECTORY/NAME_ids/VERSION and DIRECTORY/NAME_text/VERSION, of images to "
        "DIRECTORY/NAME/VERSION, of language models to DIRECTORY/NAME_words/VERSION "
        "and DIRECTORY/NAME_text/VERSION")  # fmt: skip
    add("--name", help="of the models; give one where the folder holds another preset "
        "(default: glomo_text, glomo_image, glomo_elmo)")  # fmt: skip
    version_number = functools.partial(positive, largest=_LARGEST_VERSION)
    add("--version", type=version_number, help="(default: the next one, of the same "
        "preset trained anew)")  # fmt: skip
    add("--num-senders", type=positive, help="of top_senders, which language models "
        "do not have (default: 4)")  # fmt: skip
    add("--max-batch", type=positive, default=64, help="texts or images a request "
        "(default: 64)")  # fmt: skip
    add("--max-units", type=positive, default=256, help="units a text, or pixels an "
        "image (default: 256)")  # fmt: skip
    add("--max-bytes", type=positive, help="bytes a text (default: 4096)")

    add = command("inspect", inspect, "Print what a preset or a SavedModel holds.")
    add("path", help=f"{preset}; folder of a SavedModel, DIRECTORY/NAME/VERSION; or "
        "DIRECTORY/NAME, whose newest version it is then")  # fmt: skip

    add = command("plot", picture_commands.plot, picture_commands.PLOT)
    add("preset", help=preset)
    picture_commands.add_plot_options(add, positive)
    add = command("view", picture_commands.view, picture_commands.VIEW)
    add("preset", help=preset)
    picture_commands.add_view_options(add, positive)

    add = command(
        "graphs",
        write_graphs,
        "Read texts, one a line; write their graphs as JSON lines, or as a table.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=HELP_ON_LINES,
    )
    add("preset", help=preset)
    add("files", nargs="*", default=[], type=named_path, help="(default: standard "
        "input)")  # fmt: skip
    add("--words", action="store_true", help="a table in place of JSON: a line a unit, "
        "with the words that it reads")  # fmt: skip
    add("--top", type=positive, default=4, help="senders of each unit (default: 4)")
    add("--layer", type=int, help="mean of the heads of this layer, counted from 0, in "
        "place of the mean of all")  # fmt: skip
    for direction in ("forward", "backward"):
        add(f"--{direction}-head", nargs=2, type=int, metavar=("LAYER", "HEAD"),
            help=f"{direction}: this head, from 0, in place of a mean")  # fmt: skip
    add("--all-heads", action="store_true", help="every layer and head, "
        "[layer][head][unit], in place of a mean")  # fmt: skip
    add("--batch-size", type=positive, default=32, help="texts at once (default: 32)")
    add("--max-units", type=positive, default=256, help="units a text (default: 256)")
    add("--max-bytes", type=positive, default=65_536, help="bytes a line; the rest "
        "of a longer one is not read (default: 65536)")  # fmt: skip
    add("--replace-invalid", action="store_true", help="read bytes that are not UTF-8 "
        "as U+FFFD, and NUL bytes as spaces, in place of an error")  # fmt: skip

    add = command(
        "pretrain",
        pretrain_command.pretrain,
        pretrain_command.DESCRIPTION,
        **pretrain_command.parser_options(),
    )
    pretrain_command.add_options(add, positive)
    return parser


def list_presets(options):
    """Print a line a preset, with the names of the columns above."""
    from glomo_keras.models.presets import summarize_presets

    rows = [("name", "class", "weights", "description")]
    for preset in summarize_presets():
        size = f"{preset.weights_bytes / 1e6:.1f} MB"
        rows.append((preset.name, preset.class_name, size, preset.description))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for name, class_name, size, description in rows:
        line = f"{name:{widths[0]}}  {class_name:{widths[1]}}  {size:>{widths[2]}}"
        print(f"{line}  {description}".rstrip())


def export(options):
    """Write the archives, print their paths."""
    with without_machine_lines():
        from glomo_keras.data import Vocabulary
        from glomo_keras.export import Limits
        from glomo_keras.export import export_graph_predictor
        from glomo_keras.export import export_image_graph_predictor
        from glomo_keras.export import export_language_model
    from glomo_keras.models import BidirectionalLanguageModel
    from glomo_keras.models import ImageGraphPredictor
    from glomo_keras.models import load_preset
    from glomo_keras.models.presets import open_preset

    with open_preset(options.preset) as preset:
        vocabulary = preset.vocabulary and Vocabulary.load(preset.vocabulary)
        model = load_preset(preset)
    is_language_model = isinstance(model, BidirectionalLanguageModel)
    is_image_model = isinstance(model, ImageGraphPredictor)
    for option, is_of_no_use in (
        ("num_senders", is_language_model),
        ("max_bytes", is_image_model),
    ):
        if is_of_no_use and getattr(options, option) is not None:
            raise ValueError(
                f"--{option.replace('_', '-')} is not for a {type(model).__name__}. "
                "Leave it out."
            )
    limits = Limits(options.max_batch, options.max_units, options.max_bytes or 4096)
    keywords = {"version": options.version, "limits": limits}
    if options.name is not None:
        keywords["name"] = options.name
    if options.num_senders is not None:
        keywords["num_senders"] = options.num_senders
    if is_language_model:
        paths = export_language_model(model, options.directory, **keywords)
    elif is_image_model:
        paths = export_image_graph_predictor(model, options.directory, **keywords)
    else:
        paths = export_graph_predictor(
            model, options.directory, vocabulary=vocabulary, **keywords
        )
    for path in paths.values():
        print(path)


def inspect(options):
    """Print the metadata of a preset, or the signatures of a SavedModel."""
    path = pathlib.Path(options.path)
    if any(path.glob("*/saved_model.pb")) or (path / "saved_model.pb").is_file():
        with without_machine_lines():
            from glomo_keras.export.archive_reading import archive_versions
            from glomo_keras.export.archive_reading import describe_archive

        versions = archive_versions(path)
        if versions:
            print(f"versions: {', '.join(map(str, versions))}")
            path = versions[max(versions)]
            print(f"newest: {path}")
        print("\n".join(describe_archive(path)))
        return
    from glomo_keras.models import find_preset

    preset = find_preset(options.path)
    text = json.dumps({"folder": str(preset.folder), **preset.metadata}, indent=2)
    print(re.sub(r"\[\n[-+.,\w\s]*\]", _one_line, text))


def _one_line(numbers):
    """Write a list of numbers, such as those of the heads of a layer, in one line."""
    return " ".join(numbers[0].split()).replace("[ ", "[").replace(" ]", "]")


def main(arguments=None):
    """Run a command; an error is one line."""
    options = make_parser().parse_args(arguments)
    failed = f"{start_up.program_name()} {options.command}: "
    if sys.stdout is None:
        sys.exit(f"{failed}Standard output is closed.")
    # Bytes in UTF-8 whatever the locale; names of files come out as they went in.
    sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape")
    try:
        options.run(options)
        sys.stdout.flush()
    except BrokenPipeError:  # `| head` has read enough
        _drop_output()
    except KeyboardInterrupt as stop:
        print(failed + (str(stop) or "Stopped."), file=sys.stderr)
        sys.exit(_INTERRUPTED)
    except (*_ERRORS, *_backend_errors()) as error:
        try:
            sys.stdout.flush()
        except OSError:
            _drop_output()
        sys.exit(failed + " ".join(_describe(error, options).split()))


def _backend_errors():
    """Return what TensorFlow and JAX raise, if they are imported."""
    errors = []
    if "tensorflow" in sys.modules:
        errors.append(sys.modules["tensorflow"].errors.OpError)
    if "jax" in sys.modules:
        errors.append(sys.modules["jax"].errors.JaxRuntimeError)
    return errors


def _describe(error, options):
    """Say what went wrong; where memory was too little, which option needs less."""
    is_exhausted = type(error).__name__ == "ResourceExhaustedError"  # or a full disk
    is_exhausted |= str(error).startswith("RESOURCE_EXHAUSTED")  # of JAX
    if not isinstance(error, MemoryError) and (
        not is_exhausted or "No space left" in str(error)
    ):
        return str(error)
    names = ["batch-size", "max-units"]
    if getattr(options, "size", None) is not None:
        names = ["size"]
    names = [f"--{name}" for name in names if hasattr(options, name.replace("-", "_"))]
    advice = f" Give a smaller {' or '.join(names)}." if names else ""
    return f"There is too little memory.{advice}"


def _drop_output():
    """Leave out what could not be written, which Python would try again at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
