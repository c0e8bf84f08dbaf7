"""The language tasks on embedded data: arrays, arms, training, resuming, the table."""

import argparse
import json
import re

import compare
import graph_arms
import imdb
import keras
import nli
import numpy as np
import pytest
import run_records
import squad
import task_batches
import task_options
import task_runs
import task_texts
from kept_arrays import KeptArrays
from task_features import parse_features

from glomo_keras.data import Vocabulary
from glomo_keras.data import character_ids
from glomo_keras.models import BidirectionalLanguageModel
from glomo_keras.models import GraphPredictor
from glomo_keras.models.presets import find_preset

TINY = "--size smoke --epochs 2 --num-train 32 --num-dev 16 --num-test 16".split()


@pytest.fixture(scope="module")
def predictor_folder(tmp_path_factory):
    """A small predictor with random weights and a vocabulary of its own."""
    folder = tmp_path_factory.mktemp("predictor")
    words = "the in was but end . put is garden plot found Where ?".split()
    keras.utils.set_random_seed(0)
    GraphPredictor(
        len(words) + 2, embedding_dim=12, num_graph_layers=2, num_heads=3
    ).save_to_preset(folder, Vocabulary([w.lower() for w in words], lowercase=True))
    return folder


@pytest.fixture(scope="module")
def texts(predictor_folder, tmp_path_factory):
    """Arrays of three pairs, one text empty and one too long."""
    folder = tmp_path_factory.mktemp("arrays") / "arrays"
    vectors = folder.parent / "vectors.txt"
    vectors.write_text("the 1 2\ncat 3 4\ndon't 5 6\n")
    splits = {
        "train": [
            {"id": "a", "one": "The cat don't sit.", "two": "in the plot", "label": 1},
            {"id": "b", "one": "", "two": "in the plot", "label": 0},
        ],
        "test": [{"id": "c", "one": "the " * 9, "two": "Unknown Cat?", "label": 1}],
    }
    return task_texts.prepare_texts(
        lambda: splits,
        {"one": 5, "two": 3},
        folder,
        find_preset(predictor_folder).vocabulary,
        f"vectors:{vectors}",
        {},
        keep_texts=("two",),
        log=str,
    )


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


@pytest.mark.parametrize("arm", graph_arms.ARMS)
def test_what_stands_in_for_the_graphs(texts, predictor_folder, arm):
    predictor = graph_arms.load_predictor(predictor_folder)
    graphs = graph_arms.GraphArm(arm, predictor, seed=3)
    batches = task_batches.TaskBatches(texts, "train", graphs, batch_size=2)
    (inputs,) = batches[0]
    mask = inputs["one"] != 0
    assert mask.sum(axis=1).tolist() == [5, 0]
    if arm == "none":
        assert set(inputs) == {"one", "two"}
        return
    forward, backward = inputs["one_forward"], inputs["one_backward"]
    assert forward.dtype == np.float16
    assert not forward[1].any()  # the empty text
    if arm in ("matched", "uniform"):
        expected = np.eye(5) if arm == "matched" else np.full((5, 5), 0.2)
        for graph in (forward, backward):
            assert graph.shape == (2, 1, 1, 5, 5)
            np.testing.assert_allclose(graph[0, 0, 0], expected, atol=1e-3)
        return
    ids = texts.graph_ids[texts.fields["one"].padded([0])]
    exact = GraphPredictor.from_preset(predictor_folder)(
        {"unit_ids": ids, "padding_mask": ids != 0}
    )["forward"]
    same = np.allclose(forward[0], exact[0], atol=1e-3)
    assert same == (arm == "learned")
    assert not np.triu(forward[0]).any()  # the direction stays
    # The second unit has one sender, whose score is the mean of one: not above it.
    np.testing.assert_allclose(forward[0, :, :, 2:].sum(-1), 1.0, atol=5e-3)
    (again,) = batches[0]
    np.testing.assert_array_equal(again["one_forward"], forward)


