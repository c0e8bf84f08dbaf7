"""Treebanks and the task on them: files, graphs of trees, runs, what graphs find."""

import gzip
import json
import types

import compare
import dependency_labels
import keras
import numpy as np
import pytest
from experiment.comparison import records
from experiment.comparison.arms import local_graphs
from experiment.dependencies import toy_trees
from experiment.dependencies import tree_arms
from experiment.dependencies import treebank
from experiment.dependencies.attention_file import AttentionFile
from experiment.dependencies.label_loss import LabelLoss
from experiment.dependencies.relations import ALL
from experiment.dependencies.relations import RelationCounts
from experiment.dependencies.sentence_arrays import SentenceArrays
from experiment.dependencies.task import AROUND_DIM
from experiment.dependencies.task import DependencyTask
from experiment.dependencies.task import words_around
from experiment.dependencies.tree_batches import NO_LABEL
from experiment.dependencies.tree_batches import TreeBatches
from experiment.dependencies.tree_predictor import TreeTargets
from experiment.process import UsageError
from tiny_tasks import settings_of

from glomo_keras.distribution import DistributedModel
from glomo_keras.ops import DIRECTIONS
from glomo_keras.ops import graphs_from_attention

ROWS = (
    ("1-2", "Don't", "_", "_"),
    ("1", "Do", "3", "aux"),
    ("2", "n't", "3", "advmod"),
    ("3", "go", "0", "root"),
    ("3.1", "home", "_", "_"),
    ("4", "there", "3", "advmod:lmod"),
)
# The words of "the red lamp sees Ada": heads, and relations by number.
HEADS = np.array([[3, 3, 4, 0, 4, 0]])
LABELS = np.array([[0, 1, 2, 3, 4, NO_LABEL]])
NAMES = ["det", "amod", "nsubj", "root", "obj"]
MASK = np.array([[True] * 5 + [False]])


def conllu(rows=ROWS):
    """A sentence as a file has it."""
    lines = (
        "\t".join([i, word, *"_" * 4, head, label, "_", "_"])
        for i, word, head, label in rows
    )
    return "# text = Don't go there\n" + "".join(line + "\n" for line in lines) + "\n"


def replaced(number, **changes):
    """Rows of which one is another."""
    names = ("id", "word", "head", "label")
    row = dict(zip(names, ROWS[number], strict=True)) | changes
    return [*ROWS[:number], tuple(row.values()), *ROWS[number + 1 :]]


def test_words_are_the_lines_with_a_number_of_their_own(tmp_path):
    path = tmp_path / "a.conllu.gz"
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.write(conllu() + conllu(ROWS[3:4]).replace("\n\n", "\n"))
    with pytest.raises(UsageError, match="a.conllu.gz line 10 must be word 1 of its"):
        treebank.read_treebank(path)
    path = tmp_path / "a.conllu"
    path.write_text(conllu() + conllu().rstrip("\n"), encoding="utf-8")  # no last line
    first, second = treebank.read_treebank(path)
    assert first.words == second.words == ["Do", "n't", "go", "there"]
    assert first.heads.tolist() == [3, 3, 0, 3]
    assert first.labels == ["aux", "advmod", "root", "advmod:lmod"]


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "holds no sentence .0 lines"),
        ("# newdoc\n\n\n", "holds no sentence .3 lines"),
        (conllu(replaced(1, head="5")), "line 3: .* has 4. Received: '5'"),
        (conllu(replaced(1, head="-1")), "line 3: the head must be 0 or .* '-1'"),
        (conllu(replaced(5, head="_")), "line 7: the head must be 0 or .* '_'"),
        (conllu(replaced(2, id="3")), "line 4 must be word 2 .* number '3'"),
        (conllu(replaced(2, label="_")), "line 4 has no label"),
        (conllu().replace("go\t_", "go"), "line 5 must have 10 fields.*Received 9"),
        ("Some text.\n", "line 1 must have 10 fields with tabs"),
    ],
)
def test_a_malformed_line_is_named(tmp_path, text, message):
    path = tmp_path / "broken.conllu"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=f"broken.conllu {message}"):
        treebank.read_treebank(path)


def test_bytes_that_are_no_text_are_named(tmp_path):
    path = tmp_path / "broken.conllu"
    path.write_bytes(conllu().encode() + b"1\t\xff\xfe")
    with pytest.raises(UsageError, match="broken.conllu line 9 is not UTF-8"):
        treebank.read_treebank(path)


