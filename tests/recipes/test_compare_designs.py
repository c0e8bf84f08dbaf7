"""Designs of graph predictors side by side."""

import csv
import json

import compare_designs
import pytest
from experiment.process import UsageError

ROW = {
    "val_nats": 4.0,
    "val_specificity": 0.5,
    "val_effective_senders": 3.0,
    "val_within_1": 0.25,
    "val_within_4": 0.75,
}


def write_run(folder, rows=(ROW, ROW), accuracies=(), judged="preset abc", **settings):
    (folder / "preset").mkdir(parents=True)
    (folder / "preset" / "metadata.json").write_text('{"fingerprint": "abc"}')
    with (folder / "log.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=["epoch", *ROW])
        writer.writeheader()
        for epoch, row in enumerate(rows):
            writer.writerow({"epoch": epoch, **row})
    sizes = {"batch_size": 10, "window": 100, "steps_per_epoch": 500}
    settings = {**sizes, "threshold": "mean", "seed": 0, "output": "x", **settings}
    (folder / "settings.json").write_text(json.dumps(settings))
    if accuracies:
        (folder / "judge").mkdir()
        lines = [
            json.dumps(
                {
                    "task": "dependency_labels", "arm": "learned", "seed": seed,
                    "graph_on": "embeddings", "test": {"accuracy": accuracy},
                    "settings": {"predictor": judged}, "scores": "",
                }
            ) + "\n"
            for seed, accuracy in enumerate(accuracies)
        ]  # fmt: skip
        (folder / "judge" / "runs.jsonl").write_text("".join(lines))
    return folder


def cells(line):
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_what_differs_is_a_column_and_seeds_are_one_row(tmp_path):
    lines = compare_designs.make_table(
        [
            write_run(tmp_path / "one"),
            write_run(tmp_path / "two", threshold="entmax", accuracies=(0.6, 0.7)),
            write_run(
                tmp_path / "three",
                rows=[ROW, {**ROW, "val_nats": 4.2}],
                threshold="entmax",
                seed=1,
                output="y",
            ),
        ]
    )
    header, _, mean, entmax = map(cells, lines)
    assert header[:4] == ["threshold", "runs", "units (M)", "nats"]
    assert header[-1] == "judge, learned"
    assert mean[:4] == ["mean", "1", "1.0", "4.000"] and mean[-1] == "-"
    assert entmax[:4] == ["entmax", "2", "1.0", "4.100 +- 0.141"]
    assert entmax[4:] == ["0.50", "3.0", "25%", "75%", "65.0"]


def test_a_longer_schedule_is_no_other_seed(tmp_path):
    runs = [write_run(tmp_path / str(n), epochs=n) for n in (2, 8)]
    assert cells(compare_designs.make_table(runs)[0])[:2] == ["epochs", "runs"]


def test_runs_without_what_is_compared(tmp_path):
    with pytest.raises(UsageError, match="has no finished epoch"):
        compare_designs.make_table([write_run(tmp_path / "none", rows=())])
    rows = [{name: ROW[name] for name in ROW if name != "val_specificity"}]
    with pytest.raises(UsageError, match="log.csv has no val_specificity"):
        compare_designs.make_table([write_run(tmp_path / "old", rows=rows)])


def test_runs_on_other_data_are_no_seeds(tmp_path):
    runs = [write_run(tmp_path / a, arrays=a, seed=n) for n, a in enumerate("ab")]
    with pytest.raises(UsageError, match="differ in their data.*'a' and 'b'"):
        compare_designs.make_table(runs)
    # Of another design they may be.
    runs[1] = write_run(tmp_path / "c", arrays="b", threshold="entmax")
    assert len(compare_designs.make_table(runs)) == 4


def test_judges_that_do_not_compare_are_refused(tmp_path):
    first = write_run(tmp_path / "first", accuracies=(0.6,))
    path = first / "judge" / "runs.jsonl"
    attention = path.read_text().replace(
        '{"predictor": "preset abc"', '{"attention": 1'
    )
    path.write_text(path.read_text() + attention.replace("learned", "attention"))
    assert len(compare_designs.make_table([first])) == 3  # arms alone differ so
    old = write_run(tmp_path / "old", accuracies=(0.6,), judged="preset abd")
    with pytest.raises(UsageError, match="on the predictor preset abd.* is abc"):
        compare_designs.make_table([first, old])
    other = write_run(tmp_path / "other", accuracies=(0.6,))
    path = other / "judge" / "runs.jsonl"
    path.write_text(
        path.read_text().replace('{"predictor"', '{"length": 9, "predictor"')
    )
    with pytest.raises(UsageError, match="differ in their settings.*length"):
        compare_designs.make_table([first, other])
