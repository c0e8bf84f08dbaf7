"""Presets by addresses of the Hugging Face Hub, of a stand-in on this machine."""

import hashlib
import http.server
import json
import shutil
import subprocess
import sys
import threading
import urllib.parse

import keras
import numpy as np
import pytest

from glomo_keras.models import GraphPredictor
from glomo_keras.models import find_preset
from glomo_keras.models import hub_presets
from glomo_keras.models import load_preset

REVISIONS = {"main": "a" * 40, "v1": "b" * 40}


class Hub(http.server.BaseHTTPRequestHandler):
    """What the client asks of the Hub: the files of a revision, and each of them."""

    folders = {}  # by commit

    def do_HEAD(self):
        self.answer(with_body=False)

    def do_GET(self):
        self.answer(with_body=True)

    def answer(self, with_body):
        parts = urllib.parse.urlparse(self.path).path.strip("/").split("/")
        if parts[:4] == ["api", "models", "user", "words"]:
            name = parts[5] if len(parts) > 5 else "main"
            commit = name if name in self.folders else REVISIONS.get(name)
            if commit is None:
                self.refuse("RevisionNotFound")
                return
            files = sorted(self.folders[commit].iterdir())
            body = {"id": "user/words", "sha": commit, "private": False}
            body["siblings"] = [{"rfilename": path.name} for path in files]
            if parts[4:5] == ["tree"]:
                body = [
                    {
                        "type": "file",
                        "path": path.name,
                        "size": path.stat().st_size,
                        "oid": hashlib.sha1(path.read_bytes()).hexdigest(),
                    }
                    for path in files
                ]
            self.send(json.dumps(body).encode(), with_body)
        elif parts[:3] == ["user", "words", "resolve"] and len(parts) == 5:
            commit = REVISIONS.get(parts[3], parts[3])
            content = (self.folders[commit] / parts[4]).read_bytes()
            self.send(content, with_body, commit)
        else:
            self.refuse("RepoNotFound")

    def send(self, content, with_body, commit=None):
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        if commit:
            self.send_header("X-Repo-Commit", commit)
            self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()[:40]}"')
        self.end_headers()
        if with_body:
            self.wfile.write(content)

    def refuse(self, code):
        self.send_response(404)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments):
        pass


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """Two revisions of a preset on a stand-in; `folders` by name of the revision."""
    constants = pytest.importorskip(
        "huggingface_hub.constants", reason="huggingface_hub is not installed"
    )
    folders = {}
    for number, name in enumerate(REVISIONS):
        keras.utils.set_random_seed(number)
        folders[name] = tmp_path / "published" / name
        GraphPredictor(
            5, embedding_dim=6, num_graph_layers=1, num_heads=2, num_convolutions=1
        ).save_to_preset(folders[name])
        (folders[name] / "notes.pkl").write_bytes(b"never asked for")
    handler = type("Handler", (Hub,), {})
    handler.folders = {commit: folders[name] for name, commit in REVISIONS.items()}
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    monkeypatch.setattr(
        constants,
        "HUGGINGFACE_CO_URL_TEMPLATE",
        endpoint + "/{repo_id}/resolve/{revision}/{filename}",
    )
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_PROGRESS_BARS", True)
    yield folders
    server.shutdown()
    server.server_close()


def test_presets_are_loaded_by_revision(hub):
    for address, name in (
        ("hf://user/words", "main"),
        ("hf://user/words@v1", "v1"),
        ("hf://user/words@main", "main"),
    ):
        expected = GraphPredictor.from_preset(hub[name])
        loaded = GraphPredictor.from_preset(address, trainable=False)
        assert not loaded.trainable_weights
        for one, two in zip(loaded.weights, expected.weights, strict=True):
            np.testing.assert_array_equal(one, two)
        folder = hub_presets.download_preset(address)
        names = {path.name for path in hub[name].iterdir()} - {"notes.pkl"}
        assert {path.name for path in shutil.os.scandir(folder)} == names
        fingerprint = find_preset(hub[name]).metadata["fingerprint"]
        assert find_preset(address).metadata["fingerprint"] == fingerprint


def test_files_that_are_not_those_that_were_saved_are_refused(hub):
    fingerprint = find_preset(hub["v1"]).metadata["fingerprint"]
    other = find_preset(hub["main"]).weights
    shutil.copy(other, hub["v1"] / f"{fingerprint}.weights.h5")
    with pytest.raises(ValueError, match="is damaged: its checksum is not that of"):
        load_preset("hf://user/words@v1")


def test_what_is_not_there_is_named(hub):
    for address in ("hf://user/words@v9", "hf://user/others"):
        with pytest.raises(FileNotFoundError, match=f"{address} cannot be downloaded"):
            load_preset(address)


@pytest.mark.parametrize("address", ["hf://", "hf://user", "hf://a/b/c", "hf://a/b@"])
def test_addresses_have_a_form(address):
    with pytest.raises(ValueError, match="must be hf://USER/NAME"):
        load_preset(address)


def test_what_to_install_is_said():
    script = (
        "import sys; sys.modules['huggingface_hub'] = None\n"
        "from glomo_keras.models import load_preset\n"
        "load_preset('hf://user/words')"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True
    )
    assert ended.returncode == 1
    assert 'pip install "glomo_keras[hub]"' in ended.stderr.splitlines()[-1]
