"""The planted-links recipe: arms, table, no run repeated, none that diverged."""

import json

import keras
import planted_links
import pytest

TINY = (
    "--seeds 1 --steps 3 --batch-size 2 --embedding-dim 8 --num-graph-layers 2 "
    "--num-heads 2 --no-jit"
).split()


@pytest.fixture(scope="module", autouse=True)
def few_steps():
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(planted_links, "STEPS_PER_EPOCH", 3)
        patched.setattr(planted_links, "NUM_TEST_SEQUENCES", 50)
        yield


def test_arms_are_run_once_and_tabulated(tmp_path, capsys, eagerly):
    arms = ["untrained", "mean", "mean"]
    arguments = ["--output", str(tmp_path), "--arms", *arms, *TINY]
    planted_links.main(arguments)
    lines = (tmp_path / "runs.jsonl").read_text().splitlines()
    runs = [json.loads(line) for line in lines]
    assert [run["arm"] for run in runs] == ["untrained", "mean"]
    assert all(0 <= run["accuracy"] <= 1 for run in runs)
    assert (tmp_path / "mean_0.csv").read_text().count("\n") == 2
    assert (tmp_path / "mean_0.keras").stat().st_size > 1_000
    assert "latest of its kind" in capsys.readouterr().out
    planted_links.main(arguments)
    assert (tmp_path / "runs.jsonl").read_text().splitlines() == lines
    assert "seed 0" not in capsys.readouterr().out
    with pytest.raises(SystemExit, match="line 1 .untrained, seed 0.*steps: 3, not 6"):
        planted_links.main([*arguments, "--steps", "6"])
    with (tmp_path / "runs.jsonl").open("a") as file:
        file.write(lines[1] + "\n")
    with pytest.raises(SystemExit, match="line 3 .mean, seed 0., is recorded twice"):
        planted_links.main(arguments)


def test_a_run_has_the_steps_that_were_asked_for(tmp_path, eagerly):
    arguments = ["--output", str(tmp_path), "--arms", "mean", *TINY, "--steps", "5"]
    planted_links.main(arguments)
    (line,) = (tmp_path / "runs.jsonl").read_text().splitlines()
    assert json.loads(line)["steps"] == 5
    rows = (tmp_path / "mean_0.csv").read_text().splitlines()[1:]
    assert [row.split(",")[0] for row in rows] == ["3", "5"]


@pytest.mark.parametrize("name", ["bfloat16", "float16"])
def test_half_precision_trains(tmp_path, name, eagerly):
    arguments = ["--output", str(tmp_path), "--arms", "entmax, offsets", *TINY]
    planted_links.main([*arguments, "--precision", name])
    (line,) = (tmp_path / "runs.jsonl").read_text().splitlines()
    assert json.loads(line)["settings"]["precision"] == name
    predictor = keras.models.load_model(tmp_path / "entmax, offsets_0.keras")
    assert predictor.dtype_policy.compute_dtype == name
    with pytest.raises(SystemExit, match="precision: '.*float16', not 'float32'"):
        planted_links.main(arguments)


def test_a_run_that_was_not_recorded_to_its_end_is_run_again(tmp_path, capsys):
    arguments = ["--output", str(tmp_path), "--arms", "untrained", *TINY]
    planted_links.main(arguments)
    path = tmp_path / "runs.jsonl"
    line = path.read_bytes()
    path.write_bytes(line[:-9])
    planted_links.main(arguments)
    assert "line 1, was not written to its end" in capsys.readouterr().out
    assert path.read_bytes() == line


def test_a_diverged_run_is_not_recorded(tmp_path, capsys, eagerly):
    arguments = ["--output", str(tmp_path), "--arms", "mean", *TINY]
    with pytest.raises(
        SystemExit, match=r"^error: `.*` is .* in epoch 1, step [1-3]\."
    ):
        planted_links.main([*arguments, "--learning-rate", "1e38"])
    assert "mean, seed 0" in capsys.readouterr().out
    assert not (tmp_path / "runs.jsonl").exists()
    assert not (tmp_path / "mean_0.keras").exists()
