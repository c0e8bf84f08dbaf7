"""Tasks whose examples have one label."""

import numpy as np

from experiment.text.text_task import TextTask


class ClassificationTask(TextTask):
    """A task whose examples have a `label`, a number, and whose model gives logits."""

    metric = "accuracy"

    def targets(self, texts, split):
        labels = [example["label"] for example in texts.examples[split]]
        return np.array(labels, np.int32), np.arange(len(labels))

    def score(self, predictions, texts, split, examples):
        labels, _ = self.targets(texts, split)
        is_right = predictions.argmax(axis=-1) == labels[examples]
        return {"accuracy": is_right.astype(float)}
