"""The arms of a comparison: what may stand in for the graphs of a downstream model."""

import abc

import numpy as np

ARMS = {
    "none": "no fusion at all",
    "matched": "the fusion is fed with the features themselves: its weights alone",
    "uniform": "every real unit reads every real unit with weight 1/n",
    "local": "every unit reads the one before it (forward) and after it (backward); a "
    "pixel has two heads, for its row and its column",
    "shuffled": "graphs of the same text with its real units permuted, fixed by seed",
    "learned": "the graphs of the predictor",
    "learned+local": "those of `learned`, with `local` as one more head of each layer",
    "gold": "the trees that were annotated: the head of a word, and its dependents",
    "needle": "the head of a word, among 15 heads of other graphs",
    "needle-alone": "the head of a word, and no other graph",
    "attention": "what a Transformer attends to, of the file --attention",
}
PREDICTED_ARMS = ("shuffled", "learned", "learned+local")
# Those that any text has; the others need annotated trees.
TEXT_ARMS = ("none", "matched", "uniform", "local", "shuffled", "learned")


class Arm(abc.ABC):
    """One arm: it is connected to the model of a task, and feeds its batches.

    Args:
        name: str, one of `ARMS`.

    Raises:
        ValueError: if there is no such arm.
    """

    def __init__(self, name):
        if name not in ARMS:
            raise ValueError(
                f"`name` must be one of {list(ARMS)}. Received: name={name!r}."
            )
        self.name = name

    @abc.abstractmethod
    def connect(self, features, inputs, settings):
        """Augment the features of a model by messages along the graphs of the arm.

        Args:
            features: float tensors of the model under construction: for texts a dict by
                field of `(batch, length, dim)`, for images `(batch, height, width,
                channels)`.
            inputs: dict by name of the inputs of the model. What the arm feeds the
                model with is added to it.
            settings: `Settings`, of the transfer layer.

        Returns:
            Float tensors like `features`, but for the last axis. The arm `none` returns
            the features themselves.
        """


def control_graph(name, padding_mask, dtype="float32"):
    """Return the graph of a control, over the real units of every sequence.

    Args:
        name: str, `matched` (the identity: every unit reads itself) or `uniform`.
        padding_mask: bool array `(batch, length)`, `True` at real units.
        dtype: str.

    Returns:
        Array `(batch, 1, 1, length, length)`: one layer and one head. Rows of real
        units sum to one, all others are zeros.

    Raises:
        ValueError: if the arm is no control.
    """
    if name == "matched":
        graph = np.eye(padding_mask.shape[1]) * padding_mask[:, None, :]
    elif name == "uniform":
        num_real = np.maximum(padding_mask.sum(axis=1), 1)[:, None, None]
        graph = (padding_mask[:, :, None] & padding_mask[:, None, :]) / num_real
    else:
        raise ValueError(
            "`name` must be a control, 'matched' or 'uniform'. Received: "
            f"name={name!r}."
        )
    return graph[:, None, None].astype(dtype)


def local_graphs(padding_mask, dtype="float32"):
    """Return graphs in which every real unit reads its neighbour.

    Args:
        padding_mask: bool array `(batch, length)`, `True` at real units, which come
            first.
        dtype: str.

    Returns:
        Dict by direction of arrays `(batch, 1, 1, length, length)`: of `forward` the
        unit before, of `backward` the one after. Rows of units without one are zeros.
    """
    pairs = padding_mask[:, :, None] & padding_mask[:, None, :]
    length = padding_mask.shape[1]
    return {
        direction: (pairs & np.eye(length, k=offset, dtype=bool))[:, None, None].astype(
            dtype
        )
        for direction, offset in (("forward", -1), ("backward", 1))
    }


def local_pixel_graphs(height, width, dtype="float32"):
    """Return graphs in which every pixel reads its neighbours.

    Args:
        height, width: ints, of the images.
        dtype: str.

    Returns:
        Dict by direction of arrays `(1, 2, length, length)`, the length being `height *
        width` in raster order: a layer whose first head reads along the row, the pixel
        on the left (`forward`) or on the right (`backward`), and whose second head
        reads along the column, the pixel above or below. Rows at the border are zeros.
    """
    forward = np.stack(
        [
            np.kron(np.eye(height), np.eye(width, k=-1)),
            np.kron(np.eye(height, k=-1), np.eye(width)),
        ]
    )[None].astype(dtype)
    return {"forward": forward, "backward": forward.swapaxes(-1, -2)}


def permute_units(unit_ids, random):
    """Permute the real units of one text; padding stays where it is.

    Args:
        unit_ids: int array `(length,)`, 0 at padding.
        random: `np.random.Generator`.

    Returns:
        Int array `(length,)`.
    """
    num_real = int(np.count_nonzero(unit_ids))
    return np.concatenate(
        [random.permutation(unit_ids[:num_real]), unit_ids[num_real:]]
    )
