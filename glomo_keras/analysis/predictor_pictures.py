"""Pictures of the graphs of a few texts or images, as programs and callbacks draw."""

import numpy as np
from keras import ops

from glomo_keras.analysis.arcs import plot_graph_arcs
from glomo_keras.analysis.graph_arrays import graph_array
from glomo_keras.analysis.pixel_edges import plot_pixel_edges
from glomo_keras.analysis.plots import plot_graph_grid
from glomo_keras.ops.visibility import DIRECTIONS

TEXT_KINDS = ("arcs", "grid")


def plot_text_graphs(graphs, units=None, path=None, kind="arcs", heads=None, text=0):
    """Draw the graphs of one text.

    The mean of heads shows what is read most. Which unit needs which is what single
    heads show, each another relation: look for them in the grid.

    Args:
        graphs: dict of `forward` and `backward`, arrays or tensors `(layers, heads,
            length, length)`; or of several texts, `(batch, ...)`, as `TextGraphs` and a
            `GraphPredictor` return them.
        units: sequence, array or tensor of `length` strings, or of bytes in UTF-8;
            empty ones at the end are padding, and left out. `None` takes those that
            `TextGraphs` returns with the graphs.
        path: path of the picture; its suffix is the format, for example `.png`. `None`
            writes nothing: for notebooks.
        kind: `"arcs"`, both directions of the mean of the heads of the last layer, or
            of `heads`; or `"grid"`, all layers and heads of the forward graphs.
        heads: dict by direction of pairs of ints, the layer and the head whose arcs
            are drawn, from 0. `None` draws the mean.
        text: int, which of several texts.

    Returns:
        The path, a `pathlib.Path`. The file appears complete or not at all. Without
        `path` the `matplotlib.figure.Figure`.

    Raises:
        ImportError: if matplotlib is not installed.
        ValueError: if a shape, the number of units, `kind`, `heads` or the suffix of
            `path` is wrong.

    Example:

    >>> import tempfile
    >>> graphs = dict.fromkeys(("forward", "backward"), np.zeros((2, 3, 2, 2)))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = plot_text_graphs(graphs, ["the", "cat"], folder + "/cat.png")
    >>> path.name
    'cat.png'
    """
    if kind not in TEXT_KINDS:
        raise ValueError(f'`kind` must be "arcs" or "grid". Received: kind={kind!r}.')
    if units is None:
        if "units" not in graphs:
            raise ValueError(
                "`units` must be given where `graphs` has none. Received: graphs with "
                f"the keys {sorted(graphs)}. `TextGraphs` returns both."
            )
        units = ops.convert_to_numpy(graphs["units"])
        units = units[text] if units.ndim == 2 else units
    arrays = {direction: graph_array(graphs[direction]) for direction in DIRECTIONS}
    if arrays["forward"].ndim == 5:
        arrays = {direction: array[text] for direction, array in arrays.items()}
    if kind == "grid":
        return plot_graph_grid(
            arrays["forward"],
            units,
            path,
            title="Forward graphs of all heads",
            direction="forward",
        )
    if heads is None:
        drawn = {name: array[-1].mean(axis=0) for name, array in arrays.items()}
        title = "Learned graphs: last layer, mean of the heads"
    else:
        _check_heads(heads, arrays)
        drawn = {name: array[*heads[name]] for name, array in arrays.items()}
        title = "Learned graphs: " + ", ".join(
            f"{name} layer {layer} head {head}" for name, (layer, head) in heads.items()
        )
    return plot_graph_arcs(drawn, units, path, min_weight=0.15, title=title)


def _check_heads(heads, arrays):
    """Raise unless there is a layer and a head of either direction."""
    for direction, array in arrays.items():
        layers, num_heads = array.shape[:2]
        layer, head = heads.get(direction, (-1, -1))
        if not (0 <= layer < layers and 0 <= head < num_heads):
            raise ValueError(
                f"`heads` must give one of {layers} layers and one of {num_heads} "
                f"heads of the {direction} graphs, from 0. Received: {heads}."
            )


def plot_predicted_texts(predictor, unit_ids, units, prefix):
    """Draw the graphs that a predictor makes of texts, two pictures a text.

    Args:
        predictor: a `GraphPredictor`.
        unit_ids: int array `(num_texts, length)`, 0 at padding. A text of padding
            alone has no picture.
        units: sequence of strings, the units by id.
        prefix: path, the beginning of `PREFIX_text_N_grid.png` and
            `PREFIX_text_N_arcs.png`.

    Returns:
        List of the paths.

    Raises:
        ImportError: if matplotlib is not installed.

    Example:

    >>> import tempfile
    >>> from glomo_keras.models import GraphPredictor
    >>> predictor = GraphPredictor(
    ...     4, embedding_dim=16, num_graph_layers=1, num_convolutions=1)
    >>> units = ["[PAD]", "[UNK]", "the", "cat"]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     paths = plot_predicted_texts(
    ...         predictor, np.array([[2, 3]]), units, folder + "/x")
    >>> [path.name for path in paths]
    ['x_text_0_grid.png', 'x_text_0_arcs.png']
    """
    unit_ids = np.asarray(ops.convert_to_numpy(unit_ids))
    predictions = predictor.predict(
        {"unit_ids": unit_ids, "padding_mask": unit_ids != 0}, verbose=0
    )
    paths = []
    for text, ids in enumerate(unit_ids):
        length = int(np.sum(ids != 0))
        if not length:
            continue
        graphs = {
            direction: batch[text, :, :, :length, :length]
            for direction, batch in predictions.items()
        }
        names = [units[i] for i in ids[:length]]
        paths += [
            plot_text_graphs(graphs, names, f"{prefix}_text_{text}_{kind}.png", kind)
            for kind in ("grid", "arcs")
        ]
    return paths


def plot_predicted_images(predictor, images, prefix, suffix=".png"):
    """Draw what the central and the last pixel of images read: the paper's Figure 4.

    Args:
        predictor: an `ImageGraphPredictor` of three channels.
        images: uint8 array `(num_images, height, width, 3)`.
        prefix: path, the beginning of `PREFIX_image_N_center.png` and
            `PREFIX_image_N_corner.png`.
        suffix: string, the format of the pictures.

    Returns:
        List of the paths.

    Raises:
        ImportError: if matplotlib is not installed.
        ValueError: if the images or the predictor have other than three channels.

    Example:

    >>> import tempfile
    >>> from glomo_keras.models import ImageGraphPredictor
    >>> predictor = ImageGraphPredictor(16, num_graph_layers=1, num_convolutions=1)
    >>> images = np.zeros((1, 3, 5, 3), "uint8")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     paths = plot_predicted_images(predictor, images, folder + "/x")
    >>> [path.name for path in paths]
    ['x_image_0_center.png', 'x_image_0_corner.png']

    Reference: Yang et al., 2018 (arXiv 1806.05662), Figure 4.
    """
    if predictor.channels != 3:
        raise ValueError(
            "`predictor` must be of images of three channels to be drawn. Received: "
            f"one of {predictor.channels}."
        )
    graphs = predictor.predict(images, verbose=0)["forward"]
    height, width = images.shape[1:3]
    pixels = {
        "center": ("central", (height // 2, width // 2)),
        "corner": ("last", (height - 1, width - 1)),
    }
    return [
        plot_pixel_edges(
            image,
            image_graphs,
            pixel,
            f"{prefix}_image_{number}_{place}{suffix}",
            title=f"What the {name} pixel reads",
        )
        for number, (image, image_graphs) in enumerate(zip(images, graphs, strict=True))
        for place, (name, pixel) in pixels.items()
    ]
