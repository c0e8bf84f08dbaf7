"""The ELMo recipe: from a corpus to a language model; counts to compare it with."""

import csv
import json
import sys

import ngram_baseline
import numpy as np
import pretrain_elmo
import pytest

from glomo_keras.data import character_ids
from glomo_keras.data.prepared import load_prepared
from glomo_keras.models import BidirectionalLanguageModel

TINY = (
    "--size smoke --steps-per-epoch 6 --window 11 --min-units 3 --valid-windows 5 "
    "--warmup 2 --num-words 40 --num-sampled 13 --no-jit"
).split()


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Documents in which every word is followed by the next one."""
    documents = []
    for start in range(60):
        words = [f"w{(start + step) % 50}" for step in range(30)]
        documents.append(" ".join(words))
    path = tmp_path_factory.mktemp("corpus") / "text.txt"
    path.write_text("\n\n".join(documents))
    return f"files:{path}"


def run(corpus, output, *more):
    pretrain_elmo.main(["--corpus", corpus, "--output", str(output), *TINY, *more])
    with (output / "log.csv").open() as file:
        return list(csv.DictReader(file))


def test_a_run_leaves_a_model_and_goes_on_after_a_stop(
    corpus, tmp_path, capsys, monkeypatch
):
    rows = run(corpus, tmp_path)
    assert [row["epoch"] for row in rows] == ["0", "1"]
    assert float(rows[1]["val_nats"]) < float(rows[0]["val_nats"]) < np.log(60)
    with monkeypatch.context() as patched:  # arrays are used without TensorFlow
        for name in ("prepare", "characters"):
            patched.setitem(sys.modules, f"glomo_keras.data.{name}", None)
        run(corpus, tmp_path, "--resume")  # has nothing left to do
    with pytest.raises(SystemExit, match="other settings .limit: None, not 9"):
        run(corpus, tmp_path, "--resume", "--limit", "9")
    with pytest.raises(SystemExit, match="holds a run already"):
        run(corpus, tmp_path)
    assert pretrain_elmo.parse_settings(["--output", "a"]).filters == (16, 32, 64, 96)
    shown = capsys.readouterr().out
    assert "Arrays of" in shown and "finished its 2 epochs. Nothing is" in shown
    assert shown.count(" nats; ") == 2
    model = BidirectionalLanguageModel.from_preset(tmp_path / "preset")
    assert model(np.ones((1, 2, 12), "int32")).shape == (1, 3, 2, 16)
    metadata = json.loads((tmp_path / "preset" / "metadata.json").read_text())
    assert metadata["training"]["num_words"] == 40

    ngram_baseline.main(
        ["--prepared", str(tmp_path / "prepared"), "--num-words", "40"]
        + ["--window", "11", "--valid-windows", "5", "--min-units", "3"]
    )
    lines = capsys.readouterr().out.splitlines()[-4:]
    assert [line.split()[0] for line in lines] == ["forward"] * 2 + ["backward"] * 2
    values = [float(line.split()[-1]) for line in lines]
    # Neighbours tell a word, but for the first ones and those that are unknown.
    assert values[1] < 6 < values[0] and values[3] < 6 < values[2]
    corpus = load_prepared(tmp_path / "prepared")
    assert corpus.units[1] == "[UNK]" and len(corpus.units) == 52


def test_characters_are_those_of_the_corpus_at_hand(corpus, tmp_path):
    options = ["--output", str(tmp_path / "run"), *TINY, "--prepare-only"]
    pretrain_elmo.main(["--corpus", corpus, *options])
    other = tmp_path / "other.txt"
    other.write_text("\n\n".join(["one two three four"] * 60))
    prepared = tmp_path / "run" / "prepared"
    (prepared / "metadata.json").unlink()  # or else other arrays are refused
    pretrain_elmo.main(["--corpus", f"files:{other}", *options])
    words = load_prepared(prepared).units
    assert "w1" not in words
    assert len(list(prepared.glob("characters_*.npy"))) == 2
    settings = pretrain_elmo.parse_settings(options)
    table = np.load(pretrain_elmo.characters_file(settings))
    expected = character_ids(words, table.shape[1]).numpy()
    np.testing.assert_array_equal(table[1:], expected[1:])


def test_trigrams_by_pencil():
    # a b a c, twice, as documents: c(a) = 4, c(a, b) = 2, c(b, a) = 2, c(b, a, c) = 2.
    text = np.array([1, 2, 1, 3, 1, 2, 1, 3])
    model = ngram_baseline.TrigramModel(text, np.array([0, 4, 8]), size=5)
    contexts = np.array([[2, 1], [-1, 1], [-1, -1], [4, 1]])
    parts, seen = model.parts(contexts, np.array([3, 3, 3, 3]))
    expected = [
        [1 / 5, 2 / 8, 2 / 4, 2 / 2],
        [1 / 5, 2 / 8, 2 / 4, 0],
        [1 / 5, 2 / 8, 0, 0],
        [1 / 5, 2 / 8, 2 / 4, 0],  # "4 1" was never seen
    ]
    np.testing.assert_allclose(parts, expected)
    assert seen.tolist() == [
        [True] * 4,
        [True] * 3 + [False],
        [True] * 2 + [False] * 2,
        [True] * 3 + [False],
    ]
    model.weights = np.array([0.1, 0.2, 0.3, 0.4])
    nats = model.nats(contexts[1:2], np.array([3]))
    assert nats[0] == pytest.approx(-np.log((0.02 + 0.05 + 0.15) / 0.6))
    # No pair crosses the documents: "c a" was not counted.
    crossing, _ = model.parts(np.array([[-1, 3]]), np.array([1]))
    assert crossing[0, 2] == 0


def test_weights_go_where_the_likelihood_is():
    generator = np.random.default_rng(0)
    text = generator.integers(0, 7, 5_000)
    text[1::2] = (text[::2] + 1) % 7  # every other word follows from the last
    model = ngram_baseline.TrigramModel(text[:4_000], np.array([0, 4_000]), size=7)
    contexts, words = ngram_baseline.contexts_of(text[4_000:].reshape(10, -1))
    before = model.nats(contexts, words).mean()
    model.fit_weights(contexts, words)
    after = model.nats(contexts, words).mean()
    assert after < before
    assert model.weights.sum() == pytest.approx(1.0)