def test_graphs_are_kept_within_the_memory_given(texts, predictor_folder):
    predictor = graph_arms.load_predictor(predictor_folder)
    size = 2 * (2 * 3) * 5 * 5 * 2  # directions, layers x heads, pairs, bytes
    graphs = graph_arms.GraphArm("learned", predictor, kept=KeptArrays(2 * size))
    ids = texts.graph_ids[texts.fields["one"].padded([0, 1, 2])]
    first = graphs.graphs("one", [0, 1, 2], ids)
    assert len(graphs.kept) == 2 and graphs.kept.room == 0
    second = graphs.graphs("one", [2, 0, 0], ids[[2, 0, 0]])
    expected = first["forward"][[2, 0, 0]]
    np.testing.assert_allclose(second["forward"], expected, atol=1e-6)
    np.testing.assert_array_equal(second["forward"][1:], expected[1:])


def test_what_earlier_runs_left_makes_room():
    computed = []

    def double(numbers):
        computed.extend(numbers.tolist())
        return 2 * numbers

    kept = KeptArrays(3 * 8)
    for run, new in (([1, 2, 3], [1, 2, 3]), ([3, 4, 5, 5], [4, 5]), ([3, 1, 5], [1])):
        kept.start_run()
        for _ in range(2):  # epochs
            found = kept.results(np.array(run), double)
            np.testing.assert_array_equal(found, 2 * np.array(run))
        assert computed == new and len(kept) == 3 and kept.room == 0
        computed.clear()


def test_runs_share_the_graphs(predictor_folder, tmp_path):
    where = ["--predictor", str(predictor_folder), "--output", str(tmp_path)]
    options = options_of(imdb, *where)
    first, second = (imdb.TASK.make_arm("learned", seed, options) for seed in (0, 1))
    assert first.kept is second.kept


def test_permuted_units_are_the_same_units():
    ids = np.array([11, 7, 7, 5, 3, 2, 0, 0])
    permuted = graph_arms.permute_units(ids, np.random.default_rng(1))
    assert permuted.tolist() != ids.tolist()
    assert sorted(permuted[:6]) == sorted(ids[:6])
    assert permuted[6:].tolist() == [0, 0]


@pytest.mark.parametrize(
    "module, site",
    [
        (nli, "rnn_states"),
        (squad, "embeddings"),
    ],
)
def test_a_task_trains_and_leaves_a_record(module, site, predictor_folder, tmp_path):
    arguments = ["--predictor", str(predictor_folder), "--graph-on", site]
    arguments += ["--size", "smoke", "--graph", "learned"]
    module.main([*arguments, "--output", str(tmp_path)])
    (line,) = (tmp_path / "runs.jsonl").read_text().splitlines()
    record = json.loads(line)
    assert record["arm"] == "learned" and record["graph_on"] == site
    assert record["num_train"] == 180 and record["epochs"] == 2
    with np.load(tmp_path / record["scores"]) as scores:
        assert len(scores["examples"]) == 240
        for metric, value in record["test"].items():
            assert scores[metric].mean() == pytest.approx(value)
    assert not any((tmp_path / "runs").iterdir())


def options_of(module, *arguments):
    options = module.make_parser().parse_args(arguments)
    return task_options.finish_options(module.TASK, options)


def test_padding_and_batch_do_not_change_predictions(predictor_folder, tmp_path):
    """What a text gets does not depend on the length that its batch is padded to."""
    predictions = []
    for length in ("24", "32"):
        options = options_of(
            imdb,
            *["--output", str(tmp_path / length), "--length", length, *TINY],
            *["--predictor", str(predictor_folder)],
        )
        arrays = imdb.TASK.prepare(options)
        keras.utils.set_random_seed(0)
        graphs = imdb.TASK.make_arm("learned", 0, options)
        model = imdb.build(arrays, graphs.shape, options)
        batches = task_batches.TaskBatches(arrays, "test", graphs, 7)
        predictions.append(model.predict(batches, verbose=0)[:16])
    np.testing.assert_allclose(predictions[0], predictions[1], atol=1e-5)


