"""Reading comprehension: the paper's SQuAD experiment."""

import dataclasses

import keras
import numpy as np
from keras import ops

from experiment.text import model_parts
from experiment.text import squad_metric
from experiment.text import toy_tasks
from experiment.text.labelled_files import data_file
from experiment.text.labelled_files import read_json_document
from experiment.text.labelled_files import read_tfds
from experiment.text.reading_layers import FAR_BELOW
from experiment.text.reading_layers import BidirectionalAttention
from experiment.text.reading_layers import CharacterNetwork
from experiment.text.reading_layers import SelfAttention
from experiment.text.squad_files import questions_of_document
from experiment.text.squad_files import questions_of_rows
from experiment.text.text_task import TextSettings
from experiment.text.text_task import TextTask
from glomo_keras.distribution import DistributedModel

SIZES = {
    "smoke": {
        "num_examples": 240,
        "length": 48,
        "question_length": 12,
        "num_dev": 60,
        "epochs": 2,
        "patience": 2,
        "batch_size": 16,
        "learning_rate": 2e-3,
        "units": 16,
        "dropout": 0.0,
    },
    "small": {
        "num_train": 5_000,
        "length": 256,
        "question_length": 32,
        "num_dev": 1_000,
        "epochs": 12,
        "patience": 3,
        "batch_size": 32,
        "learning_rate": 1e-3,
        "units": 48,
        "dropout": 0.2,
    },
    "full": {
        "length": 400,
        "question_length": 50,
        "num_dev": 5_000,
        "epochs": 20,
        "patience": 3,
        "batch_size": 32,
        "learning_rate": 1e-3,
        "units": 100,
        "dropout": 0.2,
    },
}
ANSWER_LENGTH = 17  # units of a decoded answer, at most


@dataclasses.dataclass(frozen=True, kw_only=True)
class SquadSettings(TextSettings):
    """Settings of reading comprehension.

    Attributes:
        question_length: int, units of a question that are read.
    """

    question_length: int


