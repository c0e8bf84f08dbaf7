"""What a pixel reads, laid over its image: the paper's Figure 4."""

import numpy as np
from keras import ops

from glomo_keras.analysis.figures import ORANGE
from glomo_keras.analysis.figures import PLAIN
from glomo_keras.analysis.figures import new_figure
from glomo_keras.analysis.figures import require_matplotlib
from glomo_keras.analysis.figures import save_figure
from glomo_keras.analysis.figures import write_header
from glomo_keras.analysis.graph_arrays import check_weights
from glomo_keras.analysis.graph_arrays import graph_array
from glomo_keras.ops import visible_pairs

_SIDE = 1.15  # of a panel, in inches


def plot_pixel_edges(
    image, graphs, pixel, path=None, direction="forward", title="What a pixel reads"
):
    """Draw the edges into one pixel, for all layers and heads in a grid.

    A panel shows the image in grey and, in colour, the pixels that the receiver reads;
    their opacity follows the square root of the weight, relative to the largest of the
    panel. What the receiver cannot see is covered, the receiver itself is framed.

    Args:
        image: uint8 array `(height, width, 3)`.
        graphs: float array or tensor `(layers, heads, height * width, height *
            width)`, of one direction.
        pixel: pair of ints, row and column of the receiver.
        path: path of the picture; its suffix is the format, for example `.png`. `None`
            writes nothing: for notebooks.
        direction: `"forward"` or `"backward"`.
        title: string. How to read the picture is written below it.

    Returns:
        The path, a `pathlib.Path`. The file appears complete or not at all. Without
        `path` the `matplotlib.figure.Figure`.

    Raises:
        ImportError: if matplotlib is not installed.
        ValueError: if the shapes do not fit, a weight is negative or not finite, or the
            pixel lies outside of the image.

    Example:

    >>> import tempfile
    >>> image, graphs = np.zeros((2, 3, 3), "uint8"), np.ones((1, 2, 6, 6)) / 6
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = plot_pixel_edges(image, graphs, (1, 2), folder + "/edges.png")
    >>> path.name
    'edges.png'

    Reference: Yang et al., 2018 (arXiv 1806.05662), Figure 4.
    """
    require_matplotlib("plot_pixel_edges")
    image = np.asarray(image)
    graphs = graph_array(graphs).astype("float64", copy=False)
    if image.ndim != 3 or image.shape[-1] != 3:
        raise ValueError(
            "`image` must have shape (height, width, 3). Received: shape "
            f"{image.shape}."
        )
    height, width, _ = image.shape
    if graphs.ndim != 4 or graphs.shape[2:] != (height * width,) * 2:
        raise ValueError(
            "`graphs` must have shape (layers, heads, height * width, height * width) "
            f"for an image of {height} x {width}. Received: shape {graphs.shape}."
        )
    check_weights("graphs", graphs)
    row, column = pixel
    if not (0 <= row < height and 0 <= column < width):
        raise ValueError(
            f"`pixel` must lie in the image of {height} x {width}. Received: "
            f"pixel={pixel}."
        )
    receiver = row * width + column
    visible = ops.convert_to_numpy(visible_pairs(height * width, direction))
    covered = ~visible[receiver].reshape(height, width)
    covered[row, column] = False
    grey = image.mean(axis=-1) / 255.0
    num_layers, num_heads = graphs.shape[:2]
    gap, left = 0.08, 0.1
    total = max(left + (num_heads + 1) * (_SIDE + gap) + 0.2, 6.0)
    note = (
        "First panel: the image. The others: layers from top to bottom, heads from "
        "left to right. Colour: pixels that the framed pixel reads, darker for more; "
        "dark: out of its sight."
    )
    header = write_header(new_figure("plot_pixel_edges", total, 1), title, note)
    tall = header + 0.25 + num_layers * (_SIDE + gap) + 0.1
    figure = new_figure("plot_pixel_edges", total, tall)
    write_header(figure, title, note)

    def panel(layer, number):
        x = left + number * (_SIDE + gap)
        y = 0.1 + (num_layers - 1 - layer) * (_SIDE + gap)
        axes = figure.add_axes((x / total, y / tall, _SIDE / total, _SIDE / tall))
        axes.set_xticks([])
        axes.set_yticks([])
        return axes

    axes = panel(0, 0)
    axes.imshow(image, interpolation="nearest")
    _frame(axes, row, column)
    for layer in range(num_layers):
        for head in range(num_heads):
            axes = panel(layer, head + 1)
            weights = graphs[layer, head, receiver].reshape(height, width)
            axes.imshow(_overlaid(grey, weights, covered), interpolation="nearest")
            _frame(axes, row, column)
            if layer == 0:
                axes.set_title(f"head {head}", size=8, pad=3, **PLAIN)
            if head == num_heads - 1:
                axes.yaxis.set_label_position("right")
                axes.set_ylabel(f"layer {layer}", size=8, labelpad=3, **PLAIN)
    return save_figure(figure, path)


def _overlaid(grey, weights, covered):
    """Return the image in pale grey, red by weight, dark where nothing is seen."""
    ground = 0.55 + 0.45 * grey[..., None] * np.ones(3)
    ground[covered] *= 0.35
    largest = weights.max()
    opacity = np.sqrt(weights / largest if largest > 0 else weights)[..., None]
    red = np.array([0.70, 0.0, 0.15])
    return (1 - opacity) * ground + opacity * red


def _frame(axes, row, column):
    from matplotlib.patches import Rectangle

    corner = (column - 0.5, row - 0.5)
    axes.add_patch(Rectangle(corner, 1, 1, fill=False, edgecolor=ORANGE, linewidth=1.4))