def test_heads_need_not_be_a_tree(tmp_path):
    path = tmp_path / "a.conllu"
    path.write_text(conllu(replaced(3, head="1")), encoding="utf-8")  # 1 and 3: a ring
    assert treebank.read_treebank(path)[0].heads.tolist() == [3, 3, 1, 3]


def test_examples_of_tensorflow_datasets_are_the_same_words(monkeypatch):
    row = {
        "tokens": [row[1] for row in ROWS],
        "head": [row[2].replace("_", "None") for row in ROWS],
        "deprel": [row[3] for row in ROWS],
    }
    monkeypatch.setattr(treebank, "read_tfds", lambda spec, split: [row])
    (sentence,) = treebank.read_tfds_treebank("tfds:universal_dependencies/a", "dev")
    assert sentence.words == ["Do", "n't", "go", "there"]
    assert sentence.heads.tolist() == [3, 3, 0, 3]


def test_toy_trees_have_one_root_that_all_words_reach():
    for sentence in toy_trees.sentences(50, seed=1):
        assert 4 <= len(sentence.words) <= 16
        assert (sentence.heads == 0).sum() == 1
        for place in range(1, len(sentence.words) + 1):
            steps = 0
            while place:
                place, steps = sentence.heads[place - 1], steps + 1
                assert steps <= len(sentence.words)


def test_graphs_of_trees_read_heads_and_dependents():
    graphs = tree_arms.tree_graphs(HEADS, MASK, "float32")
    forward, backward = graphs["forward"][0, 0], graphs["backward"][0, 0]
    assert graphs["forward"].shape == (1, 1, 2, 6, 6)
    expected = np.zeros((2, 6, 6))
    expected[0, 4, 3] = 1  # the head of "Ada" is before it
    expected[1, 2, :2] = 0.5  # two dependents of "lamp"
    expected[1, 3, 2] = 1
    np.testing.assert_array_equal(forward, expected)
    expected = np.zeros((2, 6, 6))
    expected[0, [0, 1, 2], [2, 2, 3]] = 1
    expected[1, 3, 4] = 1
    np.testing.assert_array_equal(backward, expected)


def test_the_needle_is_among_graphs_that_are_none():
    heads, mask = np.repeat(HEADS, 2, axis=0), np.repeat(MASK, 2, axis=0)
    graphs = tree_arms.needle_graphs(heads, mask, [3, 4], "float32")
    gold = tree_arms.tree_graphs(HEADS, MASK, "float32")
    for direction, graph in graphs.items():
        assert graph.shape == (2, 1, 16, 6, 6)
        same = (graph[:, 0] == gold[direction][:, 0, :1]).all(axis=(-1, -2))
        assert same[:, tree_arms.NEEDLE].all()
        assert same.sum() < 16
        assert not graph[..., 5, :].any() and not graph[..., 5].any()
        sums = graph.sum(-1)
        assert ((sums == 0) | (abs(sums - 1) < 1e-6)).all()
    # The permuted trees have the words' relations: four of them, on either side.
    permuted = sum((graph[:, 0, ::2] > 0).sum((-1, -2)) for graph in graphs.values())
    assert (permuted == 4).all()
    again = tree_arms.needle_graphs(heads[:1], mask[:1], [3], "float32")
    np.testing.assert_array_equal(again["forward"][0], graphs["forward"][0])
    assert (graphs["forward"][0] != graphs["forward"][1]).any()


def test_heads_beyond_what_is_read_are_none():
    beyond = np.where(HEADS == 0, 9, HEADS)  # of six words
    expected = tree_arms.needle_graphs(HEADS, MASK, [3])
    for direction, graph in tree_arms.needle_graphs(beyond, MASK, [3]).items():
        np.testing.assert_array_equal(graph, expected[direction])


def test_what_graphs_find_is_counted_by_relation():
    gold = tree_arms.tree_graphs(HEADS, MASK, "float32")
    local = local_graphs(MASK)
    counts = RelationCounts(NAMES)
    for _ in range(2):
        counts.add(
            {
                "heads": {d: graph[:, 0] for d, graph in gold.items()},
                "neighbours": {d: graph[:, 0] for d, graph in local.items()},
            },
            HEADS,
            LABELS,
        )
    rates = counts.rates()
    assert list(rates)[0] == ALL and rates[ALL]["words"] == 8
    assert "root" not in rates
    # One head finds all heads. Another finds dependents: one of the two of "lamp".
    assert rates[ALL]["head"] == {"heads": 1.0, "neighbours": 0.75}
    assert rates["det"]["head"]["neighbours"] == 0.0
    assert rates[ALL]["dependent"] == {"heads": 1.0, "neighbours": 1.0}
    assert rates["det"]["dependent"] == {"heads": 1.0, "neighbours": 0.0}
    assert rates["amod"]["dependent"] == {"heads": 0.0, "neighbours": 1.0}


