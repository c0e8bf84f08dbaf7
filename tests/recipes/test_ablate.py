"""The table of ablations: its rows, its steps, what is done and what has failed."""

import contextlib
import json
import subprocess

import ablate
import compare
import numpy as np
import pretrain_text
import pytest
from experiment.ablations import report
from experiment.ablations import steps
from experiment.ablations.rows import FIRST
from experiment.ablations.rows import ROWS
from experiment.ablations.settings import TASKS
from experiment.comparison import paper
from experiment.process import UsageError

QUICK = "--no-jit --embedding-dim 8 --num-heads 2 --num-convolutions 1 --window 32"
QUICK += " --shift 16 --valid-windows 4 --num-classes 9"

EVERYTHING = ["--rows", *ROWS, "--tasks", *TASKS, "--seeds", "2"]


def arguments(prepared, output, *more):
    common = ["--prepared", str(prepared), "--output", str(output), "--size", "smoke"]
    common += ["--steps", "2", "--epochs", "1", "--pretrain", QUICK]
    return [*common, "--judge", "--epochs 1 --steps 1", *more]


def test_steps_are_run_once_and_the_tables_written(
    prepared, tmp_path, capsys, monkeypatch
):
    more = ["--rows", "glomo", "none", "--tasks", "judge", "--seeds", "1"]
    ablate.main(arguments(prepared, tmp_path, *more))
    printed = capsys.readouterr().out
    assert "3 steps, 0 of them done." in printed
    assert "step 3 of 3" in printed
    lines = (tmp_path / "ablations.md").read_text().splitlines()
    assert "\n".join(lines) in printed
    rows = [line for line in lines if line.startswith(("| glomo |", "| none |"))]
    assert len(rows) == 3  # the graphs of one, the scores of both
    preset = tmp_path / "glomo" / "seed_0" / "pretraining" / "preset"
    assert (preset / "metadata.json").exists()

    monkeypatch.setattr(subprocess, "run", None)
    ablate.main(arguments(prepared, tmp_path, *more))
    again = capsys.readouterr().out
    assert "3 steps, 3 of them done." in again
    assert (tmp_path / "ablations.md").read_text().splitlines() == lines
    ablate.main(arguments(prepared, tmp_path, "--table"))
    assert capsys.readouterr().out.splitlines() == lines
    with pytest.raises(SystemExit, match="holds runs with other settings .steps: 2"):
        ablate.main(arguments(prepared, tmp_path, *more, "--steps", "3"))
    with pytest.raises(SystemExit, match="Nothing is done in"):
        ablate.main(arguments(prepared, tmp_path / "nowhere", "--table"))
    with pytest.raises(SystemExit):
        ablate.main(arguments(prepared, tmp_path, "--epochs", "4"))
    assert "must be a multiple of --epochs" in capsys.readouterr().err
    # Options of a task count from its first run on.
    for options, is_refused in (("--num-dev 9", False), ("--num-dev 8", True)):
        settings, _ = ablate.parse_settings(
            arguments(prepared, tmp_path, "--tasks", "nli", "--nli", options)
        )
        refused = pytest.raises(UsageError, match="nli: '--num-dev 9', not")
        with refused if is_refused else contextlib.nullcontext():
            ablate.write_settings(settings)


def test_what_fails_is_shown_and_the_rest_is_run(
    prepared, tmp_path, capsys, monkeypatch
):
    def run(command, stdout, stderr):
        is_pretraining = command[1].endswith("pretrain_text.py")
        if is_pretraining and "square" in command:
            stdout.write(b"warning\nerror: The loss is not finite.\n")
            return subprocess.CompletedProcess(command, 1)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(steps, "_result", lambda step: "well")
    monkeypatch.setattr(report, "tables", lambda output: ["the tables"])
    more = ["--rows", "sparse", "glomo", "--seeds", "1", "--tasks", "judge", "nli"]
    with pytest.raises(SystemExit, match="1 steps that failed.*sparse, seed 0, pretr"):
        ablate.main(arguments(prepared, tmp_path, *more))
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].endswith("pretraining.log")
    assert lines[2].startswith(
        "sparse, seed 0, pretraining: FAILED: The loss is not finite. (status 1, see "
    )
    for line, task in zip(lines[3:5], ("judge", "nli"), strict=True):
        assert line == f"sparse, seed 0, {task}: left out, its pretraining has failed"
    assert sum("glomo" in line and "well" in line for line in lines) == 3
    assert "the tables" in lines


def test_options_of_no_task_are_refused_before_anything(prepared, tmp_path, capsys):
    with pytest.raises(SystemExit, match="--nli must be options of nli.py.*--wrong 1"):
        more = ["--tasks", "nli", "--nli", "--wrong 1"]
        ablate.main(arguments(prepared, tmp_path, *more))
    assert "unrecognized arguments: --wrong" in capsys.readouterr().err
    assert not any(tmp_path.iterdir())


def test_rows_and_tasks_that_are_named_twice_run_once(prepared, tmp_path):
    arguments = ["--prepared", str(prepared), "--output", str(tmp_path)]
    arguments += ["--rows", "glomo", "none", "glomo", "--tasks", "judge", "judge"]
    settings, _ = ablate.parse_settings(arguments)
    assert (settings.rows, settings.tasks) == (("glomo", "none"), ("judge",))


