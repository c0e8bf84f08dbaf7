"""The saved models of the checkout are what their manifest says."""

import importlib.util
import json
import pathlib

import pytest

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
    assert list(verify.problems()) == []
    shown = capsys.readouterr().out
    assert "glomo_text_small_en, text archive, backward: within" in shown


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
    monkeypatch.setattr(verify, "answers", lambda folder: {"preset": {"forward": [1]}})
    (made / "expected.json").write_text('{"forward": [1.5]}')
    manifest = verify.checksums()
    manifest["made/gone.txt"] = manifest["made/same.txt"]
    del manifest["made/new.txt"]
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    (made / "changed.txt").write_text("else")
    assert list(verify.problems()) == [
        "made/changed.txt: changed",
        "made/gone.txt: missing",
        "made/new.txt: not in the manifest",
        "made: forward graphs of the preset differ",
    ]
