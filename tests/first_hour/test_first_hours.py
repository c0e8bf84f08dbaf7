"""The first hours of three users, from a wheel in an environment of its own."""

import os
import pathlib
import shutil
import subprocess
import sys
import venv

import pytest

pytestmark = pytest.mark.wheel

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SOURCES = ("glomo_keras", "saved_models", "setup.py", "pyproject.toml", "README.md")
HOURS = ("modeller", "researcher", "operator")


@pytest.fixture(scope="module")
def hours(tmp_path_factory):
    """The three programs, running in folders of their own, by name."""
    folder = tmp_path_factory.mktemp("first_hour")
    source = folder / "source"  # a build leaves files behind
    source.mkdir()
    for name in SOURCES:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    wheels = folder / "wheels"
    build = [*pip, "wheel", "--no-deps", "--wheel-dir", wheels, source]
    subprocess.run(list(map(str, build)), check=True)
    (wheel,) = wheels.iterdir()
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv" / "bin" / "python"
    install = [python, *pip[1:], "install", f"{wheel}[plots,serving]"]
    subprocess.run(list(map(str, install)), check=True)
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "KERAS", "GLOMO", "PYTEST"))
    }
    running = {}
    for name in HOURS:
        (folder / name).mkdir()
        with (folder / f"{name}.err").open("w") as errors:
            running[name] = subprocess.Popen(
                [python, HERE / f"{name}_hour.py"],
                cwd=folder / name,
                env={**environment, "TF_CPP_MIN_LOG_LEVEL": "3"},
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
    yield folder, running
    for process in running.values():
        process.kill()


@pytest.mark.parametrize("name", HOURS)
def test_hour(hours, name):
    folder, running = hours
    shown, _ = running[name].communicate(timeout=600)
    errors = (folder / f"{name}.err").read_text("utf-8")
    assert running[name].returncode == 0, errors
    assert shown == (HERE / "expected" / f"{name}.txt").read_text("utf-8")
    sources = (folder / "venv").rglob("glomo_keras/__init__.py")
    assert len(list(sources)) == 1  # no link to the checkout
