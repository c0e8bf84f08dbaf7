"""What tasks with one label an example share: targets, score and loss."""

import keras
import numpy as np
from task_models import compile_model


def label_targets(texts, split):
    """Labels, and the numbers of all examples."""
    labels = np.array([example["label"] for example in texts.examples[split]], np.int32)
    return labels, np.arange(len(labels))


def label_score(predictions, texts, split, chosen):
    """Whether each example was classified correctly."""
    labels, _ = label_targets(texts, split)
    return {"accuracy": (predictions.argmax(axis=-1) == labels[chosen]).astype(float)}


def compile_classifier(inputs, logits, options, clip_norm):
    """Model that is trained by the cross-entropy of its logits."""
    model = keras.Model(inputs, logits)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    compile_model(model, loss, options, clip_norm)
    return model
