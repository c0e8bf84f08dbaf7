"""Pictures of graphs while they are learned."""

from pathlib import Path

import keras
import numpy as np

from glomo_keras.analysis import plot_graph_arcs
from glomo_keras.analysis import plot_graph_grid


class GraphPictures(keras.callbacks.Callback):
    """Draws the graphs of a few texts every few epochs.

    For each text, a grid of all layers and heads of the forward graphs, and arcs of
    the mean graph of the last layer in both directions.

    Args:
        unit_ids: int array `(num_texts, length)`.
        units: list of strings, the units by id.
        directory: path, where the pictures go.
        every: int, epochs from one set of pictures to the next.
    """

    def __init__(self, unit_ids, units, directory, every=1):
        super().__init__()
        self.unit_ids = unit_ids
        self.units = units
        self.directory = Path(directory)
        self.every = every

    def on_epoch_end(self, epoch, logs=None):
        if (epoch + 1) % self.every == 0:
            self.directory.mkdir(parents=True, exist_ok=True)
            draw_graphs(
                self.model.graph_predictor,
                self.unit_ids,
                self.units,
                self.directory / f"epoch_{epoch + 1:03d}",
            )


def draw_graphs(predictor, unit_ids, units, prefix):
    """Write the pictures of texts to `PREFIX_text_N_grid.png` and `..._arcs.png`.

    Args:
        predictor: `GraphPredictor`.
        unit_ids: int array `(num_texts, length)`, 0 at padding.
        units: list of strings by id.
        prefix: path without suffix.

    Returns:
        List of the paths.
    """
    paths = []
    graphs = predictor.predict(
        {"unit_ids": unit_ids, "padding_mask": unit_ids != 0}, verbose=0
    )
    for text, ids in enumerate(unit_ids):
        length = int(np.sum(ids != 0))
        names = [units[i] for i in ids[:length]]
        of_text = {
            direction: batch[text, :, :, :length, :length]
            for direction, batch in graphs.items()
        }
        grid, arcs = f"{prefix}_text_{text}_grid.png", f"{prefix}_text_{text}_arcs.png"
        plot_graph_grid(
            of_text["forward"],
            names,
            grid,
            title="Forward graphs of all heads",
            direction="forward",
        )
        plot_graph_arcs(
            {direction: g[-1].mean(axis=0) for direction, g in of_text.items()},
            names,
            arcs,
            min_weight=0.15,
            title="Learned graphs: last layer, mean of the heads",
        )
        paths += [grid, arcs]
    return paths