def test_compare_runs_each_arm_once_and_resumes(predictor_folder, tmp_path, capsys):
    arguments = ["imdb", "--output", str(tmp_path), "--seeds", "1", *TINY]
    arguments += ["--predictor", str(predictor_folder), "--arms", "none"]
    compare.main(arguments)
    compare.main([*arguments, "matched"])
    runs = run_records.read_runs(tmp_path)
    assert [(run["arm"], run["seed"]) for run in runs] == [("none", 0), ("matched", 0)]
    capsys.readouterr()
    compare.main([*arguments, "matched", "--table"])
    lines = capsys.readouterr().out.splitlines()
    row = next(line for line in lines if line.startswith("| matched"))
    assert f"| {100 * runs[1]['test']['accuracy']:.2f} |" in row
    assert "[" in row
    assert "88.51" not in "".join(lines)  # the paper's, of IMDB
    for features, paper in (("vectors:a.txt", "88.51"), ("elmo:a", "")):
        for run in runs:
            run["settings"] |= {"data": "tfds:imdb_reviews", "features": features}
        (row,) = (r for r in compare.table(tmp_path, runs) if r.startswith("| none"))
        assert row.endswith(f"| {paper} |")
    with pytest.raises(ValueError, match="epochs: 2, not 3"):
        compare.main([*arguments, "--epochs", "3"])
    compare.main([*arguments, "--plan"])
    assert "h a run" in capsys.readouterr().out


def test_a_recipe_does_not_repeat_a_run(predictor_folder, tmp_path, capsys):
    arguments = ["--output", str(tmp_path), "--predictor", str(predictor_folder)]
    arguments += [*TINY, "--graph", "none", "--epochs", "1"]
    imdb.main(arguments)
    imdb.main(arguments)
    assert "  is a line of" in capsys.readouterr().out
    assert len(run_records.read_runs(tmp_path)) == 1
    with pytest.raises(ValueError, match="learning_rate: 0.003, not 0.1"):
        imdb.main([*arguments, "--learning-rate", "0.1"])


def test_another_predictor_is_refused_where_it_was_used(predictor_folder, tmp_path):
    options = options_of(
        imdb, "--output", str(tmp_path), "--predictor", str(predictor_folder)
    )
    none, learned = (
        {"arm": arm, "settings": task_options.run_settings(options, arm)}
        for arm in ("none", "learned")
    )
    options.predictor = "glomo_text_small_en"
    run_records.check_settings([none], options)
    with pytest.raises(ValueError, match="predictor: .* not 'glomo_text_small_en"):
        run_records.check_settings([learned], options)


def test_a_killed_run_goes_on_and_ends_as_it_would_have(
    predictor_folder, tmp_path, monkeypatch
):
    def record(folder, stop_after=None):
        options = options_of(
            imdb,
            *["--output", str(folder), *TINY, "--epochs", "3", "--dropout", "0.3"],
            *["--predictor", str(predictor_folder)],
        )
        arrays = imdb.TASK.prepare(options)
        if stop_after:

            class Killed(Exception):
                pass

            def kill(self, epoch, logs=None):
                if epoch + 1 == stop_after:
                    raise Killed

            with monkeypatch.context() as patched:
                # The last of the callbacks: the checkpoint is written.
                patched.setattr(task_runs._Seconds, "on_epoch_end", kill)
                with pytest.raises(Killed):
                    task_runs.run(imdb.TASK, arrays, options, "uniform", 1)
            other = argparse.Namespace(**{**vars(options), "dropout": 0.0})
            with pytest.raises(ValueError, match="begun with other settings .dropout"):
                task_runs.run(imdb.TASK, arrays, other, "uniform", 1)
        return task_runs.run(imdb.TASK, arrays, options, "uniform", 1)

    whole = record(tmp_path / "whole")
    parts = record(tmp_path / "parts", stop_after=2)
    for name in ("epochs", "best_epoch", "best_dev", "test"):
        assert parts[name] == pytest.approx(whole[name]), name


def test_examples_are_drawn_by_the_seed_and_kept_apart(texts):
    options = argparse.Namespace(num_train=50, num_dev=20, num_test=30)

    class Task:
        usable = staticmethod(lambda data: np.arange(100))
        num_test = staticmethod(lambda data: 70)

    train, dev, test = task_runs.choose_examples(Task, None, options, seed=0)
    assert (len(train), len(dev), len(test)) == (50, 20, 30)
    assert not set(train) & set(dev)
    other_train, _, other_test = task_runs.choose_examples(Task, None, options, 1)
    assert other_train.tolist() != train.tolist()
    assert other_test.tolist() == test.tolist()


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


