"""Files of labelled data: what is wrong with one is told, with its place."""

import json

import numpy as np
import pytest
from experiment.text import labelled_files
from experiment.text import squad_files
from experiment.text.imdb import ImdbTask
from experiment.text.nli import NliTask
from experiment.text.squad import SquadTask
from tiny_tasks import settings_of

REVIEW = {"text": "A film.", "label": 1}
PAIR = {"premise": "A b.", "hypothesis": "C.", "label": "neutral"}


def load(task_class, data, *more):
    task = task_class()
    arguments = ["--data", data, "--output", "unused", *more]
    return task.load(settings_of(task, *arguments))


def write(folder, task_class, rows):
    lines = "\n".join(json.dumps(row) for row in rows)
    test = "test" if task_class is ImdbTask else "dev_matched"
    for name in ("train", test):
        (folder / f"{name}.jsonl").write_text(lines)


@pytest.mark.parametrize(
    "task_class, name",
    [(ImdbTask, "imdb_reviews"), (NliTask, "glue/mnli"), (SquadTask, "squad")],
)
def test_missing_data_says_what_to_do(task_class, name, tmp_path):
    with pytest.raises(FileNotFoundError, match=f"no_such_folder.*tfds:{name}"):
        load(task_class, "no_such_folder")


@pytest.mark.parametrize("bad", ["{not json", '{"text": "a"}', "[1, 2]", "3"])
def test_a_malformed_line_is_named(bad, tmp_path):
    write(tmp_path, ImdbTask, [REVIEW])
    (tmp_path / "train.jsonl").write_text('{"text": "good", "label": 1}\n' + bad)
    with pytest.raises(ValueError, match="train.jsonl line 2"):
        load(ImdbTask, tmp_path)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32"])
def test_other_encodings_are_named(encoding, tmp_path):
    row = json.dumps(REVIEW)
    for name, read in (
        ("a.jsonl", lambda path: labelled_files.read_json_lines(path, ("text",))),
        ("a.json", labelled_files.read_json_document),
    ):
        (tmp_path / name).write_bytes(row.encode(encoding))
        with pytest.raises(ValueError, match="must be UTF-8. It is UTF-"):
            read(tmp_path / name)


def test_mismatched_pairs_are_read_by_path(tmp_path):
    row = {"premise": "A b.", "hypothesis": "C.", "label": "neutral"}
    none = {**row, "label": "-"}
    (tmp_path / "train.jsonl").write_text(f"{json.dumps(row)}\n{json.dumps(none)}\n")
    (tmp_path / "dev_mismatched.jsonl").write_text(json.dumps(row))
    splits = load(NliTask, tmp_path, "--test", "dev_mismatched")
    assert len(splits["train"]) == len(splits["test"]) == 1  # no gold label: left out
    (tmp_path / "train.jsonl").write_text(json.dumps({**row, "label": "maybe"}))
    with pytest.raises(ValueError, match="'maybe'"):
        load(NliTask, tmp_path, "--test", "dev_mismatched")


def test_a_damaged_question_file_is_named(tmp_path):
    write_questions(tmp_path)
    (tmp_path / "train-v1.1.json").write_text('{"data": [{"paragraphs": [{}]}]}')
    with pytest.raises(ValueError, match="train-v1.1.json is not in the format"):
        load(SquadTask, tmp_path)
    (tmp_path / "train-v1.1.json").write_text("{")
    with pytest.raises(ValueError, match="train-v1.1.json is not a JSON document"):
        load(SquadTask, tmp_path)


@pytest.mark.parametrize("label", [7, -1, "pos", None, [1], 0.5, True])
def test_labels_of_reviews_are_0_and_1(label, tmp_path):
    write(tmp_path, ImdbTask, [REVIEW, REVIEW | {"label": label}])
    with pytest.raises(ValueError, match="train.jsonl line 2: `label` must be 0 .neg"):
        load(ImdbTask, tmp_path)


@pytest.mark.parametrize("label", [3, -2, "maybe", None, ["neutral"], True, 0.5])
def test_labels_of_pairs_are_names_or_numbers(label, tmp_path):
    write(tmp_path, NliTask, [PAIR, PAIR | {"label": label}])
    with pytest.raises(ValueError, match="train.jsonl line 2: `label` must be one of"):
        load(NliTask, tmp_path)


def test_pairs_without_a_gold_label_are_left_out(tmp_path):
    labels = ["contradiction", "-", 2, -1, 0, "entailment"]
    write(tmp_path, NliTask, [PAIR | {"label": label} for label in labels])
    examples = load(NliTask, tmp_path)["test"]
    assert [example["label"] for example in examples] == [2, 2, 0, 0]
    assert [example["id"] for example in examples] == ["0", "2", "4", "5"]


@pytest.mark.parametrize("text", [5, None, ["A film."]])
@pytest.mark.parametrize(
    "task_class, row, field",
    [
        (ImdbTask, REVIEW, "text"),
        (NliTask, PAIR, "premise"),
        (NliTask, PAIR, "hypothesis"),
    ],
)
def test_texts_are_strings(task_class, row, field, text, tmp_path):
    write(tmp_path, task_class, [row | {field: text}])
    message = f"train.jsonl line 1: `{field}` must be a string. Received: "
    with pytest.raises(ValueError, match=message):
        load(task_class, tmp_path)


def test_what_is_received_is_shown_in_part(tmp_path):
    write(tmp_path, ImdbTask, [REVIEW | {"text": ["word"] * 1_000}])
    with pytest.raises(ValueError) as error:
        load(ImdbTask, tmp_path)
    assert len(str(error.value)) < 300 + len(str(tmp_path))


