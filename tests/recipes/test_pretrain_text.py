"""The text recipe: from a corpus to a predictor, and on after a stop."""

import csv
import json

import numpy as np
import pretrain_text
import pytest

from glomo_keras.models import GraphPredictor
from glomo_keras.models.presets import find_preset

TINY = (
    "--vocabulary-size 101 --embedding-dim 12 --num-graph-layers 2 --num-heads 3 "
    "--num-positions 5 --batch-size 3 --steps-per-epoch 4 --window 23 --shift 11 "
    "--min-units 3 --valid-windows 5 --warmup 2 --no-jit"
).split()
QUICK = ["--num-graph-layers", "1", "--context-length", "1"]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Forty short documents of a small language."""
    words = np.array([f"w{i}" for i in range(60)])
    generator = np.random.default_rng(0)
    documents = [" ".join(generator.choice(words, 40)) + "." for _ in range(40)]
    path = tmp_path_factory.mktemp("corpus") / "text.txt"
    path.write_text("\n\n".join(documents))
    return f"files:{path}"


def run(corpus, output, *more):
    arguments = ["--corpus", corpus, "--output", str(output), *TINY, *more]
    pretrain_text.main(arguments)
    with (output / "log.csv").open() as file:
        return list(csv.DictReader(file))


def test_a_run_leaves_all_that_it_promises(corpus, tmp_path, capsys):
    rows = run(corpus, tmp_path, "--epochs", "2", "--pictures-every", "2")
    assert [row["epoch"] for row in rows] == ["0", "1"]
    assert float(rows[1]["val_nats"]) < np.log(101)
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.startswith("epoch ") for line in lines) == 2
    predictor = GraphPredictor.from_preset(tmp_path / "preset")
    ids = np.array([[2, 3, 5, 7, 0]], "int32")
    graphs = predictor({"unit_ids": ids, "padding_mask": ids != 0})
    assert tuple(graphs["forward"].shape) == (1, 2, 3, 5, 5)
    assert len(list((tmp_path / "pictures").glob("epoch_002_text_*.png"))) == 4
    preset = find_preset(tmp_path / "preset")
    assert preset.vocabulary.read_text().startswith("[PAD]")
    assert preset.metadata["training"]["window"] == 23
    assert json.loads((tmp_path / "settings.json").read_text())["window"] == 23
    assert any((tmp_path / "logs").rglob("events*"))
    assert not list(tmp_path.rglob(".writing-*"))


def test_resuming_gives_what_an_uninterrupted_run_gives(corpus, tmp_path):
    common = ["--epochs", "3", "--pictures-every", "0", *QUICK]
    whole = run(corpus, tmp_path / "whole", *common)
    run(corpus, tmp_path / "parts", *common, "--stop-after", "1")
    parts = run(corpus, tmp_path / "parts", *common, "--resume")
    assert len(parts) == len(whole) == 3
    for one, other in zip(whole, parts, strict=True):
        assert float(one["val_nats"]) == pytest.approx(
            float(other["val_nats"]), abs=1e-5
        )
        assert float(one["nats"]) == pytest.approx(float(other["nats"]), abs=1e-5)


@pytest.mark.parametrize("graphs", ["uniform", "zeros", "softmax", "square"])
def test_controls_train(corpus, tmp_path, graphs):
    common = ["--epochs", "1", "--pictures-every", "0", "--graphs", graphs, *QUICK]
    (row,) = run(corpus, tmp_path, *common)
    density = {"uniform": 1.0, "zeros": 0.0, "softmax": 1.0, "square": 1.0}[graphs]
    assert float(row["val_density"]) == pytest.approx(density, abs=1e-3)
    assert np.isfinite(float(row["val_nats"]))


def test_released_sets_the_choices_of_the_authors_program(corpus, tmp_path):
    options = pretrain_text.parse_arguments(["--output", str(tmp_path), "--released"])
    assert options.optimizer == "sgd"
    assert options.learning_rate == 8.0
    assert options.clip_norm == 0.25
    model = pretrain_text.build_pretrainer(options, vocabulary_size=101)
    assert model.message == "product_concat"
    assert model.first_input == "zeros"
    assert model.num_decoder_layers == 2
    affinity = model.graph_predictor.get_layer("forward_affinity")
    assert affinity.threshold == "query"
    assert affinity.use_bias
    network = model.graph_predictor.get_layer("backward_network")
    assert network.normalization == "batch"


def test_a_missing_corpus_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no_such_file.txt"):
        run("files:no_such_file.txt", tmp_path)
