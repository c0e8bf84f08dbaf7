"""Natural language inference: the paper's MNLI experiment."""

import dataclasses

import keras
from keras import ops

from experiment.text import model_parts
from experiment.text import toy_tasks
from experiment.text.classification import ClassificationTask
from experiment.text.labelled_files import data_file
from experiment.text.labelled_files import read_json_lines
from experiment.text.labelled_files import read_tfds
from experiment.text.labelled_files import text_problem
from experiment.text.reading_layers import SelfAttention
from experiment.text.reading_layers import masked_pooling
from experiment.text.reading_layers import masked_softmax
from experiment.text.text_task import TextSettings

LABELS = ("entailment", "neutral", "contradiction")  # as tensorflow-datasets has them
NO_LABEL = ("-", -1)  # of annotators who did not agree, and of tensorflow-datasets
# Names that MultiNLI and SNLI are published with.
ALIASES = {
    "premise": "sentence1",
    "hypothesis": "sentence2",
    "label": "gold_label",
    "id": "pairID",
}
PUBLISHED = ("{}.jsonl", "multinli_1.0_{}.jsonl", "snli_1.0_{}.jsonl")
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


@dataclasses.dataclass(frozen=True, kw_only=True)
class NliSettings(TextSettings):
    """Settings of inference.

    Attributes:
        test: str, name of the split to test on.
    """

    test: str


class NliTask(ClassificationTask):
    """Pairs of a premise and a hypothesis: entailment, neutral or contradiction.

    The baseline is ESIM (Chen et al., 2017, arXiv 1609.06038) with a self-attention
    layer after the inference composition.
    """

    name = "nli"
    sizes = SIZES
    settings_class = NliSettings

    def add_options(self, parser):
        super().add_options(parser)
        parser.add_argument(
            "--test",
            default="dev_matched",
            help="what to test on: dev_matched or dev_mismatched of MultiNLI, dev of a "
            "folder with SNLI, test of tfds:snli (default: dev_matched)",
        )

    def array_settings(self, settings):
        return {**super().array_settings(settings), "test": settings.test}

    def files(self, settings):
        if settings.data == "toy" or settings.data.startswith("tfds:"):
            return {}
        return {
            split: data_file(
                settings.data,
                tuple(pattern.format(name) for pattern in PUBLISHED),
                "tfds:glue/mnli",
            )
            for split, name in (("train", "train"), ("test", settings.test))
        }

    def load(self, settings):
        if settings.data == "toy":
            rows = {
                split: toy_tasks.pairs(settings.num_examples or 240, seed)
                for seed, split in enumerate(("train", "test"))
            }
        elif settings.data.startswith("tfds:"):
            test = settings.test
            if settings.data.startswith("tfds:glue/"):
                test = test.replace("dev_", "validation_")
            rows = {
                split: read_tfds(settings.data, name, _problem)
                for split, name in (("train", "train"), ("test", test))
            }
        else:
            fields = ("premise", "hypothesis", "label")
            rows = {
                split: read_json_lines(path, fields, _problem, ALIASES)
                for split, path in self.files(settings).items()
            }
        return {split: _labelled(split_rows) for split, split_rows in rows.items()}

    def lengths(self, settings):
        return dict.fromkeys(("premise", "hypothesis"), settings.length)

    def build(self, texts, arm, settings):
        """Build ESIM; one `GraphTransfer` for both texts."""
        inputs, masks = model_parts.make_inputs(texts)
        dropout = keras.layers.Dropout(settings.dropout)
        fields = ("premise", "hypothesis")
        hidden = model_parts.word_features(texts, inputs, masks)
        if settings.graph_on == "embeddings":
            hidden = arm.connect(hidden, inputs, settings)
        encoder = keras.layers.Bidirectional(
            keras.layers.LSTM(settings.units, return_sequences=True), name="encoder"
        )
        hidden = {n: encoder(dropout(hidden[n]), mask=masks[n]) for n in fields}
        if settings.graph_on == "rnn_states":
            hidden = arm.connect(hidden, inputs, settings)

        # Local inference: each unit beside what the other text says of it.
        premise, hypothesis = (hidden[name] for name in fields)
        scores = ops.matmul(premise, ops.swapaxes(hypothesis, 1, 2))
        aligned = {
            "premise": ops.matmul(
                masked_softmax(scores, masks["hypothesis"][:, None, :]), hypothesis
            ),
            "hypothesis": ops.matmul(
                masked_softmax(
                    ops.swapaxes(scores, 1, 2), masks["premise"][:, None, :]
                ),
                premise,
            ),
        }
        projection = keras.layers.Dense(
            settings.units, activation="relu", name="projection"
        )
        composition = keras.layers.Bidirectional(
            keras.layers.LSTM(settings.units, return_sequences=True), name="composition"
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
        answer = keras.layers.Dense(settings.units, activation="tanh")(answer)
        logits = keras.layers.Dense(len(LABELS), name="logits")(dropout(answer))
        return model_parts.compile_classifier(inputs, logits, settings, clip_norm=10.0)


def _problem(row):
    """Return what is wrong with a pair, or `None`."""
    label = row.get("label")
    known = (*LABELS, *range(len(LABELS)), *NO_LABEL)
    if isinstance(label, bool) or label not in known:
        return (
            f"`label` must be one of {list(LABELS)}, its number from 0, or - or -1 "
            f"for none. Received: {label!r:.80}."
        )
    return text_problem(row, ("premise", "hypothesis"))


def _labelled(rows):
    """Return examples of the rows that have a gold label."""
    examples = []
    for number, row in enumerate(rows):
        label = row["label"]
        if label in NO_LABEL:
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
