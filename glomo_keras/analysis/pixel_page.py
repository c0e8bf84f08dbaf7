"""Graphs of images as a page for a browser: click a pixel, see what it reads."""

import numpy as np

from glomo_keras.analysis.graph_arrays import check_weights
from glomo_keras.analysis.graph_arrays import graph_array
from glomo_keras.analysis.html_page import strongest_thousandths
from glomo_keras.analysis.html_page import write_page
from glomo_keras.checks import check_positive_integers
from glomo_keras.ops.visibility import DIRECTIONS


def save_image_html(path, images, graphs, title="Learned graphs", max_senders=32):
    """Write a page that shows the graphs of images in a browser.

    Click a pixel, or move to it with the arrow keys: small images show what it reads in
    every layer and head. Nothing is loaded from a network.

    Args:
        path: path of the page. The file appears complete or not at all.
        images: uint8 array `(num_images, height, width, 3)`.
        graphs: dict of `forward` and `backward`, arrays or tensors `(num_images,
            layers, heads, height * width, height * width)`, as an `ImageGraphPredictor`
            returns them.
        title: str, of the page.
        max_senders: int, strongest senders of a pixel that the page holds. Weights are
            rounded to thousandths.

    Returns:
        `path`, a `pathlib.Path`.

    Raises:
        ValueError: if the shapes do not fit, or a weight is negative or not finite.

    Example:

    >>> import tempfile
    >>> images = np.zeros((1, 2, 3, 3), "uint8")
    >>> graphs = dict.fromkeys(("forward", "backward"), np.zeros((1, 2, 4, 6, 6)))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = save_image_html(folder + "/pixels.html", images, graphs)
    >>> path.name
    'pixels.html'

    Reference: Yang et al., 2018 (arXiv 1806.05662), Figure 4.
    """
    check_positive_integers(max_senders=max_senders)
    images = np.asarray(images)
    if images.ndim != 4 or images.shape[-1] != 3 or images.dtype != np.uint8:
        raise ValueError(
            "`images` must be uint8 of shape (num_images, height, width, 3). Received: "
            f"{images.dtype} of shape {images.shape}."
        )
    number, height, width, _ = images.shape
    if not number or set(DIRECTIONS) - set(graphs):
        raise ValueError(
            "`graphs` must be a dict of `forward` and `backward`, of one image or "
            f"more. Received: {sorted(graphs)}, and {number} images."
        )
    arrays = {direction: graph_array(graphs[direction]) for direction in DIRECTIONS}
    for name, array in arrays.items():
        expected = (number, *arrays["forward"].shape[1:3], *(height * width,) * 2)
        if array.ndim != 5 or array.shape != expected:
            raise ValueError(
                "`graphs` must have shape (num_images, layers, heads, height * width, "
                f"height * width), for images of {height} x {width}. Received: "
                f"{name} of shape {array.shape}, and {number} images."
            )
        check_weights(name, array)
    data = {
        "title": title,
        "layers": arrays["forward"].shape[1],
        "heads": arrays["forward"].shape[2],
        "images": [
            {
                "height": height,
                "width": width,
                "pixels": image.ravel().tolist(),
                **{
                    direction: _edges(array[place], max_senders)
                    for direction, array in arrays.items()
                },
            }
            for place, image in enumerate(images)
        ],
    }
    return write_page("pixel_page.html", data, path)


def _edges(graphs, max_senders):
    """Return, by layer, head and receiver, sender and thousandths of every edge."""
    thousandths = strongest_thousandths(graphs, max_senders)
    return [[[_row(row) for row in head] for head in layer] for layer in thousandths]


def _row(thousandths):
    (senders,) = np.nonzero(thousandths)
    return np.stack([senders, thousandths[senders]], axis=1).ravel().tolist()
