"""Texts of the tasks as arrays: two vocabularies, the same units."""

import numpy as np
import pytest
from experiment.process import UsageError
from experiment.text import text_arrays
from experiment.text.imdb import ImdbTask
from experiment.text.squad import SquadTask
from tiny_tasks import TINY
from tiny_tasks import settings_of

from glomo_keras.data import Vocabulary
from glomo_keras.models import find_preset


def test_both_vocabularies_see_the_same_units(texts, predictor_folder):
    of_graphs = Vocabulary.load(find_preset(predictor_folder).vocabulary).units
    of_model = ["", "?", "the", "cat", "don't"]
    for name, field in texts.fields.items():
        units = field.padded(np.arange(len(field)))
        for row in units:
            for unit in row:
                word = texts.units[unit].lower()
                graph_id, task_id = texts.graph_ids[unit], texts.task_ids[unit]
                assert (graph_id == 0) == (task_id == 0) == (word == "")
                if graph_id > 1:
                    assert of_graphs[graph_id] == word, name
                if task_id > 1:
                    assert of_model[task_id] == word, name
    first = texts.fields["one"].padded([0])[0]
    assert [texts.units[u] for u in first] == ["The", "cat", "don't", "sit", "."]
    assert texts.task_ids[first].tolist() == [2, 3, 4, 1, 1]
    assert texts.graph_ids[first][0] == of_graphs.index("the")


def test_texts_are_cut_counted_shared_and_may_be_empty(texts):
    one, two = texts.fields["one"], texts.fields["two"]
    assert len(one) == 3 and len(two) == 2  # "in the plot" is stored once
    assert one.padded([1]).sum() == 0
    assert (one.padded([2]) > 0).all()
    assert any(
        "one: 3 distinct texts; 1 were cut" in n for n in texts.metadata["notes"]
    )
    assert two.texts == ["in the plot", "Unknown Cat?"]
    start, limit = two.starts[two.offsets[1] + 1], two.limits[two.offsets[1] + 1]
    assert two.texts[1][start:limit] == "Cat"
    cat = texts.units.index("cat")
    assert bytes(texts.characters[cat]).rstrip(b"\0") == b"cat"
    np.testing.assert_array_equal(texts.vectors[2], [1.0, 2.0])
    assert not texts.vectors[:2].any()


def test_answers_that_are_cut_off_are_wrong_and_not_dropped(predictor_folder, tmp_path):
    context = "one two three four five six"
    question = {"question": "Which?", "context": context}
    far = {**question, "id": "far", "answers": ["six"], "answer_start": 24}
    near = {**question, "id": "near", "answers": ["two three"], "answer_start": 4}
    arrays = text_arrays.prepare_texts(
        lambda: {"train": [far, near], "test": [far, near]},
        {"context": 4, "question": 2},
        tmp_path / "arrays",
        find_preset(predictor_folder).vocabulary,
        "trainable",
        {},
        keep_texts=("context",),
        log=str,
    )
    task = SquadTask()
    spans, usable = task.targets(arrays, "train")
    assert usable.tolist() == [1]
    assert (spans["start"][1], spans["end"][1]) == (1, 2)
    start, end = np.full((2, 2, 4), -9.0)
    start[:, 1] = end[:, 2] = 9.0
    scores = task.score({"start": start, "end": end}, arrays, "test", np.array([0, 1]))
    assert scores["exact_match"].tolist() == [0.0, 1.0]
    assert scores["f1"].tolist() == [0.0, 1.0]


def test_a_predictor_without_a_vocabulary_is_named(tmp_path):
    settings = settings_of(
        ImdbTask(), "--output", tmp_path, "--predictor", "glomo_image_small"
    )
    with pytest.raises(ValueError, match="vocabulary.*Received: glomo_image_small"):
        ImdbTask().prepare(settings)


def test_vectors_of_other_words_and_no_examples_are_told(predictor_folder, tmp_path):
    vectors = tmp_path / "vectors.txt"
    vectors.write_text("elsewhere 1 2\n")
    where = ["--predictor", predictor_folder, "--output", tmp_path / "run"]
    settings = settings_of(
        ImdbTask(), *where, *TINY, "--features", f"vectors:{vectors}"
    )
    with pytest.raises(ValueError, match="vectors.txt has a vector for none of the"):
        ImdbTask().prepare(settings)
    for split in ("train", "test"):
        (tmp_path / f"{split}.jsonl").write_text("")
    settings = settings_of(ImdbTask(), *where, *TINY, "--data", tmp_path)
    with pytest.raises(ValueError, match="no example in the split 'train'"):
        ImdbTask().prepare(settings)


def prepare(folder, predictor_folder, rows, vectors, log, **options):
    data = folder / "data.jsonl"
    data.write_text("\n".join(rows))
    vectors_file = folder / "vectors.txt"
    vectors_file.write_text(vectors)
    splits = dict.fromkeys(("train", "test"), [{"text": row} for row in rows])
    return text_arrays.prepare_texts(
        lambda: splits,
        {"text": 3},
        folder / "arrays",
        find_preset(predictor_folder).vocabulary,
        f"vectors:{vectors_file}",
        {},
        sources=[data],
        log=log,
        **options,
    )


def test_arrays_are_made_again_when_data_or_vectors_have_changed(
    predictor_folder, tmp_path
):
    lines = []
    first = prepare(tmp_path, predictor_folder, ["the cat"], "the 1\ncat 2\n", str)
    same = prepare(
        tmp_path, predictor_folder, ["the cat"], "the 1\ncat 2\n", lines.append
    )
    assert same.units == first.units and "are used" in lines[-1]
    other = prepare(
        tmp_path, predictor_folder, ["the dog"], "the 1\ncat 2\n", lines.append
    )
    assert other.units[1:] == ["the", "dog"] and "replaced" in "".join(lines)
    # Of the same size: the content tells.
    moved = prepare(tmp_path, predictor_folder, ["the dog"], "the 3\ncat 2\n", str)
    assert moved.vectors[2:].tolist() == [[3.0]]


def test_workers_do_not_replace_arrays_at_a_time(predictor_folder, tmp_path):
    def prepare_rows(rows):
        vectors, options = "the 1\ncat 2\n", {"strategy": "multiworker"}
        return prepare(tmp_path, predictor_folder, rows, vectors, str, **options)

    prepare(tmp_path, predictor_folder, ["the cat"], "the 1\ncat 2\n", str)
    assert prepare_rows(["the cat"]).units[1:] == ["the", "cat"]
    with pytest.raises(UsageError, match="several workers would write"):
        prepare_rows(["the dog"])


def test_damaged_arrays_say_what_to_do(predictor_folder, tmp_path):
    prepare(tmp_path, predictor_folder, ["the cat"], "the 1\ncat 2\n", str)
    (tmp_path / "arrays" / "metadata.json").write_text("{")
    with pytest.raises(ValueError, match="metadata.json is missing or damaged"):
        prepare(tmp_path, predictor_folder, ["the cat"], "the 1\ncat 2\n", str)
