"""The planted-links recipe: arms, table, and no run repeated."""

import json

import planted_links

TINY = (
    "--seeds 1 --steps 0 --batch-size 2 --embedding-dim 8 --num-graph-layers 2 "
    "--num-heads 2 --no-jit"
).split()


def test_arms_are_run_once_and_tabulated(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(planted_links, "STEPS_PER_EPOCH", 3)
    monkeypatch.setattr(planted_links, "NUM_TEST_SEQUENCES", 50)
    arguments = ["--output", str(tmp_path), "--arms", "untrained", "mean", *TINY]
    planted_links.main(arguments)
    runs = [json.loads(line) for line in (tmp_path / "runs.jsonl").open()]
    assert [run["arm"] for run in runs] == ["untrained", "mean"]
    assert all(0 <= run["accuracy"] <= 1 for run in runs)
    assert (tmp_path / "mean_0.csv").read_text().count("\n") == 2
    assert "latest of its kind" in capsys.readouterr().out
    planted_links.main(arguments)
    assert len((tmp_path / "runs.jsonl").read_text().splitlines()) == 2
    assert "seed 0" not in capsys.readouterr().out