def test_every_row_is_what_the_programs_take(prepared, tmp_path):
    settings, _ = ablate.parse_settings(arguments(prepared, tmp_path, *EVERYTHING))
    of_rows = {}
    for step in steps.list_steps(settings):
        program, *options = steps.command(settings, step)[1:]
        if step.name == steps.PRETRAINING:
            assert program.endswith("recipes/pretrain_text.py")
            parsed = pretrain_text.parse_settings(options)
            if step.seed == 0:
                classes = range(6) if parsed.num_classes else None
                pretrain_text.build_pretrainer(parsed, [*"abcde", "."], classes)
            assert parsed.seed == step.seed
            decided = {**vars(parsed), "output": None, "seed": None}
            of_rows.setdefault(step.row, str(sorted(decided.items())))
        else:
            assert program.endswith("recipes/compare.py")
            assert compare.parse_arguments(options).seeds == range(
                step.seed, step.seed + 1
            )
    pretrained = [name for name, row in ROWS.items() if row.is_pretrained]
    assert list(of_rows) == pretrained
    # No two rows are the same pretraining.
    assert len(set(of_rows.values())) == len(pretrained)


def test_the_arrays_of_a_task_are_shared_by_vocabulary(prepared, tmp_path):
    settings, _ = ablate.parse_settings(arguments(prepared, tmp_path, *EVERYTHING))
    first, none, other = (
        next(
            step
            for step in steps.list_steps(settings)
            if (step.row, step.name) == (row, "imdb")
        )
        for row in (FIRST, "none", "sparse")
    )
    arrays = first.folder / "arrays"
    arrays.mkdir(parents=True)
    (arrays / "metadata.json").write_text("{}")
    (arrays / "ids.npy").write_bytes(b"7")
    for step in (none, other):
        step.folder.mkdir(parents=True)
        steps._share_arrays(settings, step)
    assert (other.folder / "arrays" / "ids.npy").read_bytes() == b"7"
    assert not (none.folder / "arrays").exists()


def make_run(output, row, seed, task, scores, **settings):
    """Write what a finished run leaves."""
    folder = output / row / f"seed_{seed}" / task
    folder.mkdir(parents=True)
    np.savez(folder / "scores.npz", accuracy=np.array(scores, float))
    run = {"seed": seed, "scores": "scores.npz", "test": {}}
    run["settings"] = {"data": "imdb", **settings}
    run |= {"task": task, "arm": "learned", "graph_on": "embeddings"}
    (folder / "runs.jsonl").write_text(json.dumps(run) + "\n")
    (folder / "done.json").write_text('{"seconds": 1}')


def test_tables_by_pencil(tmp_path):
    right, wrong = [1] * 60 + [0] * 20, [1] * 20 + [0] * 60
    for seed in (0, 1):
        make_run(tmp_path, "glomo", seed, "imdb", right)
        make_run(tmp_path, "sparse", seed, "imdb", wrong)
        make_run(tmp_path, "hierarchical", seed, "imdb", [1] * 80)
    make_run(tmp_path, "uniform", 1, "imdb", [*right[:-1], 1])
    lines = report.tables(tmp_path)
    cells = {line.split(" | ")[0]: line.split(" | ") for line in lines if "|" in line}
    assert cells["| glomo"][2:6] == ["75.00", "0.00", "2", ""]
    assert cells["| glomo"][6:] == ["89.16", " |"]
    assert cells["| sparse"][2] == "25.00"
    assert cells["| sparse"][5].startswith("-50.00 [-")
    assert cells["| sparse"][6:] == ["88.96", "-0.20 |"]
    assert cells["| uniform"][3:5] == ["", "1"]  # one seed has no spread
    assert cells["| uniform"][5] == "+1.25 [-1.20, +3.70]"
    (order,) = (line for line in lines if line.startswith("Of the paper's"))
    assert order.endswith(
        "hold: sparse; unclear: none; reversed: hierarchical; of one seed: uniform."
    )
    assert not report.tables(tmp_path / "nowhere")[2:]


@pytest.mark.parametrize(
    ("settings", "title", "has_paper"),
    [
        ({"test": "dev_matched"}, "### MultiNLI, matched", True),
        ({"test": "dev_mismatched"}, "### MultiNLI, mismatched", False),
        ({"test": "dev_matched", "data": "toy"}, "### MultiNLI, matched", False),
    ],
)
def test_the_paper_stands_beside_its_own_task(settings, title, has_paper, tmp_path):
    for row in ("glomo", "none"):
        for seed in (0, 1):
            make_run(tmp_path, row, seed, "nli", [1, 0], **settings)
    lines = report.tables(tmp_path)
    assert title in lines
    assert any("77.14" in line for line in lines) == has_paper
    assert any("the paper's differences" in line for line in lines) == has_paper


def test_rows_on_other_data_are_refused(tmp_path):
    for row in ("glomo", "none"):
        make_run(tmp_path, row, 0, "imdb", [1, 0])
        path = tmp_path / row / "seed_0" / "imdb" / "runs.jsonl"
        data = [{"name": "test", "sha256": row}]
        run = {**json.loads(path.read_text()), "data": data}
        path.write_text(json.dumps(run))
    with pytest.raises(UsageError, match="on other data"):
        report.tables(tmp_path)


def test_the_papers_rows_are_rows():
    for task, numbers in paper.ABLATIONS.items():
        assert numbers.keys() <= ROWS.keys(), task
        assert FIRST in numbers
    # The same rows stand in Table 1.
    for task, name in (("imdb", "imdb"), ("nli dev_matched", "nli dev_matched")):
        run = {
            "task": name.split()[0],
            "settings": {"data": "x", "test": "dev_matched"},
        }
        of_paper = paper.percent_of(run)
        assert float(of_paper["none"]["accuracy"]) == paper.ABLATIONS[task]["none"]
        learned = float(of_paper["learned, embeddings"]["accuracy"])
        assert learned == paper.ABLATIONS[task][FIRST]
    assert set(TASKS) == set(report._SHOWN)