def test_the_words_around_a_word_go_through_one_projection():
    embedding = keras.layers.Embedding(4, 1)
    embedding.build()
    embedding.set_weights([np.arange(4.0)[:, None]])
    around = words_around(np.array([[1, 2, 3]]), embedding, 1)
    around = keras.ops.convert_to_numpy(around)[0]
    of_two = around[0, AROUND_DIM:]  # the word 2, after the word 1
    expected = np.array([[0, 2], [1, 3], [2, 0]])[..., None] / 2 * of_two
    np.testing.assert_allclose(around, expected.reshape(3, -1), rtol=1e-6)
    assert len(set(of_two.tolist())) == AROUND_DIM


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_is_that_of_labelled_words(random, smoothing):
    logits = random.normal(size=(2, 3, 5)).astype("float32")
    labels = np.array([[4, 0, NO_LABEL], [1, NO_LABEL, NO_LABEL]])
    loss = LabelLoss(smoothing)(labels, logits)
    chosen = keras.losses.CategoricalCrossentropy(True, label_smoothing=smoothing)
    targets = np.eye(5)[labels[labels != NO_LABEL]]
    expected = chosen(targets, logits[labels != NO_LABEL])
    np.testing.assert_allclose(float(loss), float(expected), rtol=1e-5)
    assert float(LabelLoss(smoothing)(np.full((2, 3), NO_LABEL), logits)) == 0.0


def prepared(predictor_folder, folder, *more):
    task = DependencyTask()
    where = ["--output", folder, "--predictor", predictor_folder, "--size", "smoke"]
    settings = settings_of(task, *where, *more)
    return task, settings, task.prepare(settings)


def test_batches_round_lengths_and_go_round_the_data(predictor_folder, tmp_path):
    task, settings, data = prepared(predictor_folder, tmp_path, "--length", "20")
    arm = task.make_arm("gold", 0, settings)
    examples = np.arange(10, 60)
    batches = task.batches(data, "train", arm, settings, examples, shuffle_seed=3)
    assert batches.steps_per_epoch == 10  # of 20 steps in two epochs
    inputs, labels = batches[0]
    assert inputs["words"].shape == labels.shape == (16, 16)
    assert ((labels == NO_LABEL) == (inputs["words"] == 0)).all()
    seen = np.concatenate([batches.examples_of(i) for i in range(4)])
    assert sorted(seen) == examples.tolist()  # one round
    order = [batches.examples_of(i).tolist() for i in range(10)]
    later = task.batches(
        data, "train", arm, settings, examples, shuffle_seed=3, first_epoch=1
    )
    assert [later.examples_of(i).tolist() for i in range(10)] != order
    for index in range(10):
        np.testing.assert_array_equal(batches[10 + index][1], later[index][1])


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="of tf.data")
def test_sentences_of_several_lengths_go_into_fit():
    """Keras takes for all batches what the first two have in common: their length.

    Of one step an epoch, that is what those of two epochs have.
    """
    lengths = np.repeat([4, 20], 10)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    words = np.ones((offsets[-1], 4), np.int32)
    sentences = SentenceArrays(offsets, words, lengths, length=32)
    inputs = keras.Input((None,), name="words")
    hidden = keras.layers.Embedding(2, 3)(inputs)
    model = DistributedModel({"words": inputs}, keras.layers.Dense(1)(hidden))
    model.compile("sgd", "mse")
    arm = tree_arms.TreeArm("none")
    for steps in (15, 1):
        for seed in range(4):
            batches = TreeBatches(
                sentences, arm, np.arange(20), 1, steps=steps, shuffle_seed=seed
            )
            seen = [batches[place][1].shape for place in range(15)]
            assert sorted(set(seen)) == [(1, 32), (2, 16)]
            for number, batch in enumerate(batches.tf_dataset().take(15)):
                np.testing.assert_array_equal(batch[1], batches[number][1])
            epochs = {"epochs": 15 // steps, "steps_per_epoch": steps}
            model.fit(batches, **epochs, shuffle=False, verbose=0)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="of tf.data")
