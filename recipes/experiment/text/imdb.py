"""Sentiment of film reviews: the paper's IMDB experiment."""

import re

import keras

from experiment.text import model_parts
from experiment.text import toy_tasks
from experiment.text.classification import ClassificationTask
from experiment.text.labelled_files import data_file
from experiment.text.labelled_files import read_json_lines
from experiment.text.labelled_files import read_tfds
from experiment.text.labelled_files import text_problem
from experiment.text.reading_layers import SelfAttention
from experiment.text.reading_layers import masked_pooling

SIZES = {
    "smoke": {
        "num_examples": 240,
        "length": 32,
        "num_dev": 60,
        "epochs": 2,
        "patience": 2,
        "batch_size": 16,
        "learning_rate": 3e-3,
        "units": 16,
        "dropout": 0.0,
    },
    "small": {
        "length": 200,
        "num_dev": 1_000,
        "epochs": 12,
        "patience": 4,
        "batch_size": 32,
        "learning_rate": 1e-3,
        "units": 48,
        "dropout": 0.3,
    },
    "full": {
        "length": 400,
        "num_dev": 2_500,
        "epochs": 20,
        "patience": 4,
        "batch_size": 32,
        "learning_rate": 1e-3,
        "units": 128,
        "dropout": 0.3,
    },
}
_LINE_BREAK = re.compile(r"<br\s*/?>")


class ImdbTask(ClassificationTask):
    """Reviews, positive (1) or negative (0)."""

    name = "imdb"
    sizes = SIZES

    def files(self, settings):
        if settings.data == "toy" or settings.data.startswith("tfds:"):
            return {}
        return {
            split: data_file(settings.data, (f"{split}.jsonl",), "tfds:imdb_reviews")
            for split in ("train", "test")
        }

    def load(self, settings):
        if settings.data == "toy":
            return {
                split: toy_tasks.reviews(settings.num_examples or 240, seed)
                for seed, split in enumerate(("train", "test"))
            }
        if settings.data.startswith("tfds:"):
            rows = {s: read_tfds(settings.data, s, _problem) for s in ("train", "test")}
        else:
            rows = {
                split: read_json_lines(path, ("text", "label"), _problem)
                for split, path in self.files(settings).items()
            }
        return {
            split: [
                {
                    "id": str(row.get("id", number)),
                    "text": _LINE_BREAK.sub(" ", row["text"]),
                    "label": int(row["label"]),
                }
                for number, row in enumerate(split_rows)
            ]
            for split, split_rows in rows.items()
        }

    def lengths(self, settings):
        return {"text": settings.length}

    def build(self, texts, arm, settings):
        """Build a bidirectional GRU, self-attention and pooling, with the arm."""
        inputs, masks = model_parts.make_inputs(texts)
        mask = masks["text"]
        features = model_parts.word_features(texts, inputs, masks)
        if settings.graph_on == "embeddings":
            features = arm.connect(features, inputs, settings)
        hidden = keras.layers.Dropout(settings.dropout)(features["text"])
        hidden = keras.layers.Bidirectional(
            keras.layers.GRU(settings.units, return_sequences=True), name="rnn"
        )(hidden, mask=mask)
        if settings.graph_on == "rnn_states":
            hidden = arm.connect({"text": hidden}, inputs, settings)["text"]
        hidden = keras.layers.Dense(2 * settings.units, activation="relu")(hidden)
        hidden = hidden + SelfAttention(name="self_attention")(hidden, mask=mask)
        pooled = masked_pooling(hidden, mask)
        pooled = keras.layers.Dropout(settings.dropout)(pooled)
        pooled = keras.layers.Dense(settings.units, activation="relu")(pooled)
        logits = keras.layers.Dense(2, name="logits")(pooled)
        return model_parts.compile_classifier(inputs, logits, settings, clip_norm=1.0)


def _problem(row):
    """Return what is wrong with a review, or `None`."""
    label = row.get("label")
    if isinstance(label, bool) or label not in (
        0,
        1,
    ):  # -1, too: tensorflow-datasets' unsupervised
        return f"`label` must be 0 (negative) or 1 (positive). Received: {label!r:.80}."
    return text_problem(row, ("text",))
