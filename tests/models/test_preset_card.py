"""Cards that the library writes are its own, and those of others stay."""

import json

import numpy as np
import pytest

from glomo_keras.models import GraphPredictor
from glomo_keras.models import preset_files
from glomo_keras.models import presets
from glomo_keras.models.preset_card import make_card


def save(folder, value, **keywords):
    sizes = {"num_graph_layers": 1, "num_heads": 2, "num_convolutions": 1}
    predictor = GraphPredictor(4, embedding_dim=4, **sizes)
    weights = [np.full(weight.shape, value) for weight in predictor.weights]
    predictor.set_weights(weights)
    return predictor.save_to_preset(folder, **keywords)


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.mark.parametrize("step", ["write_json", "write_text"])
@pytest.mark.parametrize("card", [None, "by hand"])
def test_a_kill_between_two_files_makes_no_card_a_handwritten_one(
    tmp_path, monkeypatch, step, card
):
    save(tmp_path, 0.1)
    writer = getattr(preset_files, step)

    def write_and_end(path, content):
        writer(path, content)
        if path.name in ("metadata.json", "README.md"):
            raise Killed

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(preset_files, step, write_and_end)
        save(tmp_path, 0.2, card=card)
    fingerprint = save(tmp_path, 0.3)
    text = (tmp_path / "README.md").read_text()
    if card and step == "write_text":
        assert text == "by hand"
    else:
        assert fingerprint in text


def test_a_card_that_somebody_wrote_stays_from_save_to_save(tmp_path):
    save(tmp_path, 0.1)
    (tmp_path / "README.md").write_text("by hand")
    for value in (0.2, 0.3):
        save(tmp_path, value)
        assert (tmp_path / "README.md").read_text() == "by hand"
    metadata = json.loads((tmp_path / "metadata.json").read_text())
    assert metadata["automatic_cards"] == []


def test_the_heads_have_a_table():
    metadata = {
        "config": {"class_name": "GraphPredictor", "registered_name": "a>b"},
        "fingerprint": "0123",
        "versions": {},
        "training": {
            "heads": {
                "density": {"forward": [[0.25, 0.125]], "backward": [[1.0, None]]},
                "specificity": {"forward": [[0.5, 12.345]], "backward": [[0.0, 0.1]]},
            }
        },
    }
    lines = make_card("name", metadata, 1).splitlines()
    start = lines.index("| direction, layer, head | density | specificity |")
    assert lines[start + 1 : start + 7] == [
        "|---|---|---|",
        "| forward 0 0 | 0.25 | 0.5 |",
        "| forward 0 1 | 0.125 | 12.3 |",
        "| backward 0 0 | 1 | 0 |",
        "| backward 0 1 |  | 0.1 |",
        "",
    ]
    assert not any("None" in line or "{" in line for line in lines)


@pytest.mark.parametrize("heads", [{}, {"kept": [1, 3]}, {"a": {"forward": 3}}, 8])
def test_heads_of_another_form_are_a_note(heads, tmp_path):
    model = GraphPredictor(5, embedding_dim=4)
    model.save_to_preset(tmp_path, training={"heads": heads})
    lines = (tmp_path / "README.md").read_text().splitlines()
    assert f"| heads | {heads} |" in lines


def test_a_card_that_cannot_be_made_leaves_nothing(tmp_path, monkeypatch):
    def fail(*arguments):
        raise RuntimeError

    monkeypatch.setattr(presets, "make_card", fail)
    with pytest.raises(RuntimeError):
        save(tmp_path, 1.0)
    assert not [path for path in tmp_path.iterdir() if path.suffix in (".h5", ".json")]


def test_notes_on_the_training_stay_in_their_cells():
    metadata = {
        "config": {"class_name": "GraphPredictor", "registered_name": "a>b"},
        "fingerprint": "0123",
        "versions": {},
        "training": {"fingerprint": "other", "a|b": "one\n\n| two |"},
    }
    lines = make_card("name", metadata, 1).splitlines()
    assert "| fingerprint | 0123 |" in lines
    assert "| fingerprint | other |" in lines[lines.index("## Training") :]
    assert r"| a\|b | one \| two \| |" in lines


def test_the_model_is_described_by_its_own_arguments(tmp_path):
    asked = {"threshold": None, "num_heads": 8, "vocabulary_size": 16_000}
    training = {**asked, "normalization": "none", "best_epoch": 3, "limit": None}
    training["seed"] = 7
    save(tmp_path, 0.1, training=training)
    lines = (tmp_path / "README.md").read_text().splitlines()
    start, middle = lines.index("## Arguments"), lines.index("## Training")
    of_model, of_training = lines[start:middle], lines[middle:]
    for row in ("threshold | entmax", "num_heads | 2", "vocabulary_size | 4"):
        assert f"| {row} |" in of_model
    assert "| best_epoch | 3 |" in of_training and "| seed | 7 |" in of_training
    for name in (*asked, "normalization", "limit", "trainable"):
        assert not any(line.startswith(f"| {name} |") for line in of_training), name
