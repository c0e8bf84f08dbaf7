"""The tables of the documentation are those of the runs that lie beside it."""

import json
import pathlib
import re

import pytest
from experiment.ablations import report as ablation_report
from experiment.comparison import records
from experiment.comparison import tables
from experiment.probing import report

DOCS = pathlib.Path(__file__).parents[2] / "docs"
TABLES = (
    ("labels_500",),
    ("labels_4000",),
    ("labels_window",),
    ("labels_needle",),
    ("labels_needle_free",),
    ("labels_trees",),
    ("labels_unseen",),
    ("cifar10_8000",),
    ("imdb_250",),
    ("imdb_2500",),
    ("imdb_24000",),
    ("nli_20000_mixtures",),
    ("nli_20000_free",),
    ("nli_20000_trees",),
    ("squad_5000",),
    ("squad_elmo",),
    ("imdb_vectors", "imdb_elmo", "imdb_both"),
)
DEV_TABLES = (
    ("nli_20000_free", "nli_20000_fast"),
    (
        "nli_dev",
        "nli_dev_dropout",
        "nli_dev_fast",
        "nli_dev_mixtures",
        "nli_dev_rnn",
        "nli_dev_single",
        "nli_dev_small",
        "nli_dev_top1",
        "nli_dev_unconditional",
    ),
)


@pytest.mark.parametrize("names", TABLES, ids="-".join)
def test_the_table_is_in_the_documentation(names):
    folders = [DOCS / "runs" / name for name in names]
    if len(names) == 1:
        lines = tables.table(folders[0], records.read_runs(folders[0]))
    else:
        lines = tables.table_of_outputs(folders)
    shown = without_intervals((DOCS / "results.md").read_text())
    for part in [*lines, *(f"docs/runs/{name}" for name in names)]:
        assert without_intervals(part) in shown


@pytest.mark.parametrize("names", DEV_TABLES, ids=lambda names: names[0])
def test_the_table_of_settings_is_in_the_documentation(names):
    table = "\n".join(tables.dev_table([DOCS / "runs" / name for name in names]))
    assert table in (DOCS / "results.md").read_text()


def test_the_tables_of_the_probe_are_in_the_documentation():
    shown = (DOCS / "results.md").read_text()
    paths = sorted((DOCS / "runs" / "probe_ewt").glob("*.json"))
    assert len(paths) == 2
    for path in paths:
        lines = report.tables(path.stem, json.loads(path.read_text()))
        rows = [line for line in lines if line.startswith("|")]
        assert "\n".join(rows[:20]) in shown and "\n".join(rows[-4:]) in shown
        assert f"`{path.stem}`:" in shown


def test_the_tables_of_ablations_are_in_the_documentation():
    lines = ablation_report.tables(DOCS / "runs" / "ablations")
    assert sum(line.startswith("| glomo |") for line in lines) >= 2
    shown = without_intervals((DOCS / "results.md").read_text())
    assert without_intervals("\n".join(lines).strip()) in shown


def without_intervals(text):
    """Their last digits may change with the random numbers of another NumPy."""
    return re.sub(r"\[[-+.\d]+, [-+.\d]+\]", "[]", text)


def test_no_run_is_left_out():
    folders = sorted(path.parent for path in DOCS.glob("runs/*/runs.jsonl"))
    shown = {name for names in TABLES + DEV_TABLES for name in names}
    assert {folder.name for folder in folders} == shown
    for folder in folders:
        runs = records.read_runs(folder)
        assert {run["scores"] for run in runs} == {
            path.relative_to(folder).as_posix() for path in folder.glob("scores/*")
        }
        assert '"/' not in json.dumps([run["settings"] for run in runs])
