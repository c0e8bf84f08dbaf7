"""Pictures of the graphs of texts while they are learned."""

from pathlib import Path

import keras

from glomo_keras.analysis import plot_predicted_texts
from glomo_keras.analysis.figures import require_matplotlib
from glomo_keras.callbacks.graph_tensorboard import check_has_predictor
from glomo_keras.checks import check_positive_integers


class GraphPictures(keras.callbacks.Callback):
    """Draw the graphs of a few texts every few epochs.

    For each text, a grid of all layers and heads of the forward graphs, and arcs of
    the mean graph of the last layer in both directions.

    Args:
        unit_ids: int array `(num_texts, length)`, 0 at padding.
        units: list of strings, the units by id.
        directory: path, where the pictures go.
        every: int, epochs from one set of pictures to the next.

    Raises:
        ValueError: if `every` is not positive; from `fit`, if the model has no
            `graph_predictor`.
        TypeError: if `every` is no integer.
        ImportError: if matplotlib is not installed.
    """

    def __init__(self, unit_ids, units, directory, every=1):
        super().__init__()
        check_positive_integers(every=every)
        require_matplotlib("GraphPictures")
        self.unit_ids = unit_ids
        self.units = units
        self.directory = Path(directory)
        self.every = every

    def on_train_begin(self, logs=None):
        check_has_predictor(self.model)

    def on_epoch_end(self, epoch, logs=None):
        if (epoch + 1) % self.every == 0:
            plot_predicted_texts(
                self.model.graph_predictor,
                self.unit_ids,
                self.units,
                self.directory / f"epoch_{epoch + 1:03d}",
            )
