"""The library from the command line: `glomo-keras --help`.

`python -m glomo_keras` is the same, where the script is not at hand.
"""

import argparse
import json
import os
import pathlib
import re
import sys

from glomo_keras import pretrain_command
from glomo_keras import start_up
from glomo_keras.graph_lines import HELP_ON_LINES
from glomo_keras.graph_lines import write_graphs
from glomo_keras.start_up import without_machine_lines
from glomo_keras.version import __version__

_INTERRUPTED = 130  # what a shell reports of a program that Ctrl-C has ended


def positive(text):
    """Return an int above zero, of the command line."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a positive integer, not {text}")
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
    add("directory", type=pathlib.Path, help="folder of models; archives go to "
        "DIRECTORY/NAME_ids/VERSION and DIRECTORY/NAME_text/VERSION, of images to "
        "DIRECTORY/NAME/VERSION, of language models to DIRECTORY/NAME_words/VERSION "
        "and DIRECTORY/NAME_text/VERSION")  # fmt: skip
    add("--name", help="of the models; give one where the folder holds another preset "
        "(default: glomo_text, glomo_image, glomo_elmo)")  # fmt: skip
    add("--version", type=positive, help="(default: the next one, of the same preset "
        "trained anew)")  # fmt: skip
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

    add = command("plot", plot, "Draw the graphs of a text, or of images.")
    add("preset", help=preset)
    add("inputs", nargs="*", default=[], metavar="TEXT or IMAGE", help="a text, for a "
        "preset of texts; files of images that matplotlib reads, for one of images "
        "(default: the portrait that comes with matplotlib, and two drawn "
        "shapes)")  # fmt: skip
    add("--output", type=pathlib.Path, required=True, help="path of the picture; of "
        "several, the beginning of their paths: OUTPUT_arcs.png and OUTPUT_grid.png, "
        "or, for every image, OUTPUT_image_N_center.png and ..._corner.png, what its "
        "central and its last pixel read")  # fmt: skip
    add("--kind", choices=("arcs", "grid", "both"), help="of a text. arcs: the mean of "
        "the heads of the last layer, both directions; grid: all layers and heads, "
        "forward (default: arcs)")  # fmt: skip
    for direction in ("forward", "backward"):
        add(f"--{direction}-head", nargs=2, type=int, metavar=("LAYER", "HEAD"),
            help="arcs of this head, counted from 0, in place of the mean")  # fmt: skip
    add("--size", type=positive, help="of images: height and width that their middle "
        "is shrunk to (default: 16)")  # fmt: skip

    add = command("view", view, "Write a page that shows the graphs of texts, or of "
        "images, in a browser: every layer and head.")  # fmt: skip
    add("preset", help=preset)
    add("--text", action="append", default=[], help="a text, in quotation marks; "
        "several are shown beside each other")  # fmt: skip
    add("--image", action="append", default=[], help="file of an image, for a preset "
        "of images (default: those of plot)")  # fmt: skip
    add("--size", type=positive, default=16, help="of images: height and width that "
        "their middle is shrunk to (default: 16)")  # fmt: skip
    add("--output", type=pathlib.Path, required=True, help="path of the page, .html")
    add("--max-units", type=positive, default=256, help="units a text (default: 256)")

    add = command(
        "graphs",
        write_graphs,
        "Read texts, one a line; write their graphs as JSON lines, or as a table.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=HELP_ON_LINES,
    )
    add("preset", help=preset)
    add("files", nargs="*", default=[], type=pathlib.Path, help="(default: standard "
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
        "as U+FFFD, in place of an error")  # fmt: skip

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


def plot(options):
    """Draw pictures, print their paths."""
    from glomo_keras.models import ImageGraphPredictor
    from glomo_keras.models import load_preset
    from glomo_keras.models.presets import open_preset

    with open_preset(options.preset) as preset:
        model = None if preset.vocabulary else load_preset(preset)
    if model is None:
        paths = _plot_text(preset.folder, options)
    elif isinstance(model, ImageGraphPredictor):
        paths = _plot_images(model, options)
    else:
        raise ValueError(
            f"{options.preset} must be a preset of images, or of texts with a "
            f"vocabulary. It holds a {type(model).__name__} without one."
        )
    for path in paths:
        print(path)


def _plot_text(folder, options):
    from glomo_keras.analysis import plot_text_graphs
    from glomo_keras.ops import DIRECTIONS

    with without_machine_lines():
        from glomo_keras.export import TextGraphs

    if len(options.inputs) != 1 or options.size is not None:
        raise ValueError(
            "A preset of texts takes one text, in quotation marks, and no --size. "
            f"Received: {len(options.inputs)} texts, --size {options.size}."
        )
    text = os.fsencode(options.inputs[0])  # the bytes, whatever the locale read them as
    outputs = TextGraphs.from_preset(folder)([text])
    units = outputs["units"][0]
    if not outputs["padding_mask"].numpy().any():
        raise ValueError("The text has no unit: there is nothing to draw.")
    text_graphs = {direction: outputs[direction][0] for direction in DIRECTIONS}
    heads = _heads(options)
    if options.kind != "both":
        kind = options.kind or "arcs"
        return [plot_text_graphs(text_graphs, units, options.output, kind, heads)]
    prefix, suffix = _prefix_and_suffix(options.output)
    return [
        plot_text_graphs(text_graphs, units, f"{prefix}_{kind}{suffix}", kind, heads)
        for kind in ("arcs", "grid")
    ]


def _heads(options):
    """Return the head of either direction that was asked for, or `None`."""
    heads = {"forward": options.forward_head, "backward": options.backward_head}
    given = [name for name, head in heads.items() if head is not None]
    if given and options.kind == "grid":
        raise ValueError(
            "The grid is of all heads. Leave --kind grid out, or the heads."
        )
    if len(given) == 1:
        raise ValueError(
            "Arcs are of both directions: give --forward-head and --backward-head. "
            f"Received: --{given[0]}-head alone."
        )
    return {name: tuple(head) for name, head in heads.items()} if given else None


def _plot_images(predictor, options):
    import numpy as np

    from glomo_keras.analysis import plot_predicted_images
    from glomo_keras.data.image_files import example_images
    from glomo_keras.data.image_files import read_square_image

    if options.kind is not None or _heads(options) is not None:
        raise ValueError(
            "--kind and the heads are for presets of texts. Leave them out."
        )
    size = options.size or 16
    if options.inputs:
        images = np.stack([read_square_image(path, size) for path in options.inputs])
    else:
        images = example_images(size)
    return plot_predicted_images(predictor, images, *_prefix_and_suffix(options.output))


def _prefix_and_suffix(output):
    """Return the beginning of the paths of several pictures, and their format."""
    return output.with_suffix(""), output.suffix or ".png"


def view(options):
    """Write a page, print its path."""
    from glomo_keras.models import ImageGraphPredictor
    from glomo_keras.models import load_preset
    from glomo_keras.models.presets import open_preset

    with open_preset(options.preset) as preset:
        model = None if preset.vocabulary else load_preset(preset)
    title = f"Graphs of {pathlib.Path(options.preset).name}"
    if isinstance(model, ImageGraphPredictor) and not options.text:
        print(_view_images(model, options, title))
        return
    from glomo_keras.analysis import save_html

    with without_machine_lines():
        from glomo_keras.export import TextGraphs

    if not options.text or options.image:
        raise ValueError(
            "A preset of texts takes --text, once or more, and no --image; one of "
            f"images the other way around. Received: {len(options.text)} texts and "
            f"{len(options.image)} images."
        )
    text_graphs = TextGraphs.from_preset(preset.folder, options.max_units)
    outputs = text_graphs([os.fsencode(text) for text in options.text])
    print(save_html(options.output, outputs, title=title))


def _view_images(predictor, options, title):
    import numpy as np

    from glomo_keras.analysis import save_image_html
    from glomo_keras.data.image_files import example_images
    from glomo_keras.data.image_files import read_square_image

    if options.image:
        read = [read_square_image(path, options.size) for path in options.image]
        images = np.stack(read)
    else:
        images = example_images(options.size)
    graphs = predictor.predict(images, verbose=0)
    return save_image_html(options.output, images, graphs, title)


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
    except (OSError, ValueError, TypeError, ImportError, FloatingPointError) as error:
        try:
            sys.stdout.flush()
        except OSError:
            _drop_output()
        sys.exit(failed + " ".join(str(error).split()))


def _drop_output():
    """Leave out what could not be written, which Python would try again at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
