"""The tables of the documentation are those of the runs that lie beside it."""

import json
import pathlib
import re

import pytest
import run_records
import run_tables

DOCS = pathlib.Path(__file__).parents[2] / "docs"
TABLES = (
    ("imdb_250",),
    ("imdb_2500",),
    ("imdb_25000",),
    ("squad_2500",),
    ("imdb_2500", "imdb_elmo", "imdb_both"),
)


@pytest.mark.parametrize("names", TABLES, ids="-".join)
def test_the_table_is_in_the_documentation(names):
    folders = [DOCS / "runs" / name for name in names]
    if len(names) == 1:
        lines = run_tables.table(folders[0], run_records.read_runs(folders[0]))
    else:
        lines = run_tables.table_of_outputs(folders)
    shown = without_intervals((DOCS / "results.md").read_text())
    for part in [*lines, *(f"docs/runs/{name}" for name in names)]:
        assert without_intervals(part) in shown


def without_intervals(text):
    """Their last digits may change with the random numbers of another NumPy."""
    return re.sub(r"\[[-+.\d]+, [-+.\d]+\]", "[]", text)


def test_no_run_is_left_out():
    folders = sorted(path.parent for path in DOCS.glob("runs/*/runs.jsonl"))
    assert {folder.name for folder in folders} == {n for names in TABLES for n in names}
    for folder in folders:
        runs = run_records.read_runs(folder)
        assert {run["scores"] for run in runs} == {
            path.relative_to(folder).as_posix() for path in folder.glob("scores/*")
        }
        assert '"/' not in json.dumps([run["settings"] for run in runs])
