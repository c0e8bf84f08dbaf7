"""The whole planted-links training: minutes, run by `make test-slow`."""

import json

import planted_links
import pytest


@pytest.mark.slow
def test_defaults_find_the_planted_links(tmp_path):
    planted_links.main(["--output", str(tmp_path), "--arms", "mean", "--seeds", "1"])
    run = json.loads((tmp_path / "runs.jsonl").read_text())
    assert run["accuracy"] >= 0.95
    assert min(run["by_kind"].values()) >= 0.9
