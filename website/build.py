"""Build the reference site: the guides where they lie, and a page a public module.

python website/build.py --output build/site
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from links import broken_links
from links import link_names

from glomo_keras.files import atomic_folder

ROOT = Path(__file__).resolve().parents[1]
MODULES = (
    "layers",
    "models",
    "ops",
    "data",
    "export",
    "analysis",
    "callbacks",
    "optimizers",
    "distribution",
)
# A page has the path that it has in the repository: relative links hold as they are.
PAGES = ("*.md", "docs/**/*.md", "docs/images/*", "recipes/*.md", "benchmarks/*.md")
PAGES += ("saved_models/**/*.md",)


def main():
    """Build the site, and fail on warnings and on broken links."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "site")
    site = parser.parse_args().output.resolve()
    if site.exists() and not (site / "index.html").is_file() and any(site.iterdir()):
        parser.error(f"--output must be empty or a site. Received: {site}")
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        write_sources(folder)
        render(folder)
        link_names(folder / "site")
        broken = broken_links(folder / "site")
        if broken:
            sys.exit("Broken links:\n" + "\n".join(broken))
        site.parent.mkdir(parents=True, exist_ok=True)
        with atomic_folder(site) as temporary:
            shutil.copytree(folder / "site", temporary, dirs_exist_ok=True)
    print(f"{len(list(site.rglob('*.html')))} pages in {site}")


def write_sources(folder):
    """Lay out what the generator reads: the pages, and its configuration."""
    pages = folder / "pages"
    pages.mkdir()
    shutil.copy(ROOT / "website" / "style.css", pages)
    for pattern in PAGES:
        for path in ROOT.glob(pattern):
            page = pages / path.relative_to(ROOT)
            page.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, page)
    (pages / "reference").mkdir()
    for name in MODULES:
        page = pages / "reference" / f"{name}.md"
        page.write_text(f"::: glomo_keras.{name}\n", encoding="utf-8")
    settings = (ROOT / "website" / "site.yml").read_text(encoding="utf-8")
    settings += f"\nnav: {json.dumps(navigation())}\n"  # JSON is YAML as well
    (folder / "mkdocs.yml").write_text(settings, encoding="utf-8")


def navigation():
    """Return the tabs and their pages; guides in the order of their index."""
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    guides = re.findall(r"\]\((.*?\.md)\)", index)
    models = sorted(path.parent.name for path in ROOT.glob("saved_models/*/README.md"))
    return [
        {"Home": ["README.md", "CHANGELOG.md"]},
        {"Guides": ["docs/README.md", *(f"docs/{guide}" for guide in guides)]},
        {
            "Reference": [
                {f"glomo_keras.{name}": f"reference/{name}.md"} for name in MODULES
            ]
        },
        {"Programs": ["recipes/README.md", "benchmarks/README.md"]},
        {
            "Saved models": [
                "saved_models/README.md",
                *({name: f"saved_models/{name}/README.md"} for name in models),
            ]
        },
    ]


def render(folder):
    """Run the generator, and fail on warnings: of itself, and on docstrings."""
    environment = dict(os.environ)
    # Signatures are wrapped by Ruff, and docstrings read by website/docstrings.py.
    for name, path in ("PATH", Path(sys.executable).parent), ("PYTHONPATH", ROOT):
        paths = [str(path), environment.get(name)]
        environment[name] = os.pathsep.join(filter(None, paths))
    result = subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--strict"],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    print(result.stdout)
    if result.returncode or re.search("^[a-z_.]+: ", result.stdout, re.M):
        sys.exit("The site was not built: see the warnings above.")


if __name__ == "__main__":
    main()
