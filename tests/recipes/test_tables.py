"""Tables of finished runs: what may stand in one, and what is said of the rest."""

import json

import compare
import numpy as np
import pytest
from experiment.comparison import records
from experiment.comparison import tables
from experiment.process import UsageError


def write_runs(folder, *runs):
    """Runs of three test examples each, whose scores are all `right`."""
    (folder / "scores").mkdir(parents=True)
    lines = []
    for number, (arm, site, seed, right) in enumerate(runs):
        scores = f"scores/{number}.npz"
        found = np.full(3, right)
        np.savez(folder / scores, examples=np.arange(3), accuracy=found)
        lines.append(
            {
                "task": "imdb", "arm": arm, "graph_on": site, "seed": seed,
                "test": {"accuracy": right}, "scores": scores, "best_dev": right,
                "settings": {"data": "toy"},
            }
        )  # fmt: skip
        if arm == "learned":
            lines[-1]["settings"]["predictor"] = "of a test"
    (folder / "runs.jsonl").write_text("".join(json.dumps(r) + "\n" for r in lines))
    return folder


def test_sites_have_rows_of_their_own(tmp_path):
    low, high = (
        write_runs(
            tmp_path / name,
            ("learned", "embeddings", 0, first),
            ("learned", "rnn_states", 0, second),
        )
        for name, first, second in (("low", 0.25, 0.5), ("high", 0.75, 0.625))
    )
    rows = [line.split(" | ") for line in tables.table_of_outputs([low, high])[2:6]]
    names = ["| learned, embeddings"] * 2 + ["| learned, rnn_states"] * 2
    assert [row[0] for row in rows] == names
    assert [row[2] for row in rows] == ["25.00", "75.00", "50.00", "62.50"]
    assert rows[3][5] == "+12.50 [+12.50, +12.50] |"


def test_seeds_that_are_not_common_are_told(tmp_path):
    runs = [("none", "embeddings", 0, 0.5)]
    runs += [("learned", "embeddings", seed, 0.75) for seed in range(2)]
    folder = write_runs(tmp_path / "runs", *runs)
    row = tables.table(folder, records.read_runs(folder))[3]
    assert "| 75.00 | 0.00 | 2 | +25.00 [+25.00, +25.00] (1 seed) |" in row


def test_settings_are_chosen_by_dev(tmp_path):
    plain = write_runs(
        tmp_path / "plain",
        *[("none", "embeddings", seed, right) for seed, right in enumerate((0.5, 0.6))],
        ("learned", "embeddings", 1, 0.8),
    )
    other = write_runs(tmp_path / "other", ("learned", "embeddings", 0, 0.75))
    text = (other / "runs.jsonl").read_text()
    (other / "runs.jsonl").write_text(text.replace("of a test", "another"))
    assert tables.dev_table([plain, other])[2:] == [
        "| none | plain | 55.00 | 7.07 | 2 |  |  |",
        "| learned | plain | 80.00 |  | 1 | +20.00 |  |",
        "| learned | other | 75.00 |  | 1 | +25.00 | predictor another |",
    ]
    states = write_runs(tmp_path / "states", ("learned", "rnn_states", 1, 0.9))
    assert tables.dev_table([plain, states])[3:] == [
        "| learned, embeddings | plain | 80.00 |  | 1 | +20.00 |  |",
        "| learned, rnn_states | states | 90.00 |  | 1 | +30.00 |  |",
    ]
    text = (plain / "runs.jsonl").read_text()
    text = text.replace('"data": "toy"', '"data": "toy", "residual": true')
    (plain / "runs.jsonl").write_text(text)
    last = tables.dev_table([plain, other])[-1]
    assert last.endswith("| residual None, predictor another |")


def test_a_table_of_other_settings_or_twice_the_same_run_is_refused(tmp_path):
    run = ("none", "embeddings", 0, 0.5)
    folder = write_runs(tmp_path / "runs", run, run)
    runs = records.read_runs(folder)
    with pytest.raises(ValueError, match="a run twice: .'none', None, 0"):
        tables.table(folder, runs)
    runs[1] |= {"seed": 1, "settings": {"data": "imdb"}}
    with pytest.raises(ValueError, match="data: 'toy' and 'imdb'"):
        tables.table(folder, runs)
    runs[1]["settings"] = {"data": "toy", "residual": True}
    with pytest.raises(ValueError, match="residual: None and True"):
        tables.table(folder, runs)


