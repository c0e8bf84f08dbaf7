"""The saved models of the checkout are what their manifest says."""

import importlib.util
import json
import pathlib

import numpy as np
import pytest

from glomo_keras.models import GraphPredictor

ROOT = pathlib.Path(__file__).parents[1]


@pytest.fixture
def verify():
    spec = importlib.util.spec_from_file_location(
        "verify", ROOT / "saved_models" / "verify.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_files_and_answers(verify, capsys):
    # The others answer in `make verify-saved-models`.
    assert list(verify.problems([verify.FOLDER / "glomo_image_small"])) == []
    shown = capsys.readouterr().out
    assert "glomo_image_small, archive, backward: within" in shown


def test_sizes(verify):
    sizes = [path.stat().st_size for path in verify.FOLDER.rglob("*")]
    assert max(sizes) < 16e6 and sum(sizes) < 40e6
    for folder in verify.models():
        metadata = json.loads((folder / "metadata.json").read_text())
        assert metadata["training"], folder


def test_what_is_wrong_is_told(verify, tmp_path, monkeypatch):
    made = tmp_path / "made"
    made.mkdir()
    for name in ("metadata.json", "same.txt", "changed.txt", "new.txt"):
        (made / name).write_text("{}")
    monkeypatch.setattr(verify, "FOLDER", tmp_path)
    answer = {"forward": np.array([0.25, 0.75]), "layers": np.zeros((3, 5, 3))}
    monkeypatch.setattr(verify, "answers", lambda folder: {"preset": answer})
    expected = dict.fromkeys(
        ("forward", "backward"), {"senders": [0, 1], "values": [0.75, 0.25]}
    )
    expected["layers"] = {"values": np.zeros((3, 4, 3)).tolist()}  # of another shape
    (made / "expected.json").write_text(json.dumps(expected))
    manifest = verify.checksums()
    manifest["made/gone.txt"] = manifest["made/same.txt"]
    del manifest["made/new.txt"]
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    (made / "changed.txt").write_text("else")
    assert list(verify.problems()) == [
        "made/changed.txt: changed",
        "made/gone.txt: missing",
        "made/new.txt: not in the manifest",
        "made: forward of the preset differs",
        "made: backward of the preset differs",
        "made: layers of the preset differs",
    ]


def test_a_damaged_model_is_told_with_its_files(verify, tmp_path, monkeypatch):
    made = tmp_path / "made"
    GraphPredictor(5, embedding_dim=4).save_to_preset(made)
    (made / "expected.json").write_text("{}")
    monkeypatch.setattr(verify, "FOLDER", tmp_path)
    (tmp_path / "manifest.json").write_text(json.dumps(verify.checksums()))
    (weights,) = made.glob("*.h5")
    weights.write_bytes(b"")
    first, second = verify.problems()
    assert first == f"made/{weights.name}: changed"
    assert second.startswith("made: ") and "truncated" in second


@pytest.mark.parametrize(
    ("weights", "is_written"), [([0.25, 0.75], True), ([0.75, 0.25], False)]
)
def test_update_keeps_answers_that_differ_by_rounding(
    verify, tmp_path, monkeypatch, weights, is_written
):
    made = tmp_path / "made"
    made.mkdir()
    (made / "metadata.json").write_text("{}")
    before = {"forward": {"senders": [0, 1], "values": [0.75, 0.25]}}
    (made / "expected.json").write_text(json.dumps(before))
    monkeypatch.setattr(verify, "FOLDER", tmp_path)
    answer = {"preset": {"forward": np.array(weights) + 1e-6}}
    monkeypatch.setattr(verify, "answers", lambda folder: answer)
    verify.update([])
    after = json.loads((made / "expected.json").read_text())
    assert (after != before) == is_written
    assert list(verify.problems()) == []


def test_update_of_one_model_says_nothing_of_others(verify, tmp_path, monkeypatch):
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "metadata.json").write_text("{}")
    monkeypatch.setattr(verify, "FOLDER", tmp_path)
    monkeypatch.setattr(verify, "answers", lambda folder: {"preset": {}})
    verify.update([])
    for name in ("one", "other"):
        (tmp_path / name / "metadata.json").write_text("changed")
    verify.update(["one"])
    assert list(verify.problems([])) == ["other/metadata.json: changed"]
