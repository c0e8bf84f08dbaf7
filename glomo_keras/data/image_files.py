"""Single images for pictures: files of any format, or examples that need none."""

import numpy as np

from glomo_keras.data.images import shrink
from glomo_keras.data.shapes import draw_shapes


def read_square_image(path, size):
    """Read the middle of an image, shrunk to a square.

    Args:
        path: path of a file of any format that matplotlib reads.
        size: int, height and width of the result.

    Returns:
        uint8 array `(size, size, 3)`; of an image without colours all channels are the
        same.

    Raises:
        ImportError: if matplotlib is not installed.
        OSError: if the file cannot be opened.
        ValueError: if it is no image, or damaged, or the image is smaller.

    Example:

    >>> read_square_image(portrait_path(), 16).shape
    (16, 16, 3)
    """
    _require_matplotlib()
    from matplotlib import image

    try:
        # By its content, whatever its name says: a JPEG may be called .png.
        pixels = image.imread(path, format="any")
    except MemoryError:
        raise
    except Exception as error:  # where a file is damaged, it may be any
        if getattr(error, "errno", None):  # it is missing, or not to be opened
            raise
        raise ValueError(
            f"An image file must be whole and of a format that Pillow reads. Received: "
            f"{path} ({error}). Convert it, or fetch it again."
        ) from error
    if pixels.dtype != np.uint8:  # floats reach to 1, integers as far as they can
        top = np.iinfo(pixels.dtype).max if pixels.dtype.kind in "iu" else 1
        pixels = (pixels / top * 255).round().astype("uint8")
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    if pixels.shape[-1] < 3:
        pixels = np.repeat(pixels[..., :1], 3, axis=-1)
    height, width = pixels.shape[:2]
    side = min(height, width) // size * size
    if not side:
        raise ValueError(
            f"{path} must have {size} x {size} pixels or more. Received: {height} x "
            f"{width}. Give a smaller size."
        )
    top, left = (height - side) // 2, (width - side) // 2
    return shrink(pixels[None, top : top + side, left : left + side, :3], size)[0]


def example_images(size):
    """Return the portrait that comes with matplotlib, and two drawn shapes.

    Args:
        size: int, height and width.

    Returns:
        uint8 array `(3, size, size, 3)`.

    Raises:
        ImportError: if matplotlib is not installed.
        ValueError: if the size does not divide that of the drawn ones.

    Example:

    >>> example_images(16).shape
    (3, 16, 16, 3)
    """
    shapes, _ = draw_shapes(2, seed=4)
    return np.stack([read_square_image(portrait_path(), size), *shrink(shapes, size)])


def portrait_path():
    """Path of the photograph of Grace Hopper, in the public domain, of matplotlib."""
    _require_matplotlib()
    from matplotlib import cbook

    return cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)


def _require_matplotlib():
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "To read an image file, matplotlib is needed, which is not installed. Run: "
            'pip install "glomo_keras[plots]"'
        ) from error
