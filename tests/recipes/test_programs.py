"""All programs: listed, independent of each other, with their help; their process."""

import argparse
import ast
import io
import os
import pathlib
import re
import runpy
import subprocess
import sys

import ablate
import cifar10
import compare_designs
import compare_pretraining
import draw_label_curve
import imdb
import ngram_baseline
import nli
import planted_links
import pretrain_elmo
import pretrain_images
import pretrain_text
import pytest
import quickstart
import squad
import tree_graphs
import warmed_states
import word_senses
from experiment import process

RECIPES = pathlib.Path(__file__).parents[2] / "recipes"
PROGRAMS = sorted(path.stem for path in RECIPES.glob("*.py"))


def imported_modules(path):
    """Modules that a file imports, in the order of its lines."""
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    imports = (n for n in nodes if isinstance(n, ast.Import | ast.ImportFrom))
    for node in sorted(imports, key=lambda node: node.lineno):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        else:
            yield node.module


def test_the_folder_holds_programs_a_readme_and_one_package():
    names = {path.name for path in RECIPES.iterdir()} - {"__pycache__"}
    assert names == {f"{name}.py" for name in PROGRAMS} | {"README.md", "experiment"}


def test_the_readme_lists_every_program_once():
    text = (RECIPES / "README.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `python recipes/(\w+)\.py", text, re.MULTILINE)
    assert sorted(listed) == PROGRAMS
    shared = re.findall(r"`(\w+)(?:/|\.py)`", text.partition("experiment/")[2])
    inside = {p.stem for p in (RECIPES / "experiment").iterdir()}
    assert set(shared) == inside - {"__init__", "__pycache__"}


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_import_no_other_and_prepare_their_process_first(name):
    modules = list(imported_modules(RECIPES / f"{name}.py"))
    assert not set(modules) & set(PROGRAMS)
    others = [m for m in modules if m.split(".")[0] not in sys.stdlib_module_names]
    assert others[0] == "experiment.process"
    text = (RECIPES / f"{name}.py").read_text(encoding="utf-8")
    assert "@experiment.process.one_line_errors()\ndef main(" in text
    # Tasks are prepared by the runner.
    assert "prepare_process()" in text or "runner.main(" in text


def test_the_package_imports_no_program():
    for path in (RECIPES / "experiment").rglob("*.py"):
        assert not set(imported_modules(path)) & set(PROGRAMS), path


@pytest.mark.parametrize("name", PROGRAMS)
def test_help_runs(name, monkeypatch, capsys):
    parsers = []
    print_help = argparse.ArgumentParser.print_help

    def keep_and_print(self, file=None):
        parsers.append(self)
        print_help(self, file)

    monkeypatch.setattr(argparse.ArgumentParser, "print_help", keep_and_print)
    monkeypatch.setattr(sys, "argv", [f"{name}.py", "--help"])
    monkeypatch.setenv("COLUMNS", "80")
    path = RECIPES / f"{name}.py"
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(path), run_name="__main__")
    assert ended.value.code in (0, None)
    shown = capsys.readouterr().out
    assert f"usage: {name}.py" in shown
    # Examples are lines of their own, as they are written.
    described = ast.get_docstring(ast.parse(path.read_text("utf-8")))
    assert "    python recipes/" in described and described in shown
    assert max(map(len, described.splitlines())) < 80
    for parser in parsers:
        for action in parser._actions:
            assert action.help, action.option_strings


def test_nothing_but_the_program_writes_to_the_terminal():
    command = [sys.executable, str(RECIPES / "quickstart.py"), "--help"]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    ended = subprocess.run(command, env=environment, capture_output=True, check=True)
    assert ended.stdout.startswith(b"usage: quickstart.py") and ended.stderr == b""


@pytest.mark.parametrize(
    "recipe",
    [
        ablate,
        cifar10,
        compare_designs,
        compare_pretraining,
        draw_label_curve,
        imdb,
        ngram_baseline,
        nli,
        planted_links,
        pretrain_elmo,
        pretrain_images,
        pretrain_text,
        quickstart,
        squad,
        tree_graphs,
        warmed_states,
        word_senses,
    ],
)
def test_help_shows_every_default(recipe, monkeypatch):
    class Parsed(Exception):
        pass

    def stop(self, arguments=None):
        raise Parsed(self)

    with monkeypatch.context() as patched:
        patched.setattr(argparse.ArgumentParser, "parse_args", stop)
        with pytest.raises(Parsed) as parsed:
            recipe.main([])
    (parser,) = parsed.value.args
    for action in parser._actions:
        if action.default not in (None, False, argparse.SUPPRESS):
            assert "default" in action.help, action.option_strings
    if not recipe.__name__.startswith("pretrain_"):
        return
    monkeypatch.setenv("COLUMNS", "200")
    shown = parser.format_help()
    optimizer = (
        "default: adam; released: sgd" if recipe is pretrain_text else "default: adam"
    )
    assert f"({optimizer})" in shown
    assert ("released: 0.25" in shown) == (recipe is pretrain_text)
    table = shown.partition("what --size decides:")[2].splitlines()
    assert table[0].split() == list(recipe.SIZES)
    rows = [line.split()[0] for line in table[1:]]
    assert rows == [f"--{n.replace('_', '-')}" for n in recipe.SIZES["small"]]
    epochs = next(line.split()[1:] for line in table if "--epochs" in line)
    assert epochs == [str(size["epochs"]) for size in recipe.SIZES.values()]


def test_output_is_utf_8_whatever_the_locale(monkeypatch):
    written = io.BytesIO()
    stream = io.TextIOWrapper(written, encoding="cp1252")
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", stream)
        process.prepare_process()
        print("日本 \udc80", flush=True)
    assert written.getvalue() == "日本 \\udc80\n".encode()


@pytest.mark.parametrize(
    "error",
    [
        FloatingPointError("`loss` is nan"),
        ImportError('Use `pip install "glomo_keras[shards]"`.'),
        OSError(28, "No space left on device"),
        process.UsageError("other settings"),
    ],
)
def test_some_errors_end_a_program_with_one_line(error):
    with pytest.raises(SystemExit, match=r"^error: .*") as ended:
        with process.one_line_errors():
            raise error
    assert str(error) in ended.value.code and "\n" not in ended.value.code
    with pytest.raises(ValueError), process.one_line_errors():
        raise ValueError("a fault of the program keeps its traceback")
    with pytest.raises(ImportError), process.one_line_errors():
        import no_such_module  # noqa: F401
