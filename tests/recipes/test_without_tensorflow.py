"""Programs that pretrain start where TensorFlow is not installed."""

import os
import pathlib
import subprocess
import sys

import pytest

RECIPES = pathlib.Path(__file__).parents[2] / "recipes"
PROGRAMS = sorted(path.stem for path in RECIPES.glob("pretrain_*.py"))

pytest.importorskip("jax")


@pytest.mark.parametrize("name", PROGRAMS)
def test_pretraining_needs_no_tensorflow(name):
    code = (
        "import runpy, sys; sys.modules['tensorflow'] = None; "
        "sys.argv[1:] = ['--help']; "
        f"runpy.run_module('{name}', run_name='__main__', alter_sys=True)"
    )
    chosen = {"KERAS_BACKEND": "jax", "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-c", code]
    subprocess.run(
        command, env=os.environ | chosen, cwd=RECIPES, capture_output=True, check=True
    )
