"""Which head reads which relation: by pencil, of trees themselves, and as a program."""

import json

import keras
import numpy as np
import probe as program
import pytest
from experiment.dependencies import toy_trees
from experiment.dependencies.attention_file import AttentionFile
from experiment.dependencies.tree_arms import tree_graphs
from experiment.dependencies.treebank import Sentence
from experiment.probing import sources
from experiment.probing.arcs import name_pairs
from experiment.probing.arcs import tree_arcs
from experiment.probing.probe import Readings
from experiment.probing.probe import probe
from experiment.probing.shares import difference
from experiment.probing.shares import share
from experiment.probing.spanning_trees import pair_weights
from experiment.probing.spanning_trees import spanning_trees
from experiment.probing.strongest import found_arcs
from experiment.probing.strongest import strongest_senders
from experiment.process import UsageError
from experiment.run_clock import RunClock

from glomo_keras.models import GraphPredictor
from glomo_keras.models.ablations import AbstainingGraphPredictor

DIRECTIONS = ("forward", "backward")


def sentence(words, heads, labels):
    return Sentence(words.split(), np.array(heads, np.int32), labels.split())


DOGS = sentence("dogs do not bark", [4, 4, 4, 0], "nsubj aux advmod root")
NAMES = sentence(
    "Anna saw Bob and Anna saw Bob and BBC", [2, 0, 2, 6, 6, 2, 6, 9, 6], "x " * 9
)


def test_the_untrained_predictor_is_of_the_same_class(monkeypatch):
    arguments = {"embedding_dim": 4, "num_graph_layers": 1, "num_heads": 1}
    trained = AbstainingGraphPredictor(9, **arguments)
    monkeypatch.setattr(sources, "preset_vocabulary", lambda preset: None)
    monkeypatch.setattr(GraphPredictor, "from_preset", lambda preset: trained)
    predictor, untrained, _ = sources.load_predictor("mine")
    assert predictor is trained and untrained is not trained
    assert type(untrained) is AbstainingGraphPredictor


def test_arcs_of_a_tree():
    arcs = tree_arcs([NAMES, DOGS])
    assert len(arcs) == 8 + 3
    last = arcs.take(arcs.sentences == 1)
    assert last.earlier.tolist() == [0, 1, 2] and last.later.tolist() == [3, 3, 3]
    assert last.labels.tolist() == ["nsubj", "aux", "negation"]


def test_the_same_name_is_neither_a_first_word_nor_in_capitals():
    pairs = name_pairs([DOGS, NAMES])
    assert (pairs.sentences.tolist(), pairs.earlier.tolist()) == ([1], [2])
    assert pairs.later.tolist() == [6]


def test_strongest_senders_and_the_arcs_that_they_are():
    forward, backward = np.zeros((2, 1, 1, 2, 4, 4))
    forward[0, 0, 0, 3] = [0.2, 0.3, 0.5, 0]  # "bark" reads "not"
    backward[0, 0, 1, 0, 3] = 1  # "dogs" reads "bark"
    senders = strongest_senders({"forward": forward, "backward": backward})[0]
    assert senders.tolist() == [
        [-1, -1, -1, 2],
        [-1, -1, -1, -1],
        [-1, -1, -1, -1],
        [3, -1, -1, -1],
    ]
    found = found_arcs([senders], tree_arcs([DOGS]))
    assert found.tolist() == [[False] * 3 + [True], [False] * 4, [True] + [False] * 3]


def test_spanning_trees_are_those_of_scipy(random):
    csgraph = pytest.importorskip("scipy.sparse.csgraph")
    graphs = {
        "forward": np.tril(random.random((2, 3, 5, 7, 7)), -1),
        "backward": np.triu(random.random((2, 3, 5, 7, 7)), 1),
    }
    weights = pair_weights(graphs)
    assert weights.shape == (2, 16, 7, 7)
    trees = spanning_trees(weights, np.array([7, 4]), random)
    for text, length in enumerate((7, 4)):
        for head in range(16):
            part = weights[text, head, :length, :length]
            tree = csgraph.minimum_spanning_tree(-part)
            expected = {tuple(sorted(e)) for e in np.argwhere(tree.toarray()).tolist()}
            joined = trees[text, head].tolist()
            found = {tuple(sorted((w, joined[w]))) for w in range(1, length)}
            assert found == expected and joined[0] == -1
            assert joined[length:] == [-1] * (7 - length)


def test_weights_of_pairs_by_pencil():
    forward, backward = np.zeros((2, 1, 1, 1, 2, 2))
    forward[..., 1, 0], backward[..., 0, 1] = 0.25, 0.5
    weights = pair_weights({"forward": forward, "backward": backward})
    np.testing.assert_allclose(weights[0, 0], [[0, 0.75], [0.75, 0]])


def test_shares_of_words_and_their_differences():
    found, there = np.array([1, 0, 3, 2]), np.array([1, 2, 3, 4])
    value, low, high = share(found, there)
    assert value == 0.6 and 0.2 <= low < value < high <= 1
    assert difference(found, found, there) == (0, 0, 0)
    assert np.isnan(share(np.zeros(2), np.zeros(2))).all()


def gold(sentences):
    """Graphs of the trees: heads, and dependents."""
    for number, of_sentence in enumerate(sentences):
        mask = np.ones((1, len(of_sentence.words)), bool)
        yield np.array([number]), tree_graphs(of_sentence.heads[None], mask)