def test_graphs_and_trees_have_free_lengths(predictor_folder, tmp_path):
    task, settings, data = prepared(predictor_folder, tmp_path, "--length", "20")
    arm = task.make_arm("learned", 0, settings)
    batches = task.batches(data, "train", arm, settings, np.arange(50), shuffle_seed=3)
    inputs, labels = batches.tf_dataset().element_spec
    assert labels.shape.as_list() == inputs["words"].shape.as_list() == [None, None]
    heads = list(arm.graph_shape)
    for direction in DIRECTIONS:
        shape = inputs[f"words_{direction}"].shape.as_list()
        assert shape == [None, *heads, None, None]
    targets = TreeTargets(data.splits["train"], np.arange(50), 4, 9, shuffle_seed=3)
    _, graphs = targets.tf_dataset().element_spec
    assert graphs.shape.as_list() == [None, 2, 2, None, None]


def test_scores_are_of_words_and_those_that_are_cut_are_wrong(
    predictor_folder, tmp_path
):
    task, settings, data = prepared(predictor_folder, tmp_path, "--length", "5")
    sentences = data.splits["test"]
    examples = np.array([3, 0, 8])
    num_words = sentences.whole_lengths[examples].sum()
    assert sentences.lengths[examples].max() == 5
    right = [np.eye(len(data.labels))[sentences.labels_of(e)] for e in examples]
    scores = task.score(right, data, "test", examples)["accuracy"]
    assert scores.mean() == pytest.approx(sum(map(len, right)) / num_words)
    right[1] = np.roll(right[1], 1, axis=-1)  # all wrong
    scores = task.score(right, data, "test", examples)["accuracy"]
    assert scores[1] == 0.0
    assert scores.mean() == pytest.approx((len(right[0]) + len(right[2])) / num_words)


@pytest.mark.parametrize("name", ["local", "shuffled"])
def test_predictions_are_in_the_order_of_the_examples(name, predictor_folder, tmp_path):
    task, settings, data = prepared(predictor_folder, tmp_path, "--length", "40")
    arm = task.make_arm(name, 0, settings)
    model = task.build(data, arm, settings)
    predictions = {}
    for examples in (np.arange(30), np.array([29, 7])):
        batches = task.batches(data, "test", arm, settings, examples)
        found = task.predict(model, batches, settings, len(examples))
        for example, logits in zip(examples.tolist(), found, strict=True):
            assert len(logits) == data.splits["test"].lengths[example]
            earlier = predictions.setdefault(example, logits)
            np.testing.assert_allclose(logits, earlier, atol=1e-5)


def test_a_comparison_says_what_learned_graphs_find(predictor_folder, tmp_path, capsys):
    arguments = ["dependency_labels", "--output", str(tmp_path), "--size", "smoke"]
    arguments += ["--predictor", str(predictor_folder), "--seeds", "1", "--window", "1"]
    arms = ["none", "gold", "learned+local", "needle", "needle-alone"]
    compare.main([*arguments, "--arms", *arms])
    runs = {run["arm"]: run for run in records.read_runs(tmp_path)}
    assert set(runs) == set(arms)
    assert runs["gold"]["test"]["accuracy"] > runs["none"]["test"]["accuracy"]
    assert "mixture_weights" not in runs["none"]
    for weights in runs["learned+local"]["mixture_weights"].values():
        assert np.shape(weights) == (4, 3, 4)  # products of two layers; three heads
        np.testing.assert_allclose(np.sum(weights, (1, 2)), 1.0, atol=1e-2)
    relations = runs["learned+local"]["relations"]
    everywhere = relations[ALL]["head"]
    assert everywhere["heads"] >= everywhere["neighbours"] > 0  # local is one of them
    assert "relations" not in runs["gold"]
    printed = capsys.readouterr().out
    assert "needle: the largest mixture weight is 0." in printed
    assert ", that of the graph of heads 0." in printed
    row = next(r for r in printed.splitlines() if r.startswith(f"| {ALL} |"))
    assert f"| {100 * everywhere['heads']:.1f} |" in row
    compare.main([*arguments, "--arms", *arms, "--table"])
    assert capsys.readouterr().out.strip() in printed


def test_a_folder_of_files_is_read(predictor_folder, tmp_path):
    for split in ("train", "dev"):
        path = tmp_path / f"xx_yy-ud-{split}.conllu"
        path.write_text(conllu() * 12, encoding="utf-8")
    arguments = ["--data", str(tmp_path), "--predictor", str(predictor_folder)]
    arguments += ["--output", str(tmp_path / "runs"), "--size", "smoke"]
    dependency_labels.main([*arguments, "--graph", "none", "--steps", "2"])
    (line,) = (tmp_path / "runs" / "runs.jsonl").read_text().splitlines()
    names = [source["name"] for source in json.loads(line)["data"]]
    assert names == ["xx_yy-ud-train.conllu", "xx_yy-ud-dev.conllu"]
    (tmp_path / "xx_yy-ud-dev.conllu").unlink()
    with pytest.raises(SystemExit, match="tfds:universal_dependencies/en_ewt"):
        dependency_labels.main([*arguments, "--graph", "none", "--steps", "2"])


