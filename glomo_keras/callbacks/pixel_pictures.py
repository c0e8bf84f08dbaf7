"""Pictures of what pixels read while the graphs are learned."""

from pathlib import Path

import keras

from glomo_keras.analysis import plot_predicted_images
from glomo_keras.analysis.figures import require_matplotlib
from glomo_keras.callbacks.graph_tensorboard import check_has_predictor
from glomo_keras.checks import check_positive_integers


class PixelPictures(keras.callbacks.Callback):
    """Draw the edges of the central and of the last pixel every few epochs.

    Args:
        images: uint8 array `(num_images, height, width, 3)`.
        directory: path, where the pictures go.
        every: int, epochs from one set of pictures to the next.

    Raises:
        ValueError: if `every` is not positive; from `fit`, if the model has no
            `graph_predictor`.
        TypeError: if `every` is no integer.
        ImportError: if matplotlib is not installed.
    """

    def __init__(self, images, directory, every=1):
        super().__init__()
        check_positive_integers(every=every)
        require_matplotlib("PixelPictures")
        self.images = images
        self.directory = Path(directory)
        self.every = every

    def on_train_begin(self, logs=None):
        check_has_predictor(self.model)

    def on_epoch_end(self, epoch, logs=None):
        if (epoch + 1) % self.every == 0:
            plot_predicted_images(
                self.model.graph_predictor,
                self.images,
                self.directory / f"epoch_{epoch + 1:03d}",
            )
