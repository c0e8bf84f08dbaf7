"""Batches of a labelled task, with the graphs of its texts."""

import keras
import numpy as np


class TaskBatches(keras.utils.PyDataset):
    """Batches of one split: a dict of inputs, and targets where there are any.

    Inputs of a field `text`: `text`, unit ids `(batch, length)` of the downstream
    vocabulary; `text_characters` `(batch, length, CHARACTERS)` where asked for; and
    `text_forward`, `text_backward`, the graphs of the arm. All batches have one
    shape: in training an incomplete one is left out, otherwise it is filled up by
    repeating its last example (`predict` of the driver cuts the result).

    Args:
        texts: `TaskTexts`.
        split: str.
        arm: `GraphArm`.
        batch_size: int.
        targets: array or dict of arrays with an entry an example, or `None`.
        chosen: int array, the examples that take part. `None` means all.
        shuffle_seed: int or None. With a seed, the order changes every epoch.
        first_epoch: int, epochs that a resumed training has behind it.
        with_characters: bool.
    """

    def __init__(
        self,
        texts,
        split,
        arm,
        batch_size,
        targets=None,
        chosen=None,
        shuffle_seed=None,
        first_epoch=0,
        with_characters=False,
    ):
        super().__init__()
        self.texts = texts
        self.rows = texts.rows[split]
        self.arm = arm
        self.targets = targets
        num_examples = len(next(iter(self.rows.values())))
        self.chosen = np.arange(num_examples) if chosen is None else np.asarray(chosen)
        self.batch_size = batch_size
        self.shuffle_seed = shuffle_seed
        self.with_characters = with_characters
        self.epoch = first_epoch
        if shuffle_seed is not None:
            self.batch_size = min(batch_size, len(self.chosen))
        self._order()

    @property
    def num_batches(self):
        if self.shuffle_seed is not None:
            return len(self.chosen) // self.batch_size
        return -(-len(self.chosen) // self.batch_size)

    def on_epoch_end(self):
        self.epoch += 1
        self._order()

    def _order(self):
        self.order = self.chosen
        if self.shuffle_seed is not None:
            draw = np.random.default_rng([self.shuffle_seed, self.epoch])
            self.order = draw.permutation(self.chosen)

    def __getitem__(self, index):
        examples = self.order[index * self.batch_size : (index + 1) * self.batch_size]
        missing = self.batch_size - len(examples)
        examples = np.concatenate([examples, np.repeat(examples[-1:], missing)])
        inputs = {}
        for name, field in self.texts.fields.items():
            rows = self.rows[name][examples]
            units = field.padded(rows)
            inputs[name] = self.texts.task_ids[units]
            if self.with_characters:
                inputs[f"{name}_characters"] = self.texts.characters[units]
            graphs = self.arm.graphs(name, rows.tolist(), self.texts.graph_ids[units])
            for direction, graph in graphs.items():
                inputs[f"{name}_{direction}"] = graph
        if self.targets is None:
            return (inputs,)
        return inputs, keras.tree.map_structure(lambda a: a[examples], self.targets)