def test_answers_that_are_cut_off_are_wrong_and_not_dropped(predictor_folder, tmp_path):
    context = "one two three four five six"
    question = {"question": "Which?", "context": context}
    far = {**question, "id": "far", "answers": ["six"], "answer_start": 24}
    near = {**question, "id": "near", "answers": ["two three"], "answer_start": 4}
    arrays = task_texts.prepare_texts(
        lambda: {"train": [far, near], "test": [far, near]},
        {"context": 4, "question": 2},
        tmp_path / "arrays",
        find_preset(predictor_folder).vocabulary,
        "trainable",
        {},
        keep_texts=("context",),
        log=str,
    )
    spans, usable = squad.targets(arrays, "train")
    assert usable.tolist() == [1]
    assert (spans["start"][1], spans["end"][1]) == (1, 2)
    start, end = np.full((2, 2, 4), -9.0)
    start[:, 1] = end[:, 2] = 9.0
    scores = squad.score({"start": start, "end": end}, arrays, "test", np.array([0, 1]))
    assert scores["exact_match"].tolist() == [0.0, 1.0]
    assert scores["f1"].tolist() == [0.0, 1.0]


# Layers of a language model as features
@pytest.fixture(scope="module")
def elmo_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("elmo")
    keras.utils.set_random_seed(0)
    BidirectionalLanguageModel(
        units=5, projection_dim=3, kernel_sizes=[1, 2], filters=[3, 5],
        max_characters=11,
    ).save_to_preset(folder)  # fmt: skip
    return folder


def test_layers_of_texts_are_computed_once_and_kept(
    elmo_folder, predictor_folder, tmp_path, monkeypatch
):
    arguments = ["--output", str(tmp_path), "--predictor", str(predictor_folder)]
    arguments += ["--features", f"elmo:{elmo_folder}", *TINY]
    texts = nli.TASK.prepare(options_of(nli, *arguments))
    field = texts.fields["premise"]
    rows = np.array([3, 0, 3, 20])
    found = texts.elmo.layers("premise", rows)
    assert found.dtype == np.float16 and found.shape == (4, 3, field.length, 6)
    words = [[texts.units[unit] for unit in row] for row in field.padded(rows)]
    model = BidirectionalLanguageModel.from_preset(elmo_folder)
    expected = keras.ops.convert_to_numpy(model(character_ids(words, 11)))
    np.testing.assert_allclose(found, expected, atol=2e-3)
    # Another process finds them on disk.
    again = nli.TASK.prepare(options_of(nli, *arguments)).elmo
    monkeypatch.setattr(again, "_compute", None)
    np.testing.assert_array_equal(again.layers("premise", rows), found)
    with pytest.raises(TypeError):  # of texts that were never asked for
        again.layers("premise", np.array([4]))


def test_a_task_trains_on_layers_of_a_language_model(
    elmo_folder, predictor_folder, tmp_path, capsys
):
    vectors = tmp_path / "vectors.txt"
    vectors.write_text("the 1 2\nplot 3 4\n")
    arguments = ["--predictor", str(predictor_folder), *TINY]
    arguments += ["--elmo-cache", str(tmp_path / "cache")]
    features = {
        "vectors": f"vectors:{vectors}",
        "elmo": f"elmo:{elmo_folder}",
        "both": f"elmo:{elmo_folder}+vectors:{vectors}",
    }
    # Two of the vectors, six of the language model, and as many of messages.
    for name, width in (("elmo", 6), ("both", 8)):
        output = ["--output", str(tmp_path / name), "--features", features[name]]
        options = options_of(imdb, *output, *arguments)
        texts = imdb.TASK.prepare(options)
        model = imdb.build(texts, (1, 1), options)
        assert model.get_layer("graph_transfer").output.shape[-1] == 2 * width
    imdb.main([*output, *arguments, "--graph", "none"])
    (kept,) = (tmp_path / "cache").iterdir()  # both outputs share it
    assert kept.name.startswith("elmo-")
    record = json.loads((tmp_path / "both" / "runs.jsonl").read_text())
    assert sum(record["elmo_mix"]["shares"]) == pytest.approx(1.0, abs=1e-5)
    assert record["elmo_mix"]["gamma"] != 1.0
    assert record["settings"]["elmo"] in kept.name

    # As if the vectors alone had got the first test example right, and no other.
    (tmp_path / "vectors" / "scores").mkdir(parents=True)
    examples = np.load(tmp_path / "both" / record["scores"])["examples"]
    right = np.eye(1, len(examples))[0]
    np.savez(tmp_path / "vectors" / record["scores"], examples=examples, accuracy=right)
    del record["settings"]["elmo"], record["elmo_mix"]
    record["settings"]["features"] = features["vectors"]
    other = {**record, "test": {"accuracy": right.mean()}}
    (tmp_path / "vectors" / "runs.jsonl").write_text(json.dumps(other))
    capsys.readouterr()
    both = ["--table", "--against", str(tmp_path / "both")]
    compare.main(["imdb", "--output", str(tmp_path / "vectors"), *both])
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "| accuracy | runs | mean | sd | seeds | to vectors |"
    rows = [line.split(" | ") for line in shown[2:4]]
    assert [row[1] for row in rows] == ["vectors", "both"]
    results = [float(row[2]) for row in rows]
    mean, low, high = map(float, re.findall(r"[-+.0-9]+", rows[1][5]))
    assert mean == pytest.approx(results[1] - results[0], abs=0.011) != 0
    assert low <= mean <= high
    assert shown[-1].startswith("both, none: layers 0.") and "gamma" in shown[-1]


