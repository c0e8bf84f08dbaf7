"""Pictures of what pixels read while the graphs are learned."""

from pathlib import Path

import keras

from glomo_keras.analysis import plot_pixel_edges


class PixelPictures(keras.callbacks.Callback):
    """Draws the edges of the central and of the last pixel every few epochs.

    Args:
        images: uint8 array `(num_images, height, width, 3)`.
        directory: path, where the pictures go.
        every: int, epochs from one set of pictures to the next.
    """

    def __init__(self, images, directory, every=1):
        super().__init__()
        self.images = images
        self.directory = Path(directory)
        self.every = every

    def on_epoch_end(self, epoch, logs=None):
        if (epoch + 1) % self.every == 0:
            draw_pixel_edges(
                self.model.graph_predictor,
                self.images,
                self.directory / f"epoch_{epoch + 1:03d}",
            )


def draw_pixel_edges(predictor, images, prefix):
    """Write `PREFIX_image_N_center.png` and `..._corner.png`; returns the paths."""
    graphs = predictor.predict(images, verbose=0)["forward"]
    height, width = images.shape[1:3]
    pixels = {
        "center": (height // 2, width // 2),
        "corner": (height - 1, width - 1),
    }
    return [
        plot_pixel_edges(
            image,
            of_image,
            pixel,
            f"{prefix}_image_{number}_{name}.png",
            title=f"What the {'central' if name == 'center' else 'last'} pixel reads",
        )
        for number, (image, of_image) in enumerate(zip(images, graphs, strict=True))
        for name, pixel in pixels.items()
    ]
