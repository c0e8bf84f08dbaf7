"""Examples of the tasks by tensorflow-datasets names, of random content."""

import imdb
import nli
import pytest
import squad


@pytest.fixture(autouse=True)
def tfds():
    tfds = pytest.importorskip("tensorflow_datasets")
    with tfds.testing.mock_data(num_examples=6):
        yield tfds


def load(module, *arguments):
    return module.load(
        module.make_parser().parse_args([*arguments, "--output", "unused"])
    )


def test_reviews():
    splits = load(imdb, "--data", "tfds:imdb_reviews")
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
    splits = load(nli, *arguments)
    for examples in splits.values():
        assert 0 < len(examples) <= 6
        for example in examples:
            assert example["label"] in range(3)
            assert isinstance(example["premise"], str)
            assert isinstance(example["hypothesis"], str)


def test_questions():
    splits = load(squad, "--data", "tfds:squad")
    for examples in splits.values():
        assert len(examples) == 6
        for example in examples:
            assert isinstance(example["context"], str)
            assert isinstance(example["question"], str)
            assert isinstance(example["answer_start"], int)
            assert example["answers"]
            assert all(isinstance(answer, str) for answer in example["answers"])


def test_an_unknown_name_is_told():
    with pytest.raises(ValueError, match="no data set 'no_such_set'.*catalog"):
        load(imdb, "--data", "tfds:no_such_set")