def test_graphs_on_layers_of_a_language_model(elmo_folder, predictor_folder, tmp_path):
    options = options_of(
        squad, "--predictor", str(predictor_folder), "--output", str(tmp_path),
        "--features", f"elmo:{elmo_folder}", *TINY,
    )  # fmt: skip
    texts = squad.TASK.prepare(options)
    graphs = squad.TASK.make_arm("uniform", 0, options)
    model = squad.TASK.build(texts, graphs.shape, options)
    rows = squad.TASK.usable(texts)[:2]
    batches = squad.TASK.batches(texts, "train", graphs, options, rows)
    outputs = keras.tree.flatten(model(batches[0][0]))
    assert all(np.isfinite(keras.ops.convert_to_numpy(x)).all() for x in outputs)


def test_features_are_taken_apart(elmo_folder):
    assert parse_features("trainable") == (None, "trainable")
    assert parse_features("elmo:a") == ("a", None)
    assert parse_features("vectors:b+elmo:a") == ("a", "vectors:b")


@pytest.mark.parametrize(
    "features", ["glove", "vectors:", "elmo:", "trainable+vectors:a", "elmo:a+elmo:b"]
)
def test_unknown_features_are_named(features, predictor_folder, tmp_path):
    arguments = ["--output", str(tmp_path), "--predictor", str(predictor_folder)]
    with pytest.raises(ValueError, match="--features must be"):
        options_of(imdb, *arguments, "--features", features, *TINY)


def test_a_predictor_without_a_vocabulary_is_named(tmp_path):
    options = options_of(
        imdb, "--output", str(tmp_path), "--predictor", "glomo_image_small"
    )
    with pytest.raises(ValueError, match="vocabulary.*Received: glomo_image_small"):
        imdb.TASK.prepare(options)


def test_vectors_of_other_words_and_no_examples_are_told(predictor_folder, tmp_path):
    vectors = tmp_path / "vectors.txt"
    vectors.write_text("elsewhere 1 2\n")
    where = ["--predictor", str(predictor_folder), "--output", str(tmp_path / "run")]
    options = options_of(imdb, *where, *TINY, "--features", f"vectors:{vectors}")
    with pytest.raises(ValueError, match="vectors.txt has a vector for none of the"):
        imdb.TASK.prepare(options)
    for split in ("train", "test"):
        (tmp_path / f"{split}.jsonl").write_text("")
    options = options_of(imdb, *where, *TINY, "--data", str(tmp_path))
    with pytest.raises(ValueError, match="no example in the split 'train'"):
        imdb.TASK.prepare(options)


def test_a_preset_that_is_no_language_model_is_named(predictor_folder, tmp_path):
    arguments = ["--output", str(tmp_path), "--features", f"elmo:{predictor_folder}"]
    with pytest.raises(ValueError, match="Received one of GraphPredictor"):
        options_of(imdb, *arguments, *TINY)
