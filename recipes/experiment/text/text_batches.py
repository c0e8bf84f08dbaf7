"""Batches of a labelled task, with the graphs of its texts."""

import keras
import numpy as np

from experiment.comparison.example_batches import ExampleBatches


class TaskBatches(ExampleBatches):
    """Batches of one split: a dict of inputs, and targets where there are any.

    Inputs of a field `text`: `text`, unit ids `(batch, length)` of the downstream
    vocabulary; `text_characters` `(batch, length, CHARACTERS)` where asked for;
    `text_elmo`, the layers of a language model, where the features have them; and
    `text_forward`, `text_backward`, the graphs of the arm.

    Args:
        texts: `TaskTexts`.
        split: str.
        arm: `GraphArm`.
        batch_size: int.
        targets: array or dict of arrays with an entry an example, or `None`.
        chosen: int array, the examples that take part. `None` means all.
        with_characters: bool.
        **training: `shuffle_seed` and `first_epoch` of `ExampleBatches`.
    """

    def __init__(
        self,
        texts,
        split,
        arm,
        batch_size,
        targets=None,
        chosen=None,
        with_characters=False,
        **training,
    ):
        self.texts = texts
        self.rows = texts.rows[split]
        self.arm = arm
        self.targets = targets
        self.with_characters = with_characters
        if chosen is None:
            chosen = np.arange(len(next(iter(self.rows.values()))))
        super().__init__(chosen, batch_size, **training)

    def __getitem__(self, index):
        examples = self.examples_of(index)
        inputs = {}
        for name, field in self.texts.fields.items():
            rows = self.rows[name][examples]
            units = field.padded(rows)
            inputs[name] = self.texts.task_ids[units]
            if self.with_characters:
                inputs[f"{name}_characters"] = self.texts.characters[units]
            if self.texts.elmo is not None:
                inputs[f"{name}_elmo"] = self.texts.elmo.layers(name, rows)
            graphs = self.arm.graphs(name, rows.tolist(), self.texts.graph_ids[units])
            for direction, graph in graphs.items():
                inputs[f"{name}_{direction}"] = graph
        if self.targets is None:
            return (inputs,)
        return inputs, keras.tree.map_structure(lambda a: a[examples], self.targets)
