"""What the guide to looking at graphs shows runs."""

import pathlib
import re
import shlex

import keras
import numpy as np
import pytest

import glomo_keras.__main__ as command_line

ROOT = pathlib.Path(__file__).parents[1]
GUIDE = (ROOT / "docs" / "looking.md").read_text("utf-8")
pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the text units need TensorFlow"
)


def test_the_command_writes_the_page(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    command, _ = re.findall(r"```\npython -m glomo_keras (.*?)```", GUIDE, re.S)
    command_line.main(shlex.split(command.replace("\\\n", " ")))
    assert capsys.readouterr().out.strip() == "page.html"
    assert '"monarchs"' in pathlib.Path("page.html").read_text("utf-8")


def test_the_command_for_images_writes_the_page(tmp_path, monkeypatch, capsys):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    monkeypatch.chdir(tmp_path)
    pyplot.imsave("photo.png", np.zeros((20, 24, 3), "uint8"))
    _, command = re.findall(r"```\npython -m glomo_keras (.*?)```", GUIDE, re.S)
    command_line.main(shlex.split(command))
    assert capsys.readouterr().out.strip() == "pixels.html"


def test_the_program_writes_the_page(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (program,) = re.findall(r"```python\n(.*?)```", GUIDE, re.S)
    exec(compile(program, "looking.md", "exec"), {})
    assert '"barked"' in pathlib.Path("page.html").read_text("utf-8")


def test_weights_that_the_guide_quotes(text_graphs):
    outputs = text_graphs(["My unborn children will never appear on the Today show ."])
    units = [unit.decode() for unit in outputs["units"][0].numpy()]
    weights = outputs["backward"][0, 1, 7].numpy()[units.index("never")]
    assert f"{weights[units.index('appear')]:.2f}" == "0.63"
    assert "(0.63)" in GUIDE


@pytest.fixture
def text_graphs():
    from glomo_keras.export import TextGraphs

    return TextGraphs.from_preset("glomo_text_small_en")
