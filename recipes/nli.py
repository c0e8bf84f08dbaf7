"""Natural language inference, with and without graphs: the paper's MNLI experiment.

    python recipes/nli.py --data tfds:glue/mnli --graph learned --output runs/mnli
    python recipes/nli.py --data mnli --features vectors:vectors.txt.gz \
        --num-train 20000 --graph none --seeds 5 --output runs/mnli

The baseline is ESIM (Chen et al., 2017, arXiv 1609.06038) with a self-attention layer
after the inference composition. --data is tfds:glue/mnli or tfds:snli, a folder with
train.jsonl and the file that --test names (fields `premise`, `hypothesis`, `label`;
plain or .gz), or `embedded`: a toy made from templates, for trying the recipe.
"""

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
from experiment.text.reading_layers import masked_softmax
from keras import ops

LABELS = ("entailment", "neutral", "contradiction")  # as tensorflow-datasets has them
NONE = ("-", -1)  # of annotators who did not agree, and of tensorflow-datasets
SIZES = {
    "smoke": {
        "num_examples": 240,
        "length": 16,
        "num_dev": 60,
        "epochs": 2,
        "patience": 2,
        "batch_size": 16,
        "learning_rate": 3e-3,
        "units": 16,
        "dropout": 0.0,
    },
    "small": {
        "length": 48,
        "num_dev": 2_000,
        "epochs": 12,
        "patience": 3,
        "batch_size": 32,
        "learning_rate": 1e-3,
        "units": 64,
        "dropout": 0.3,
    },
    "full": {
        "length": 64,
        "num_dev": 5_000,
        "epochs": 20,
        "patience": 3,
        "batch_size": 32,
        "learning_rate": 4e-4,
        "units": 300,
        "dropout": 0.5,
    },
}


def load(options):
    """Pairs by split; those without a gold label are left out."""
    if options.data == "embedded":
        splits = {
            split: toy_tasks.pairs(options.num_examples or 240, seed)
            for seed, split in enumerate(("train", "test"))
        }
    elif options.data.startswith("tfds:"):
        names = {"train": "train", "test": options.test}
        if options.data.startswith("tfds:glue/"):
            names["test"] = options.test.replace("dev_", "validation_")
        splits = {
            split: read_tfds(options.data, name, _wrong)
            for split, name in names.items()
        }
    else:
        names = {"train": "train", "test": options.test}
        splits = {
            split: read_json_lines(
                data_file(options.data, f"{name}.jsonl", "tfds:glue/mnli"),
                ("premise", "hypothesis", "label"),
                _wrong,
            )
            for split, name in names.items()
        }
    return {split: _labelled(rows) for split, rows in splits.items()}


def _wrong(row):
    """What is wrong with a pair, or `None`."""
    label = row.get("label")
    if isinstance(label, bool) or label not in (*LABELS, *range(len(LABELS)), *NONE):
        return (
            f"`label` must be one of {list(LABELS)}, its number from 0, or - or -1 "
            f"for none. Received: {label!r:.80}."
        )
    return wrong_text(row, ("premise", "hypothesis"))


def _labelled(rows):
    examples = []
    for number, row in enumerate(rows):
        label = row["label"]
        if label in NONE:
            continue
        examples.append(
            {
                "id": str(row.get("id", row.get("idx", number))),
                "premise": row["premise"],
                "hypothesis": row["hypothesis"],
                "label": LABELS.index(label) if label in LABELS else int(label),
            }
        )
    return examples


def build(texts, graph_shape, options):
    """ESIM; graphs at the chosen site, one `GraphTransfer` for both texts."""
    inputs, masks = model_parts.make_inputs(texts, graph_shape)
    dropout = keras.layers.Dropout(options.dropout)
    fields = ("premise", "hypothesis")
    hidden = model_parts.word_features(texts, inputs, masks)
    if options.graph_on == "embeddings":
        hidden = model_parts.fuse_graphs(hidden, masks, inputs, options)
    encoder = keras.layers.Bidirectional(
        keras.layers.LSTM(options.units, return_sequences=True), name="encoder"
    )
    hidden = {n: encoder(dropout(hidden[n]), mask=masks[n]) for n in fields}
    if options.graph_on == "rnn_states":
        hidden = model_parts.fuse_graphs(hidden, masks, inputs, options)

    # Local inference: each unit beside what the other text says of it.
    premise, hypothesis = (hidden[name] for name in fields)
    scores = ops.matmul(premise, ops.swapaxes(hypothesis, 1, 2))
    aligned = {
        "premise": ops.matmul(
            masked_softmax(scores, masks["hypothesis"][:, None, :]), hypothesis
        ),
        "hypothesis": ops.matmul(
            masked_softmax(ops.swapaxes(scores, 1, 2), masks["premise"][:, None, :]),
            premise,
        ),
    }
    projection = keras.layers.Dense(options.units, activation="relu", name="projection")
    composition = keras.layers.Bidirectional(
        keras.layers.LSTM(options.units, return_sequences=True), name="composition"
    )
    attention = SelfAttention(name="self_attention")
    pooled = []
    for name in fields:
        own, other = hidden[name], aligned[name]
        joined = ops.concatenate([own, other, own - other, own * other], axis=-1)
        composed = composition(dropout(projection(joined)), mask=masks[name])
        attended = composed + attention(composed, mask=masks[name])
        pooled.append(masked_pooling(attended, masks[name]))
    answer = dropout(ops.concatenate(pooled, axis=-1))
    answer = keras.layers.Dense(options.units, activation="tanh")(answer)
    logits = keras.layers.Dense(len(LABELS), name="logits")(dropout(answer))
    return compile_classifier(inputs, logits, options, clip_norm=10.0)


TASK = text_task.LanguageTask(
    name="nli",
    metric="accuracy",
    sizes=SIZES,
    load=load,
    lengths=lambda options: dict.fromkeys(("premise", "hypothesis"), options.length),
    targets=label_targets,
    build=build,
    score=label_score,
)


def make_parser():
    """The command line of the task."""
    parser = make_task_parser(TASK, __doc__)
    parser.add_argument(
        "--test",
        default="dev_matched",
        help="what to test on: dev_matched or dev_mismatched of MultiNLI, dev of a "
        "folder with SNLI, test of tfds:snli (default: dev_matched)",
    )
    return parser


def main(arguments=None):
    """Train the arm of the command line."""
    runner.main(TASK, make_parser(), arguments)


if __name__ == "__main__":
    main()
