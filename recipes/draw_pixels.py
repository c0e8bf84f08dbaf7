"""Draw what the central and the last pixel of images read: the paper's Figure 4.

    python recipes/draw_pixels.py --output runs/pixels
    python recipes/draw_pixels.py photo.jpg other.png --output runs/pixels

Writes OUTPUT_image_N_center.png and OUTPUT_image_N_corner.png. Without images it takes
the portrait that comes with matplotlib (of Grace Hopper, in the public domain) and
two drawn ones.
"""

import argparse
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from glomo_keras.callbacks.pixel_pictures import draw_pixel_edges
from glomo_keras.data import draw_shapes
from glomo_keras.data import shrink
from glomo_keras.models import ImageGraphPredictor


def main(arguments=None):
    """Load, shrink, draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("images", nargs="*", help="files of any format that matplotlib reads")
    add("--preset", default="glomo_image_small", help="name or folder (default: "
        "glomo_image_small)")  # fmt: skip
    add("--size", type=int, default=16, help="height and width that they are shrunk to "
        "(default: 16, what the preset was trained on)")  # fmt: skip
    add("--output", required=True, help="path without suffix")
    options = parser.parse_args(arguments)
    images = [read_square(path, options.size) for path in options.images]
    if not images:
        images = [read_square(portrait(), options.size)]
        images += list(shrink(draw_shapes(2, seed=4)[0], options.size))
    predictor = ImageGraphPredictor.from_preset(options.preset)
    for path in draw_pixel_edges(predictor, np.stack(images), options.output):
        print(path)


def portrait():
    """Path of a photograph that comes with matplotlib."""
    from matplotlib import cbook

    return cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)


def read_square(path, size):
    """The middle of an image as uint8 array `(size, size, 3)`."""
    from matplotlib import image

    pixels = image.imread(path)
    if pixels.dtype != np.uint8:
        pixels = (pixels * 255).round().astype("uint8")
    pixels = np.broadcast_to(
        pixels.reshape(*pixels.shape[:2], -1)[..., :3], (*pixels.shape[:2], 3)
    )
    side = min(pixels.shape[:2]) // size * size
    if not side:
        raise ValueError(
            f"{path} has {pixels.shape[0]} x {pixels.shape[1]} pixels, fewer than "
            f"--size {size}."
        )
    top, left = ((length - side) // 2 for length in pixels.shape[:2])
    return shrink(pixels[None, top : top + side, left : left + side], size)[0]


if __name__ == "__main__":
    main()
