"""The commands of the README and the guides: every one of them still parses."""

import argparse
import importlib
import pathlib
import re
import shlex

import pytest

ROOT = pathlib.Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
# A command ends with its line, unless that ends with a backslash, or with its code.
COMMAND = re.compile(r"python (?:\.\./)*recipes/(\w+)\.py((?:\\\n|[^\n`#|])*)")


def documented_commands():
    for page in PAGES:
        for program, rest in COMMAND.findall(page.read_text("utf-8")):
            words = shlex.split(rest.replace("\\\n", " "))
            yield pytest.param(program, words, id=f"{page.stem}-{program}")


COMMANDS = list(documented_commands())


class Parsed(Exception):
    """The command line was taken."""


@pytest.mark.parametrize("program, arguments", COMMANDS)
def test_a_documented_command_parses(program, arguments, monkeypatch):
    parse = argparse.ArgumentParser.parse_args

    def parse_and_stop(self, arguments=None, namespace=None):
        raise Parsed(parse(self, arguments, namespace))

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_and_stop)
    with pytest.raises(Parsed):
        importlib.import_module(program).main(arguments)


def test_every_table_has_a_command():
    programs = {command.values[0] for command in COMMANDS}
    assert {"compare", "quickstart", "planted_links", "ngram_baseline"} <= programs
    assert {"pretrain_text", "pretrain_images", "pretrain_elmo"} <= programs
    assert len(COMMANDS) > 30
