"""What graphs are like while they are learned, for TensorBoard."""

import tempfile
from pathlib import Path

import keras
import numpy as np

from glomo_keras.analysis import graph_statistics
from glomo_keras.analysis import plot_graph_grid
from glomo_keras.analysis.figures import require_matplotlib
from glomo_keras.checks import check_positive_integers
from glomo_keras.ops.visibility import DIRECTIONS

SCALARS = (
    "specificity",
    "effective_senders",
    "density",
    "empty_rows",
    "dead_heads",
    "link_distance",
)
BY_HEAD = ("specificity", "effective_senders")


class GraphTensorBoard(keras.callbacks.Callback):
    """Log numbers and pictures of the graphs of a few texts to TensorBoard.

    After every epoch, of either direction: specificity, effective senders, density,
    empty rows, dead heads and link distance over all heads, see
    `glomo_keras.analysis.graph_statistics`, the first two by head as histograms, and a
    grid of all heads of each text. They stand beside what `keras.callbacks.TensorBoard`
    logs to the same folder.

    Args:
        log_dir: path of TensorBoard's folder.
        unit_ids: int array `(num_texts, length)`, 0 at padding.
        units: list of strings, the units by id.
        every: int, epochs from one logging to the next.
        graph_predictor: `GraphPredictor` whose graphs are logged, that of a downstream
            model for instance. `None` takes the `graph_predictor` of the model.

    Raises:
        ImportError: if TensorBoard or matplotlib is not installed.
        TypeError, ValueError: if `every` is no positive integer, or `unit_ids` are not
            those of texts.

    Example:

    >>> import tempfile
    >>> from glomo_keras.models import GLoMoPretrainer, GraphPredictor
    >>> predictor = GraphPredictor(7, embedding_dim=4, num_graph_layers=1, num_heads=2)
    >>> pretrainer = GLoMoPretrainer(predictor, context_length=1)
    >>> pretrainer.compile("adam")
    >>> unit_ids = np.array([[2, 3, 4, 5, 6]] * 2)
    >>> callback = GraphTensorBoard(tempfile.mkdtemp(), unit_ids[:1], list("-?abcde"))
    >>> _ = pretrainer.fit(unit_ids, callbacks=[callback], verbose=0)
    """

    def __init__(self, log_dir, unit_ids, units, every=1, graph_predictor=None):
        super().__init__()
        check_positive_integers(every=every)
        self.unit_ids = np.asarray(unit_ids)
        if self.unit_ids.ndim != 2 or not self.unit_ids.size:
            raise ValueError(
                "`unit_ids` must have shape (num_texts, length). Received: shape "
                f"{self.unit_ids.shape}."
            )
        _require_tensorboard()
        require_matplotlib("GraphTensorBoard")
        if not np.issubdtype(self.unit_ids.dtype, np.integer) or not (
            0 <= self.unit_ids.min() and self.unit_ids.max() < len(units)
        ):
            raise ValueError(
                "`unit_ids` must be integers that `units` has names for, from 0 to "
                f"{len(units) - 1}. Received: {self.unit_ids.dtype} from "
                f"{self.unit_ids.min()} to {self.unit_ids.max()}."
            )
        self.log_dir = Path(log_dir)
        self.units = units
        self.every = every
        self.graph_predictor = graph_predictor
        self._writer = None

    def on_train_begin(self, logs=None):
        if self.graph_predictor is None:
            check_has_predictor(self.model)

    def on_epoch_end(self, epoch, logs=None):
        if (epoch + 1) % self.every:
            return
        import tensorflow as tf

        if self._writer is None:
            self._writer = tf.summary.create_file_writer(str(self.log_dir / "graphs"))
        predictor = self.graph_predictor or self.model.graph_predictor
        mask = self.unit_ids != 0
        inputs = {"unit_ids": self.unit_ids, "padding_mask": mask}
        graphs = predictor.predict_on_batch(inputs)
        with self._writer.as_default(step=epoch):
            for direction in DIRECTIONS:
                found = graph_statistics(graphs[direction], mask, direction)
                for name in SCALARS:
                    tf.summary.scalar(f"{direction}/{name}", found["overall"][name])
                for name in BY_HEAD:
                    values = found["by_head"][name]
                    finite = values[np.isfinite(values)]
                    tf.summary.histogram(f"{direction}_heads/{name}", finite)
                for number, image in enumerate(self._pictures(graphs, direction)):
                    tf.summary.image(f"{direction}/text_{number}", image)
        self._writer.flush()

    def on_train_end(self, logs=None):
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _pictures(self, graphs, direction):
        """Yield a picture of all heads for every text, `(1, height, width, 4)`."""
        import tensorflow as tf

        for row, unit_ids in enumerate(self.unit_ids):
            length = int(np.count_nonzero(unit_ids))
            if not length:
                continue
            drawn = graphs[direction][row, ..., :length, :length]
            units = [self.units[unit] for unit in unit_ids[:length]]
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "grid.png"
                plot_graph_grid(drawn, units, path, direction=direction)
                yield tf.io.decode_png(path.read_bytes(), channels=4)[None]


def _require_tensorboard():
    try:
        import tensorboard  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "TensorBoard is not installed, which `GraphTensorBoard` takes. Run: "
            'pip install "glomo_keras[recipes]"'
        ) from error


def check_has_predictor(model):
    """Raise ValueError unless a model has a graph predictor, to look at its graphs."""
    if not hasattr(model, "graph_predictor"):
        raise ValueError(
            "`graph_predictor` must be an attribute of the model, as pretrainers have "
            "it, or be given to a callback that takes one. Received: a "
            f"{type(model).__name__}, and none."
        )
