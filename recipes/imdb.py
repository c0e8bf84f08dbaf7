"""Sentiment of film reviews, with and without graphs: the paper's IMDB experiment.

    python recipes/imdb.py --data tfds:imdb_reviews --graph learned --output runs/imdb
    python recipes/imdb.py --data imdb --features vectors:vectors.txt.gz \
        --num-train 250 --graph none --seeds 5 --output runs/imdb_250

A baseline of recurrent layers, linear layers and self-attention over word vectors.
--data is tfds:imdb_reviews, a folder with train.jsonl and test.jsonl (fields `text`
and `label`, 0 or 1; plain or .gz), or `embedded`: a toy made from templates, for
trying the recipe. Results are appended to OUTPUT/runs.jsonl; `compare.py` makes tables
of them.
"""

import re

import keras
from experiment.comparison import runner
from experiment.comparison.options import make_parser as make_task_parser
from experiment.text import model_parts
from experiment.text import text_task
from experiment.text import toy_tasks
from experiment.text.labelled_files import data_file
from experiment.text.labelled_files import read_json_lines
from experiment.text.labelled_files import read_tfds
from experiment.text.labelled_files import wrong_text
from experiment.text.model_parts import compile_classifier
from experiment.text.model_parts import label_score
from experiment.text.model_parts import label_targets
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


def load(options):
    """Reviews by split, with labels 0 (negative) and 1 (positive)."""
    if options.data == "embedded":
        return {
            split: toy_tasks.reviews(options.num_examples or 240, seed)
            for seed, split in enumerate(("train", "test"))
        }
    splits = {}
    for split in ("train", "test"):
        if options.data.startswith("tfds:"):
            rows = read_tfds(options.data, split, _wrong)
        else:
            path = data_file(options.data, f"{split}.jsonl", "tfds:imdb_reviews")
            rows = read_json_lines(path, ("text", "label"), _wrong)
        splits[split] = [
            {
                "id": str(row.get("id", number)),
                "text": _LINE_BREAK.sub(" ", row["text"]),
                "label": int(row["label"]),
            }
            for number, row in enumerate(rows)
        ]
    return splits


def _wrong(row):
    """What is wrong with a review, or `None`."""
    if row.get("label") not in (0, 1):  # -1, too: tensorflow-datasets' unsupervised
        return (
            "`label` must be 0 (negative) or 1 (positive). "
            f"Received: {row.get('label')!r:.80}."
        )
    return wrong_text(row, ("text",))


def build(texts, graph_shape, options):
    """Bidirectional GRU, self-attention, pooling; graphs at the chosen site."""
    inputs, masks = model_parts.make_inputs(texts, graph_shape)
    mask = masks["text"]

    def fuse(hidden):
        texts = model_parts.fuse_graphs({"text": hidden}, masks, inputs, options)
        return texts["text"]

    hidden = model_parts.word_features(texts, inputs, masks)["text"]
    if options.graph_on == "embeddings":
        hidden = fuse(hidden)
    hidden = keras.layers.Dropout(options.dropout)(hidden)
    hidden = keras.layers.Bidirectional(
        keras.layers.GRU(options.units, return_sequences=True), name="rnn"
    )(hidden, mask=mask)
    if options.graph_on == "rnn_states":
        hidden = fuse(hidden)
    hidden = keras.layers.Dense(2 * options.units, activation="relu")(hidden)
    hidden = hidden + SelfAttention(name="self_attention")(hidden, mask=mask)
    pooled = keras.layers.Dropout(options.dropout)(masked_pooling(hidden, mask))
    pooled = keras.layers.Dense(options.units, activation="relu")(pooled)
    logits = keras.layers.Dense(2, name="logits")(pooled)
    return compile_classifier(inputs, logits, options, clip_norm=1.0)


TASK = text_task.LanguageTask(
    name="imdb",
    metric="accuracy",
    sizes=SIZES,
    load=load,
    lengths=lambda options: {"text": options.length},
    targets=label_targets,
    build=build,
    score=label_score,
)


def make_parser():
    """The command line of the task."""
    return make_task_parser(TASK, __doc__)


def main(arguments=None):
    """Train the arm of the command line."""
    runner.main(TASK, make_parser(), arguments)


if __name__ == "__main__":
    main()