def test_trees_find_themselves():
    sentences = toy_trees.sentences(300, seed=1)
    readings = Readings.of(gold(sentences), sentences, RunClock(1))
    result = probe(readings, None, sentences)
    rows = {row["relation"]: row for row in result["relations"]}
    for label in ("det", "amod", "nsubj"):  # one of each, at most, of a word
        assert rows[label]["found"][0] == 1
    # An article stands right before its noun, or before an adjective.
    assert rows["det"]["by_offset"][0] < 0.7
    assert rows["amod"]["head"].startswith(("forward 1.", "backward 1."))
    assert result["attachment"]["graphs"]["found"] == (1, 1, 1)
    assert result["attachment"]["graphs"]["head"] == "1.1"
    assert 0.1 < result["attachment"]["chance"]["found"][0] < 0.4
    assert "untrained" not in result["attachment"]


@pytest.fixture(scope="module")
def preset(tmp_path_factory):
    vocabulary = tmp_path_factory.mktemp("vocabulary") / "vocabulary.txt"
    words = sorted({w for s in toy_trees.sentences(400, 0) for w in s.words})
    vocabulary.write_text("\n".join(["[PAD]", "[UNK]", *words]) + "\n", "utf-8")
    keras.utils.set_random_seed(3)
    predictor = GraphPredictor(
        len(words) + 2, embedding_dim=8, num_graph_layers=2, num_heads=2
    )
    folder = tmp_path_factory.mktemp("preset") / "tiny"
    predictor.save_to_preset(folder, vocabulary)
    return folder


def test_the_program_writes_tables_and_uses_them_again(preset, tmp_path, capsys):
    arguments = ["--presets", str(preset), "--limit", "300", "--output", str(tmp_path)]
    program.main(arguments)
    printed = capsys.readouterr().out
    assert "| det |" in printed and "| neighbours |" in printed
    assert (tmp_path / "tiny.md").read_text() in printed
    assert (tmp_path / "tiny.png").read_bytes().startswith(b"\x89PNG")
    result = json.loads((tmp_path / "tiny.json").read_text())
    row = result["relations"][0]
    assert row["relation"] == "all" and len(row["by_head"]) == 8
    program.main(arguments)
    assert "tiny.json is used" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="of other data"):
        program.main([*arguments, "--limit", "200"])


def test_attention_of_pieces_is_probed(tmp_path, capsys, random):
    arrays = {}
    for number, of_sentence in enumerate(toy_trees.sentences(120, seed=0)):
        words = [-1, *np.repeat(np.arange(len(of_sentence.words)), 2), -1]
        attention = random.random((2, 3, len(words), len(words)))
        arrays[f"dev_{number}"] = attention.astype("float16")
        arrays[f"dev_{number}_words"] = np.array(words)
    np.savez(tmp_path / "maps.npz", **arrays)
    arguments = ["--presets", "--attention", str(tmp_path / "maps.npz")]
    arguments += ["--limit", "120", "--output", str(tmp_path / "out")]
    program.main(arguments)
    printed = capsys.readouterr().out
    assert "## maps" in printed and "untrained" not in printed
    result = json.loads((tmp_path / "out" / "maps.json").read_text())
    assert len(result["relations"][0]["by_head"]) == 12


def test_a_result_has_the_name_of_its_run(tmp_path, monkeypatch):
    folder = tmp_path / "wikipedia" / "preset"
    folder.mkdir(parents=True)
    for place, given in ((folder.parent, "preset"), (folder, "."), (folder, folder)):
        monkeypatch.chdir(place)
        assert program.result_name(given) == "wikipedia"
    assert program.result_name("glomo_text_base_en") == "glomo_text_base_en"


def test_files_without_attention_are_refused(tmp_path):
    path = tmp_path / "maps.npz"
    path.write_bytes(b"no archive")
    with pytest.raises(UsageError, match="no .npz file"):
        AttentionFile(path)
    np.savez(path, dev_0=np.ones((1, 2, 3, 3)))
    file = AttentionFile(path)
    assert file.graphs("dev", 0, 3)["forward"].shape == (1, 2, 3, 3)
    with pytest.raises(UsageError, match="no attention of dev_1"):
        file.graphs("dev", 1, 3)
    for num_words in (2, 4):
        with pytest.raises(UsageError, match="Say whose words they are"):
            file.graphs("dev", 0, num_words)


def test_words_that_are_not_those_of_the_sentence_are_refused(tmp_path):
    arrays = {"dev_0": np.ones((1, 2, 3, 3)), "dev_0_words": np.array([1, 2, 3])}
    arrays |= {"dev_1": np.ones((2, 2, 3, 3)), "dev_2": np.ones((1, 2, 3, 3))}
    np.savez(tmp_path / "maps.npz", dev_2_words=np.array([-1, 0, 0]), **arrays)
    file = AttentionFile(tmp_path / "maps.npz")
    with pytest.raises(UsageError, match="from 0 to 2. Received: from 1 to 3"):
        file.graphs("dev", 0, 3)
    with pytest.raises(UsageError, match=r"\(2, 2\) layers and heads"):
        file.graphs("dev", 1, 3)
    with pytest.raises(UsageError, match="from 0 to 1. Received: from 0 to 0"):
        file.graphs("dev", 2, 2)