@pytest.mark.parametrize(
    "option, value, message",
    [
        ("--window", "-1", "--window must be 0 or more"),
        ("--message-dim", "-1", "--message-dim must be 0 or more"),
        ("--steps", "1", "--steps must be at least --epochs, 2"),
        ("--features", "elmo:a", "must be vectors:PATH or trainable for this task"),
    ],
)
def test_settings_that_cannot_be_run_are_named(tmp_path, option, value, message):
    where = ["--output", tmp_path, "--size", "smoke"]
    with pytest.raises(UsageError, match=message):
        settings_of(DependencyTask(), *where, option, value)


def test_attention_of_a_file_is_an_arm(predictor_folder, tmp_path):
    arrays = {}
    for seed, split in enumerate(("train", "dev")):
        for number, sentence in enumerate(toy_trees.sentences(240, seed)):
            size = len(sentence.words) + 1  # after a mark of the begin
            attention = np.full((2, 3, size, size), 1 / size, "float16")
            attention[0, 1] = np.eye(size)[[0, *sentence.heads]]  # roots read the mark
            arrays[f"{split}_{number}"] = attention
            arrays[f"{split}_{number}_words"] = np.arange(size) - 1
    np.savez(tmp_path / "maps.npz", **arrays)
    arguments = ["dependency_labels", "--output", str(tmp_path / "runs"), "--size"]
    arguments += ["smoke", "--predictor", str(predictor_folder), "--seeds", "1"]
    arguments += ["--arms", "none", "attention"]
    with pytest.raises(SystemExit, match="needs --attention FILE"):
        compare.main(arguments)
    compare.main([*arguments, "--attention", str(tmp_path / "maps.npz")])
    runs = {run["arm"]: run for run in records.read_runs(tmp_path / "runs")}
    none, attention = (runs[name] for name in ("none", "attention"))
    assert attention["test"]["accuracy"] > none["test"]["accuracy"]
    assert attention["settings"]["attention"]["name"] == "maps.npz"
    assert "attention" not in none["settings"]


def test_the_graphs_of_an_attention_file_are_those_of_its_split(random, tmp_path):
    names = [f"{split}_{number}" for split in ("train", "dev") for number in (0, 1)]
    arrays = {name: random.random((2, 3, 5, 5)) for name in names}
    arrays["dev_0_words"] = np.array([0, -1, 1, 2, 2])
    np.savez(tmp_path / "maps.npz", **arrays)
    file = AttentionFile(tmp_path / "maps.npz")
    whole_lengths = np.array([3, 5])
    sentences = types.SimpleNamespace(whole_lengths=whole_lengths)
    arm = tree_arms.AttentionArm("attention", file).of_split("test", sentences)
    unit_ids = np.array([[4, 4, 4, 4, 4, 0], [4, 4, 4, 0, 0, 0], [0] * 6])
    inputs = arm.batch_inputs("words", np.array([1, 0]), unit_ids)
    assert set(inputs) == {"words_forward", "words_backward"}
    assert inputs["words_forward"].shape == (3, 2, 3, 6, 6)
    expected = graphs_from_attention(arrays["dev_1"][None])["forward"]
    found = inputs["words_forward"][:1, :, :, :5, :5]
    np.testing.assert_allclose(found, expected, atol=1e-3)
    assert not inputs["words_backward"][1, :, :, 3:].any()
    assert not inputs["words_forward"][2].any()
    # Of sentences that are cut, the maps of the words that are read.
    whole = inputs["words_forward"]
    inputs = arm.batch_inputs("words", np.array([1, 0]), unit_ids[:, :2])
    for direction in DIRECTIONS:
        graphs = inputs[f"words_{direction}"]
        assert graphs.shape == (3, 2, 3, 2, 2)
        reads = int(direction == "forward")  # the word that has one on its side
        np.testing.assert_allclose(graphs[:2].sum(axis=-1)[..., reads], 1, atol=1e-3)
    np.testing.assert_array_equal(inputs["words_forward"], whole[..., :2, :2])
