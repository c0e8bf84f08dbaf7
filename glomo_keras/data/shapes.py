"""Drawn images for a first try: one shape on a ground of another colour."""

import numpy as np

from glomo_keras.checks import check_positive_integers

SIZE = 32
NAMES = ("square", "disc", "ring", "cross")


def draw_shapes(count, seed=0):
    """Draw images of a square, disc, ring or cross, of any colour, size and place.

    Args:
        count: int, number of images.
        seed: int. The same seed draws the same images.

    Returns:
        `(images, labels)`: uint8 array `(count, 32, 32, 3)`, and int array `(count,)`
        of indices into `NAMES`.

    Raises:
        ValueError: if `count` is not positive.

    Example:

    >>> images, labels = draw_shapes(3)
    >>> images.shape, images.dtype.name, labels.shape
    ((3, 32, 32, 3), 'uint8', (3,))
    """
    check_positive_integers(count=count)
    random = np.random.default_rng([2018, seed])
    labels = random.integers(0, len(NAMES), count)
    images = np.empty((count, SIZE, SIZE, 3), "uint8")
    rows, columns = np.mgrid[:SIZE, :SIZE]
    for image, label in zip(images, labels, strict=True):
        radius = random.uniform(5, 11)
        row, column = random.uniform(radius, SIZE - radius, 2)
        down, right = np.abs(rows - row), np.abs(columns - column)
        distance = np.hypot(down, right)
        inside = (
            (np.maximum(down, right) < radius * 0.85),
            (distance < radius),
            (distance < radius) & (distance > radius * 0.6),
            (np.maximum(down, right) < radius) & (np.minimum(down, right) < radius / 3),
        )[label]
        ground, ink = random.integers(0, 256, (2, 3))
        shade = random.normal(0, 6, (SIZE, SIZE, 1))
        image[:] = np.clip(np.where(inside[..., None], ink, ground) + shade, 0, 255)
    return images, labels