@pytest.mark.parametrize(
    "task_class, name, row",
    [
        (ImdbTask, "tfds:imdb_reviews", {"text": b"A film.", "label": -1}),
        (ImdbTask, "tfds:lm1b", {"text": b"A film."}),
        (NliTask, "tfds:snli", {"premise": b"A b.", "hypothesis": b"C.", "label": 3}),
        (NliTask, "tfds:glue/mrpc", {"sentence1": b"A b.", "label": 1}),
    ],
)
def test_a_data_set_with_other_rows_is_named(task_class, name, row):
    tfds = pytest.importorskip("tensorflow_datasets")
    tf = pytest.importorskip("tensorflow")

    def as_dataset(self, *args, **kwargs):
        return tf.data.Dataset.from_tensors(row)

    with tfds.testing.mock_data(as_dataset_fn=as_dataset):
        with pytest.raises(ValueError, match=f"{name}, example 0 of train: `"):
            load(task_class, name)


def test_a_check_is_optional(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": 1}\n\n{"a": null}\n')
    assert labelled_files.read_json_lines(path, ("a",)) == [{"a": 1}, {"a": None}]


def test_published_names_of_files_and_fields_are_known(tmp_path):
    pair = {"sentence1": "A b.", "sentence2": "C.", "gold_label": "neutral"}
    lines = json.dumps(pair | {"pairID": "1n"}) + "\n"
    lines += json.dumps(pair | {"gold_label": "-"})
    for name in ("train", "dev_mismatched"):
        (tmp_path / f"multinli_1.0_{name}.jsonl").write_text(lines)
    examples = load(NliTask, tmp_path, "--test", "dev_mismatched")["test"]
    assert examples == [{"id": "1n", "premise": "A b.", "hypothesis": "C.", "label": 1}]


def test_halves_of_characters_are_replaced_in_place(tmp_path):
    write(tmp_path, ImdbTask, [REVIEW | {"text": "bad \ud83d film \U0001f600"}])
    (review,) = load(ImdbTask, tmp_path)["train"]
    assert review["text"] == "bad \ufffd film \U0001f600"


def test_a_deeply_nested_document_is_named(tmp_path):
    write(tmp_path, ImdbTask, [REVIEW])
    (tmp_path / "train.jsonl").write_text("[" * 100_000)
    with pytest.raises(ValueError, match="train.jsonl line 1 is not JSON"):
        load(ImdbTask, tmp_path)


QUESTION = {
    "id": "q7",
    "question": "Where?",
    "answers": [{"text": "mat", "answer_start": 17}],
}


def write_questions(folder, version="1.1", context="The cat sat on a mat.", **changes):
    paragraph = {"context": context, "qas": [QUESTION | changes]}
    document = {"version": version, "data": [{"paragraphs": [paragraph]}]}
    for name in ("train", "dev"):
        (folder / f"{name}-v1.1.json").write_text(json.dumps(document))


def test_questions_are_loaded(tmp_path):
    write_questions(tmp_path)
    (example,) = load(SquadTask, tmp_path)["train"]
    assert example["answers"] == ["mat"] and example["answer_start"] == 17


@pytest.mark.parametrize("start", [4, -1, 400, "17", None, True, 17.0])
def test_answers_are_where_they_are_said_to_be(start, tmp_path):
    write_questions(tmp_path, answers=[{"text": "mat", "answer_start": start}])
    with pytest.raises(ValueError, match="train-v1.1.json, question 'q7'.*Correct"):
        load(SquadTask, tmp_path)


def test_every_answer_counts(tmp_path):
    answers = [*QUESTION["answers"], {"text": "sat", "answer_start": 0}]
    write_questions(tmp_path, answers=answers)
    with pytest.raises(ValueError, match="'sat' must be in the context at .* 'The'"):
        load(SquadTask, tmp_path)


@pytest.mark.parametrize(
    "changes",
    [
        {"question": None},
        {"id": 7},
        {"context": None},
        {"answers": []},
        {"answers": [{"text": None, "answer_start": 17}]},
        {"answers": [{"text": "", "answer_start": 17}]},
        {"answers": [{"text": " ", "answer_start": 3}]},
    ],
)
def test_nulls_and_missing_answers_are_named(changes, tmp_path):
    write_questions(tmp_path, **changes)
    with pytest.raises(ValueError, match="train-v1.1.json, question"):
        load(SquadTask, tmp_path)


@pytest.mark.parametrize(
    "changes", [{"version": "v2.0"}, {"is_impossible": False}, {"is_impossible": True}]
)
def test_squad_2_is_named(changes, tmp_path):
    write_questions(tmp_path, **changes)
    with pytest.raises(ValueError, match="is of SQuAD 2.0.*Give the files of SQuAD v1"):
        load(SquadTask, tmp_path)


@pytest.mark.parametrize(
    "start, message",
    [
        (np.int32(4), "tfds:squad, question 'q': the answer 'mat'"),
        ("17", "an `answer_start`, an integer from 0. Received: 'mat' at '17'"),
        (17.9, "an `answer_start`, an integer from 0. Received: 'mat' at 17.9"),
    ],
)
def test_rows_of_tensorflow_datasets_are_checked(start, message):
    answers = {"text": ["mat"], "answer_start": [start]}
    row = {"id": "q", "context": "The cat sat on a mat.", "question": "Where?"}
    with pytest.raises(ValueError, match=message):
        squad_files.questions_of_rows([row | {"answers": answers}], "tfds:squad")


@pytest.mark.parametrize("data", [3, None, [3], [{"paragraphs": 3}]])
def test_documents_of_another_form_are_named(data, tmp_path):
    with pytest.raises(ValueError, match="a.json is not in the format of SQuAD v1.1"):
        squad_files.questions_of_document({"data": data}, "a.json")
