"""Files of labelled data: what is wrong with one is told, with its place."""

import json

import imdb
import nli
import pytest
import squad
import task_files
from tiny_tasks import options_of

REVIEW = {"text": "A film.", "label": 1}
PAIR = {"premise": "A b.", "hypothesis": "C.", "label": "neutral"}


def load(module, data):
    return module.load(
        module.make_parser().parse_args(["--data", str(data), "--output", "unused"])
    )


def write(folder, module, rows):
    lines = "\n".join(json.dumps(row) for row in rows)
    test = "test" if module is imdb else "dev_matched"
    for name in ("train", test):
        (folder / f"{name}.jsonl").write_text(lines)


@pytest.mark.parametrize(
    "module, name", [(imdb, "imdb_reviews"), (nli, "glue/mnli"), (squad, "squad")]
)
def test_missing_data_says_what_to_do(module, name, tmp_path):
    options = options_of(module, "--output", str(tmp_path), "--data", "no_such_folder")
    with pytest.raises(FileNotFoundError, match=f"no_such_folder.*tfds:{name}"):
        module.load(options)


@pytest.mark.parametrize("bad", ["{not json", '{"text": "a"}', "[1, 2]", "3"])
def test_a_malformed_line_is_named(bad, tmp_path):
    (tmp_path / "train.jsonl").write_text('{"text": "good", "label": 1}\n' + bad)
    options = options_of(imdb, "--output", "o", "--data", str(tmp_path))
    with pytest.raises(ValueError, match="train.jsonl line 2"):
        imdb.load(options)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32"])
def test_other_encodings_are_named(encoding, tmp_path):
    row = json.dumps(REVIEW)
    for name, read in (
        ("a.jsonl", lambda path: task_files.read_json_lines(path, ("text",))),
        ("a.json", task_files.read_json),
    ):
        (tmp_path / name).write_bytes(row.encode(encoding))
        with pytest.raises(ValueError, match="must be UTF-8. It is UTF-"):
            read(tmp_path / name)


def test_mismatched_pairs_are_read_by_path(tmp_path):
    row = {"premise": "A b.", "hypothesis": "C.", "label": "neutral"}
    none = {**row, "label": "-"}
    (tmp_path / "train.jsonl").write_text(f"{json.dumps(row)}\n{json.dumps(none)}\n")
    (tmp_path / "dev_mismatched.jsonl").write_text(json.dumps(row))
    options = options_of(
        nli, "--output", "o", "--data", str(tmp_path), "--test", "dev_mismatched"
    )
    splits = nli.load(options)
    assert len(splits["train"]) == len(splits["test"]) == 1  # no gold label: left out
    (tmp_path / "train.jsonl").write_text(json.dumps({**row, "label": "maybe"}))
    with pytest.raises(ValueError, match="'maybe'"):
        nli.load(options)


def test_a_damaged_question_file_is_named(tmp_path):
    (tmp_path / "train-v1.1.json").write_text('{"data": [{"paragraphs": [{}]}]}')
    options = options_of(squad, "--output", "o", "--data", str(tmp_path))
    with pytest.raises(ValueError, match="train-v1.1.json is not in the format"):
        squad.load(options)
    (tmp_path / "train-v1.1.json").write_text("{")
    with pytest.raises(ValueError, match="train-v1.1.json is not a JSON document"):
        squad.load(options)


@pytest.mark.parametrize("label", [7, -1, "pos", None, [1], 0.5])
def test_labels_of_reviews_are_0_and_1(label, tmp_path):
    write(tmp_path, imdb, [REVIEW, REVIEW | {"label": label}])
    with pytest.raises(ValueError, match="train.jsonl line 2: `label` must be 0 .neg"):
        load(imdb, tmp_path)


@pytest.mark.parametrize("label", [3, -2, "maybe", None, ["neutral"], True, 0.5])
def test_labels_of_pairs_are_names_or_numbers(label, tmp_path):
    write(tmp_path, nli, [PAIR, PAIR | {"label": label}])
    with pytest.raises(ValueError, match="train.jsonl line 2: `label` must be one of"):
        load(nli, tmp_path)


def test_pairs_without_a_gold_label_are_left_out(tmp_path):
    labels = ["contradiction", "-", 2, -1, 0, "entailment"]
    write(tmp_path, nli, [PAIR | {"label": label} for label in labels])
    examples = load(nli, tmp_path)["test"]
    assert [example["label"] for example in examples] == [2, 2, 0, 0]
    assert [example["id"] for example in examples] == ["0", "2", "4", "5"]


@pytest.mark.parametrize("text", [5, None, ["A film."]])
@pytest.mark.parametrize(
    "module, row, field",
    [(imdb, REVIEW, "text"), (nli, PAIR, "premise"), (nli, PAIR, "hypothesis")],
)
def test_texts_are_strings(module, row, field, text, tmp_path):
    write(tmp_path, module, [row | {field: text}])
    message = f"train.jsonl line 1: `{field}` must be a string. Received: "
    with pytest.raises(ValueError, match=message):
        load(module, tmp_path)


def test_what_is_received_is_shown_in_part(tmp_path):
    write(tmp_path, imdb, [REVIEW | {"text": ["word"] * 1_000}])
    with pytest.raises(ValueError) as error:
        load(imdb, tmp_path)
    assert len(str(error.value)) < 300 + len(str(tmp_path))


@pytest.mark.parametrize(
    "module, name, row",
    [
        (imdb, "tfds:imdb_reviews", {"text": b"A film.", "label": -1}),
        (imdb, "tfds:lm1b", {"text": b"A film."}),
        (nli, "tfds:snli", {"premise": b"A b.", "hypothesis": b"C.", "label": 3}),
        (nli, "tfds:glue/mrpc", {"sentence1": b"A b.", "label": 1}),
    ],
)
def test_a_data_set_with_other_rows_is_named(module, name, row):
    tfds = pytest.importorskip("tensorflow_datasets")
    tf = pytest.importorskip("tensorflow")

    def as_dataset(self, *args, **kwargs):
        return tf.data.Dataset.from_tensors(row)

    with tfds.testing.mock_data(as_dataset_fn=as_dataset):
        with pytest.raises(ValueError, match=f"{name}, example 0 of train: `"):
            load(module, name)


def test_a_check_is_optional(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": 1}\n\n{"a": null}\n')
    assert task_files.read_json_lines(path, ("a",)) == [{"a": 1}, {"a": None}]