def test_a_run_without_a_result_is_refused(tmp_path):
    folder = write_runs(tmp_path / "runs", ("none", "embeddings", 0, float("nan")))
    with pytest.raises(ValueError, match="without a result.*accuracy nan. Remove its"):
        tables.table(folder, records.read_runs(folder))


def test_a_torn_line_costs_no_other(tmp_path, capsys):
    folder = write_runs(tmp_path / "runs", ("none", "embeddings", 0, 1.0))
    (run,) = records.read_runs(folder)
    with (folder / "runs.jsonl").open("a") as file:
        file.write('{"seed": ')
    records.append_runs(folder, {**run, "seed": 2})
    assert records.read_runs(folder) == [run, {**run, "seed": 2}]
    assert "runs.jsonl, line 2, was not written to its end" in capsys.readouterr().out


def test_what_cannot_be_shown_is_told(tmp_path, capsys):
    arguments = ["imdb", "--output", str(tmp_path)]
    for more in (["--against", "elsewhere"], ["--dev"]):
        with pytest.raises(SystemExit):
            compare.main([*arguments, *more])
        assert "--against and --dev are for" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="No run is finished in"):
        compare.main([*arguments, "--table"])


def test_runs_that_cannot_be_compared_are_refused(tmp_path):
    for name in ("one", "other"):
        folder = write_runs(tmp_path / name, ("none", "embeddings", 0, 0.5))
    text = (folder / "runs.jsonl").read_text()
    (folder / "runs.jsonl").write_text(text.replace("toy", "imdb"))
    for name, message in (
        ("other", "features alone. They differ in data: 'imdb', not 'toy'"),
        ("none", "No run is finished in"),
    ):
        with pytest.raises(ValueError, match=message):
            tables.table_of_outputs([tmp_path / "one", tmp_path / name])


def test_runs_that_are_best_at_their_end_are_told(tmp_path):
    folder = write_runs(
        tmp_path, *[("none", "embeddings", seed, 0.5) for seed in range(3)]
    )
    runs = records.read_runs(folder)
    for run, best in zip(runs, (5, 5, 2), strict=True):
        run["settings"] |= {"epochs": 5, "learning_rate": 0.002}
        run["best_epoch"] = best
    lines = tables.table(folder, runs)
    assert "| 0.002 | 4.0 of 5 |" in lines[2]
    assert any(line.startswith("Warning: 2 of 3 runs are best in") for line in lines)
    runs[0]["best_epoch"] = 4
    assert not any("Warning" in line for line in tables.table(folder, runs))


def of_data(folder, *sources):
    """Say of the runs of a folder which data they are of."""
    runs = [{**run, "data": sources} for run in records.read_runs(folder)]
    (folder / "runs.jsonl").write_text("".join(json.dumps(r) + "\n" for r in runs))
    return folder


def test_outputs_of_other_data_are_refused(tmp_path):
    test, vectors = ({"name": name, "sha256": "1"} for name in ("test", "vectors"))
    one, other = (
        write_runs(tmp_path / name, ("none", "embeddings", 0, right))
        for name, right in (("one", 0.5), ("other", 0.75))
    )
    # Other features read other files.
    outputs = [of_data(one, test, vectors), of_data(other, test)]
    assert "| +25.00 [+25.00, +25.00] |" in tables.table_of_outputs(outputs)[3]
    of_data(other, {**test, "sha256": "2"})
    with pytest.raises(UsageError, match="on other data: .*'1'.*'2'"):
        tables.table_of_outputs(outputs)


def test_sites_have_mixes_of_their_own(tmp_path):
    runs = [("learned", site, 0, 0.5) for site in ("embeddings", "rnn_states")]
    folder = write_runs(tmp_path / "runs", *runs)
    runs = records.read_runs(folder)
    for run, shares in zip(runs, ([0.75, 0.25], [0.5, 0.5]), strict=True):
        run["elmo_mix"] = {"shares": shares, "gamma": 1.0}
    assert [line.split(" (")[0] for line in tables.mixes(runs)] == [
        "learned, embeddings: layers 0.75",
        "learned, rnn_states: layers 0.50",
    ]
