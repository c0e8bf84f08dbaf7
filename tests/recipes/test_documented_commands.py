"""The commands of the README and the guides: every one of them still parses."""

import argparse
import ast
import importlib
import pathlib
import re
import shlex
import string

import pytest

ROOT = pathlib.Path(__file__).parents[2]
RECIPES = ROOT / "recipes"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGES += [RECIPES / "README.md", *sorted(RECIPES.glob("*.py"))]
BLOCK = re.compile(r"^```\w*\n(.*?)^```", re.S | re.M)
PLACEHOLDER = "NAME"
INLINE = re.compile(r"`([^`]*python [^`]*)`")
ASSIGNMENT = re.compile(r"^(?:export )?(\w+)=(\"[^\"]*\"|'[^']*'|\S+)$")
LOOP = re.compile(r"for (\w+) in (.*?); do")
COMMAND = re.compile(r"python \S*recipes/(\w+)\.py\b([^|#;]*)")


def shell_lines(page):
    """Yield the lines of all code of a page, continued ones in one piece."""
    text = page.read_text("utf-8")
    if page.suffix == ".py":
        described = ast.get_docstring(ast.parse(text)).replace("\\\n", " ")
        lines = described.splitlines()
        yield from (line for line in lines if line.startswith("    python "))
        return
    for block in BLOCK.findall(text):
        yield from block.replace("\\\n", " ").splitlines()
    for code in INLINE.findall(BLOCK.sub("", text)):
        yield code.replace("\n", " ")


def documented_commands():
    for page in PAGES:
        variables = {}
        loop, values = None, [None]
        for line in shell_lines(page):
            in_loop = LOOP.match(line)
            if in_loop:
                loop, values = in_loop[1], shlex.split(in_loop[2])
            assignment = ASSIGNMENT.match(line.strip())
            if assignment:
                name, value = assignment.groups()
                variables[name] = string.Template(value.strip("\"'")).safe_substitute(
                    variables
                )
            for program, rest in COMMAND.findall(line):
                if program == PLACEHOLDER:
                    continue
                for value in values if loop and f"${loop}" in rest else [None]:
                    words = string.Template(rest).substitute(variables | {loop: value})
                    name = f"{page.parent.name}-{page.stem}-{program}"
                    yield pytest.param(program, shlex.split(words), id=name)


COMMANDS = list(documented_commands())


class Parsed(Exception):
    """The command line was taken."""


@pytest.mark.parametrize("program, arguments", COMMANDS)
def test_a_documented_command_parses(program, arguments, monkeypatch):
    parse = argparse.ArgumentParser.parse_args

    def parse_and_stop(self, arguments=None, namespace=None):
        raise Parsed(parse(self, arguments, namespace))

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_and_stop)
    with pytest.raises((Parsed, SystemExit)) as stopped:
        importlib.import_module(program).main(arguments)
    if stopped.type is SystemExit:  # of --help
        assert stopped.value.code == 0


def test_every_table_has_a_command():
    programs = {command.values[0] for command in COMMANDS}
    assert {"compare", "quickstart", "planted_links", "ngram_baseline"} <= programs
    assert {"pretrain_text", "pretrain_images", "pretrain_elmo"} <= programs
    assert len(COMMANDS) > 30
