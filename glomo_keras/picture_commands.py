"""The commands `plot` and `view`: graphs as pictures, and as a page for a browser."""

import os
import pathlib

from glomo_keras.files import named_path
from glomo_keras.start_up import without_machine_lines

PLOT = "Draw the graphs of a text, or of images."
VIEW = (
    "Write a page that shows the graphs of texts, or of images, in a browser: every "
    "layer and head."
)
_SIZE = 16
_MAX_UNITS = 256


def add_plot_options(add, positive):
    """Add the options of `plot`.

    Args:
        add: the `add_argument` of its parser.
        positive: type of integers above zero.
    """
    add("inputs", nargs="*", default=[], metavar="TEXT or IMAGE", help="a text, for a "
        "preset of texts; files of images that matplotlib reads, for one of images "
        "(default: the portrait that comes with matplotlib, and two drawn "
        "shapes)")  # fmt: skip
    add("--output", type=named_path, required=True, help="path of the picture; of "
        "several, the beginning of their paths: OUTPUT_arcs.png and OUTPUT_grid.png, "
        "or, for every image, OUTPUT_image_N_center.png and ..._corner.png, what its "
        "central and its last pixel read")  # fmt: skip
    add("--kind", choices=("arcs", "grid", "both"), help="of a text. arcs: the mean of "
        "the heads of the last layer, both directions; grid: all layers and heads, "
        "forward (default: arcs)")  # fmt: skip
    for direction in ("forward", "backward"):
        add(f"--{direction}-head", nargs=2, type=int, metavar=("LAYER", "HEAD"),
            help="arcs of this head, counted from 0, in place of the mean")  # fmt: skip
    _add_limits(add, positive)


def add_view_options(add, positive):
    """Add the options of `view`; see `add_plot_options`."""
    add("--text", action="append", default=[], help="a text, in quotation marks; "
        "several are shown beside each other")  # fmt: skip
    add("--image", action="append", default=[], help="file of an image, for a preset "
        "of images (default: those of plot)")  # fmt: skip
    add("--output", type=named_path, required=True, help="path of the page, .html")
    _add_limits(add, positive)


def _add_limits(add, positive):
    # Without defaults, so that one that is of no use is seen.
    add("--size", type=positive, help="of images: height and width that their middle "
        f"is shrunk to (default: {_SIZE})")  # fmt: skip
    add("--max-units", type=positive, help="of texts: units that are read of each "
        f"(default: {_MAX_UNITS})")  # fmt: skip


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
    max_units = options.max_units or _MAX_UNITS
    outputs = TextGraphs.from_preset(folder, max_units)([text])
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
    from glomo_keras.analysis import plot_predicted_images

    if (options.kind, options.max_units, _heads(options)) != (None, None, None):
        raise ValueError(
            "--kind, --max-units and the heads are for presets of texts. Leave them "
            "out."
        )
    images = _read_images(options.inputs, options.size)
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
    if options.size is not None:
        raise ValueError("--size is for presets of images. Leave it out.")
    max_units = options.max_units or _MAX_UNITS
    text_graphs = TextGraphs.from_preset(preset.folder, max_units)
    outputs = text_graphs([os.fsencode(text) for text in options.text])
    print(save_html(options.output, outputs, title=title))


def _view_images(predictor, options, title):
    from glomo_keras.analysis import save_image_html

    if options.max_units is not None:
        raise ValueError("--max-units is for presets of texts. Leave it out.")
    images = _read_images(options.image, options.size)
    graphs = predictor.predict(images, verbose=0)
    return save_image_html(options.output, images, graphs, title)


def _read_images(paths, size):
    """Return square images of some files; without any, the examples."""
    size = size or _SIZE
    import numpy as np

    from glomo_keras.data.image_files import example_images
    from glomo_keras.data.image_files import read_square_image

    if not paths:
        return example_images(size)
    return np.stack([read_square_image(path, size) for path in paths])
