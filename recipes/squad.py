"""Reading comprehension, with and without graphs: the paper's SQuAD experiment.

    python recipes/squad.py --data tfds:squad --graph learned --output runs/squad
    python recipes/squad.py --data squad --features vectors:vectors.txt.gz \
        --num-train 5000 --graph none --seeds 3 --output runs/squad

The baseline is the reader of Clark and Gardner (2017, arXiv 1710.10723) without weight
averaging: word vectors and a character CNN, bidirectional GRU, bi-attention,
self-attention with a residual, pointer layers. --data is tfds:squad, a folder with
train-v1.1.json and dev-v1.1.json (plain or .gz), or `embedded`: a toy made from
templates, for trying the recipe.

All questions of the test split count: where the answer lies behind the units that are
read, the question is answered wrongly. In training such questions are left out.
"""

import keras
import numpy as np
from experiment.comparison import runner
from experiment.comparison.options import make_parser as make_task_parser
from experiment.text import model_parts
from experiment.text import squad_metric
from experiment.text import text_task
from experiment.text import toy_tasks
from experiment.text.labelled_files import data_file
from experiment.text.labelled_files import read_json
from experiment.text.labelled_files import read_tfds
from experiment.text.reading_layers import FAR_BELOW
from experiment.text.reading_layers import BidirectionalAttention
from experiment.text.reading_layers import CharacterNetwork
from experiment.text.reading_layers import SelfAttention
from keras import ops

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


def load(options):
    """Questions by split, with contexts, gold answers and where the first begins."""
    if options.data == "embedded":
        return {
            split: toy_tasks.questions(options.num_examples or 240, seed)
            for seed, split in enumerate(("train", "test"))
        }
    if options.data.startswith("tfds:"):
        return {
            split: [
                {
                    "id": row["id"],
                    "context": row["context"],
                    "question": row["question"],
                    "answers": list(row["answers"]["text"]),
                    "answer_start": int(row["answers"]["answer_start"][0]),
                }
                for row in read_tfds(options.data, name)
            ]
            for split, name in (("train", "train"), ("test", "validation"))
        }
    splits = {}
    for split, name in (("train", "train-v1.1.json"), ("test", "dev-v1.1.json")):
        path = data_file(options.data, name, "tfds:squad")
        splits[split] = list(_questions(read_json(path), path))
    return splits


def _questions(document, path):
    try:
        for article in document["data"]:
            for paragraph in article["paragraphs"]:
                for question in paragraph["qas"]:
                    answers = question["answers"]
                    yield {
                        "id": question["id"],
                        "context": paragraph["context"],
                        "question": question["question"],
                        "answers": [answer["text"] for answer in answers],
                        "answer_start": answers[0]["answer_start"],
                    }
    except (KeyError, TypeError, IndexError) as error:
        raise ValueError(
            f"{path} is not in the format of SQuAD v1.1 (data, paragraphs, qas, "
            f"answers): {type(error).__name__} {error}."
        ) from error


def targets(texts, split):
    """First and last unit of the answers, and the questions that have them."""
    field = texts.fields["context"]
    spans = np.zeros((len(texts.examples[split]), 2), np.int32)
    usable = []
    rows = texts.rows[split]["context"]
    for number, (example, row) in enumerate(
        zip(texts.examples[split], rows, strict=True)
    ):
        part = slice(field.offsets[row], field.offsets[row + 1])
        start = example["answer_start"]
        limit = start + len(example["answers"][0])
        touched = np.flatnonzero(
            (field.limits[part] > start) & (field.starts[part] < limit)
        )
        if len(touched) and field.limits[part][-1] >= limit:
            spans[number] = touched[0], touched[-1]
            usable.append(number)
    return {"start": spans[:, 0], "end": spans[:, 1]}, np.array(usable)


def build(texts, graph_shape, options):
    """The reader; graphs at the chosen site, one `GraphTransfer` for both texts."""
    inputs, masks = model_parts.make_inputs(texts, graph_shape, with_characters=True)
    fields = ("context", "question")
    dropout = keras.layers.SpatialDropout1D(options.dropout)
    hidden = model_parts.word_features(texts, inputs, masks)
    if options.graph_on == "embeddings":
        hidden = model_parts.fuse_graphs(hidden, masks, inputs, options)
    characters = CharacterNetwork(name="characters")
    joined = {
        name: ops.concatenate(
            [hidden[name], characters(inputs[f"{name}_characters"])], axis=-1
        )
        for name in fields
    }

    def recurrent(name):
        return keras.layers.Bidirectional(
            keras.layers.GRU(options.units, return_sequences=True), name=name
        )

    encoder = recurrent("encoder")
    hidden = {n: encoder(dropout(joined[n]), mask=masks[n]) for n in fields}
    if options.graph_on == "rnn_states":
        hidden = model_parts.fuse_graphs(hidden, masks, inputs, options)
    mask = masks["context"]
    fused = BidirectionalAttention(2 * options.units, name="bi_attention")(
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
        name: ops.where(mask, keras.layers.Dense(1, name=name)(of)[..., 0], FAR_BELOW)
        for name, of in (("start", starts), ("end", ends))
    }
    model = keras.Model(inputs, logits)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    loss = {"start": loss, "end": loss}
    model_parts.compile_model(model, loss, options, clip_norm=5.0)
    return model


def best_spans(start, end, answer_length=ANSWER_LENGTH):
    """First and last units of the most likely spans.

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


def score(predictions, texts, split, chosen):
    """F1 and exact match of each question."""
    field = texts.fields["context"]
    firsts, lasts = best_spans(predictions["start"], predictions["end"])
    result = {"f1": [], "exact_match": []}
    for example, first, last in zip(chosen, firsts, lasts, strict=True):
        row = texts.rows[split]["context"][example]
        offset, limit = field.offsets[row], field.offsets[row + 1]
        text = ""
        if offset + last < limit:  # false for a context without units
            text = field.texts[row][
                field.starts[offset + first] : field.limits[offset + last]
            ]
        answers = texts.examples[split][example]["answers"]
        result["f1"].append(squad_metric.f1(text, answers))
        result["exact_match"].append(squad_metric.exact_match(text, answers))
    return {name: np.array(values) for name, values in result.items()}


TASK = text_task.LanguageTask(
    name="squad",
    metric="f1",
    sizes=SIZES,
    load=load,
    lengths=lambda options: {
        "context": options.length,
        "question": options.question_length,
    },
    targets=targets,
    build=build,
    score=score,
    keep_texts=("context",),
    with_characters=True,
)


def make_parser():
    """The command line of the task."""
    parser = make_task_parser(TASK, __doc__)
    parser.add_argument("--question-length", type=int, help="units of a question")
    return parser


def main(arguments=None):
    """Train the arm of the command line."""
    runner.main(TASK, make_parser(), arguments)


if __name__ == "__main__":
    main()
