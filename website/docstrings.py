"""The docstrings of the library as the reference site reads them."""

import ast
import re
from textwrap import dedent

import griffe

# Sections as the parser knows them, with the titles that are shown.
TITLES = {
    "Args:": "Args: Arguments:",
    "Attributes:": "Attributes: Attributes:",
    "Call arguments:": "Other Parameters: Call arguments:",
    "Example:": "**Example:**",
}
SECTION = re.compile(rf"^({'|'.join(TITLES)})$", re.M)
# What is returned has no name, and a text of its own: no list.
RESULT = re.compile(r"^(Returns|Yields):\n((?: +.*\n?|\n)+)", re.M)
LEAD = re.compile(r"^(Example|Reference|Source): ", re.M)
# "window, shift: ints" is one item, where the parser takes a space for its name's end.
NAMES = re.compile(r"^ +\w+(?:, \w+)+(?=: )", re.M)
EXAMPLE = re.compile(r"^>>> .*(?:\n.*\S.*)*", re.M)


class ReadDocstrings(griffe.Extension):
    """Make sections and examples known to the parser, and lazy names to the reader."""

    def on_instance(self, *, obj, **kwargs):
        """Rewrite the docstring of a module, class, function or attribute."""
        if obj.docstring is not None:
            obj.docstring.value = as_markdown(obj.docstring.value)

    def on_module_members(self, *, mod, **kwargs):
        """Take the names that a package imports on first use as imported."""
        if "_MODULE_OF" in mod.members:
            module_of = ast.literal_eval(str(mod["_MODULE_OF"].value))
            mod.exports = sorted(module_of)
            for name, module in module_of.items():
                mod.imports[name] = f"{mod.path}.{module}.{name}"

    def on_package(self, *, pkg, **kwargs):
        """Give each package what it lists in `__all__`, and hide its other modules."""
        listed = {}
        for package in pkg.modules.values():
            for name, module in package.modules.items():
                module.public = name in (package.exports or ())
            for name in package.exports or ():
                path = package.imports.get(name, "").removeprefix(f"{pkg.path}.")
                if path and not pkg[path].is_module:
                    listed[package, name] = pkg[path]
        # A function takes the place of a module that has its name.
        for (package, name), target in listed.items():
            package.set_member(name, griffe.Alias(name, target, parent=package))


def as_markdown(text):
    """Return a docstring with titles of sections, and with examples as code.

    Args:
        text: string, the docstring.

    Returns:
        String.
    """
    text = SECTION.sub(lambda match: TITLES[match[0]], text)
    text = RESULT.sub(lambda match: f"**{match[1]}:**\n\n{dedent(match[2])}", text)
    text = LEAD.sub(r"**\1:** ", text)
    text = NAMES.sub(lambda match: match[0].replace(", ", ",\N{NO-BREAK SPACE}"), text)
    return EXAMPLE.sub(r"```pycon\n\g<0>\n```", text)
