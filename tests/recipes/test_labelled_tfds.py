"""Examples of the tasks by tensorflow-datasets names, of random content."""

import pytest
from experiment.text import squad_files
from experiment.text.imdb import ImdbTask
from experiment.text.labelled_files import read_tfds
from experiment.text.nli import NliTask
from tiny_tasks import settings_of


@pytest.fixture(autouse=True)
def tfds():
    tfds = pytest.importorskip("tensorflow_datasets")
    with tfds.testing.mock_data(num_examples=6):
        yield tfds


def load(task_class, *arguments):
    task = task_class()
    return task.load(settings_of(task, *arguments, "--output", "unused"))


def test_reviews():
    splits = load(ImdbTask, "--data", "tfds:imdb_reviews")
    for examples in splits.values():
        assert len(examples) == 6
        assert {example["label"] for example in examples} <= {0, 1}
        assert all(isinstance(example["text"], str) for example in examples)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--data", "tfds:glue/mnli"],
        ["--data", "tfds:glue/mnli", "--test", "dev_mismatched"],
        ["--data", "tfds:snli", "--test", "test"],
    ],
    ids=["matched", "mismatched", "snli"],
)
def test_pairs(arguments):
    splits = load(NliTask, *arguments)
    for examples in splits.values():
        assert 0 < len(examples) <= 6
        for example in examples:
            assert example["label"] in range(3)
            assert isinstance(example["premise"], str)
            assert isinstance(example["hypothesis"], str)


def test_questions(monkeypatch):
    # Random answers are not in their random contexts.
    monkeypatch.setattr(squad_files, "_check_answers", lambda *arguments: None)
    for split in ("train", "validation"):
        rows = read_tfds("tfds:squad", split)
        examples = squad_files.questions_of_rows(rows, "tfds:squad")
        assert len(examples) == 6
        for example in examples:
            assert isinstance(example["context"], str)
            assert isinstance(example["question"], str)
            assert isinstance(example["answer_start"], int)
            assert example["answers"]
            assert all(isinstance(answer, str) for answer in example["answers"])


def test_an_unknown_name_is_told():
    with pytest.raises(ValueError, match="no data set 'no_such_set'.*catalog"):
        load(ImdbTask, "--data", "tfds:no_such_set")
