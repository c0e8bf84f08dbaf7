"""Batches of a labelled task on texts, with the graphs of its texts."""

import keras

from experiment.comparison.example_batches import ExampleBatches


class TextBatches(ExampleBatches):
    """Batches of one split: a dict of inputs, and targets where there are any.

    Inputs of a field `text`: `text`, unit ids `(batch, length)` of the downstream
    vocabulary; `text_characters` `(batch, length, CHARACTERS)` where asked for;
    `text_elmo`, the layers of a language model, where the features have them; and
    `text_forward`, `text_backward`, the graphs of the arm.

    Args:
        texts: `TaskTexts`.
        split: str.
        arm: `TextArm`.
        examples: int array, the examples that take part.
        batch_size: int.
        targets: array or dict of arrays with an entry an example, or `None`.
        with_characters: bool.
        **training: `shuffle_seed` and `first_epoch` of `ExampleBatches`.
    """

    def __init__(
        self,
        texts,
        split,
        arm,
        examples,
        batch_size,
        targets=None,
        with_characters=False,
        **training,
    ):
        self.texts = texts
        self.rows = texts.rows[split]
        self.arm = arm
        self.targets = targets
        self.with_characters = with_characters
        super().__init__(examples, batch_size, **training)

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
            inputs |= self.arm.batch_inputs(name, rows, self.texts.graph_ids[units])
        if self.targets is None:
            return (inputs,)
        return inputs, keras.tree.map_structure(lambda a: a[examples], self.targets)