class SquadTask(TextTask):
    """Questions whose answers are spans of a context.

    The baseline is the reader of Clark and Gardner (2017, arXiv 1710.10723) without
    weight averaging: word vectors and a character CNN, bidirectional GRU, bi-attention,
    self-attention with a residual, pointer layers.

    All questions of the test split count: where the answer lies behind the units that
    are read, the question is answered wrongly. In training such questions are left out.
    """

    name = "squad"
    metric = "f1"
    sizes = SIZES
    settings_class = SquadSettings
    keep_texts = ("context",)
    with_characters = True

    def add_options(self, parser):
        super().add_options(parser)
        parser.add_argument("--question-length", type=int, help="units of a question")

    def files(self, settings):
        if settings.data == "toy" or settings.data.startswith("tfds:"):
            return {}
        return {
            split: data_file(settings.data, (name,), "tfds:squad")
            for split, name in (("train", "train-v1.1.json"), ("test", "dev-v1.1.json"))
        }

    def load(self, settings):
        if settings.data == "toy":
            return {
                split: toy_tasks.questions(settings.num_examples or 240, seed)
                for seed, split in enumerate(("train", "test"))
            }
        if settings.data.startswith("tfds:"):
            return {
                split: questions_of_rows(read_tfds(settings.data, name), settings.data)
                for split, name in (("train", "train"), ("test", "validation"))
            }
        return {
            split: questions_of_document(read_json_document(path), path)
            for split, path in self.files(settings).items()
        }

    def lengths(self, settings):
        return {"context": settings.length, "question": settings.question_length}

    def targets(self, texts, split):
        """Return first and last units of the answers, and the questions with one."""
        field = texts.fields["context"]
        examples = texts.examples[split]
        spans = np.zeros((len(examples), 2), np.int32)
        answerable = []
        rows = texts.rows[split]["context"]
        for number, (example, row) in enumerate(zip(examples, rows, strict=True)):
            units = slice(field.offsets[row], field.offsets[row + 1])
            starts, limits = field.starts[units], field.limits[units]
            start = example["answer_start"]
            limit = start + len(example["answers"][0])
            touched = np.flatnonzero((limits > start) & (starts < limit))
            if len(touched) and limits[-1] >= limit:
                spans[number] = touched[0], touched[-1]
                answerable.append(number)
        return {"start": spans[:, 0], "end": spans[:, 1]}, np.array(answerable, int)

    def build(self, texts, arm, settings):
        """Build the reader; one `GraphTransfer` for both texts."""
        inputs, masks = model_parts.make_inputs(texts, with_characters=True)
        fields = ("context", "question")
        dropout = keras.layers.SpatialDropout1D(settings.dropout)
        hidden = model_parts.word_features(texts, inputs, masks)
        if settings.graph_on == "embeddings":
            hidden = arm.connect(hidden, inputs, settings)
        characters = CharacterNetwork(name="characters")
        joined = {
            name: ops.concatenate(
                [hidden[name], characters(inputs[f"{name}_characters"])], axis=-1
            )
            for name in fields
        }

        def recurrent(name):
            return keras.layers.Bidirectional(
                keras.layers.GRU(settings.units, return_sequences=True), name=name
            )

        encoder = recurrent("encoder")
        hidden = {n: encoder(dropout(joined[n]), mask=masks[n]) for n in fields}
        if settings.graph_on == "rnn_states":
            hidden = arm.connect(hidden, inputs, settings)
        mask = masks["context"]
        fused = BidirectionalAttention(2 * settings.units, name="bi_attention")(
            dropout(hidden["context"]),
            dropout(hidden["question"]),
            context_mask=mask,
            question_mask=masks["question"],
        )
        states = recurrent("modelling")(dropout(fused), mask=mask)
        fused = fused + SelfAttention(name="self_attention")(dropout(states), mask=mask)
        starts = recurrent("start_states")(dropout(fused), mask=mask)
        ends = recurrent("end_states")(
            dropout(ops.concatenate([fused, starts], axis=-1)), mask=mask
        )
        logits = {
            name: ops.where(
                mask, keras.layers.Dense(1, name=name)(states)[..., 0], FAR_BELOW
            )
            for name, states in (("start", starts), ("end", ends))
        }
        model = DistributedModel(inputs, logits)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        loss = {"start": loss, "end": loss}
        model_parts.compile_model(model, loss, settings, clip_norm=5.0)
        return model

    def score(self, predictions, texts, split, examples):
        field = texts.fields["context"]
        firsts, lasts = best_spans(predictions["start"], predictions["end"])
        scores = {"f1": [], "exact_match": []}
        for example, first, last in zip(examples, firsts, lasts, strict=True):
            row = texts.rows[split]["context"][example]
            offset, limit = field.offsets[row], field.offsets[row + 1]
            answer = ""
            if offset + last < limit:  # false for a context without units
                answer = field.texts[row][
                    field.starts[offset + first] : field.limits[offset + last]
                ]
            gold = texts.examples[split][example]["answers"]
            scores["f1"].append(squad_metric.f1(answer, gold))
            scores["exact_match"].append(squad_metric.exact_match(answer, gold))
        return {name: np.array(values) for name, values in scores.items()}


def best_spans(start, end, answer_length=ANSWER_LENGTH):
    """Return the first and last units of the most likely spans.

    Args:
        start: float array `(batch, length)`, log-likelihoods up to a constant.
        end: float array `(batch, length)`.
        answer_length: int, units of a span at most.

    Returns:
        Two int arrays `(batch,)`.
    """
    length = start.shape[1]
    best = np.full(len(start), -np.inf)
    first, last = np.zeros((2, len(start)), int)
    for distance in range(min(answer_length, length)):
        sums = start[:, : length - distance] + end[:, distance:]
        place = sums.argmax(axis=1)
        value = sums[np.arange(len(sums)), place]
        better = value > best
        best = np.where(better, value, best)
        first = np.where(better, place, first)
        last = np.where(better, place + distance, last)
    return first, last
