"""The command line starts quietly; nothing of it is done in other programs."""

import os
import pathlib
import subprocess
import sys

import pytest

import glomo_keras
from glomo_keras import start_up

CHECKOUT = pathlib.Path(glomo_keras.__file__).resolve().parents[1]


@pytest.mark.parametrize(
    ("argv", "orig_argv", "expected"),
    [
        (["-m", "list"], ["python", "-m", "glomo_keras", "list"], True),
        (["-m"], ["python", "-X", "dev", "-mglomo_keras"], True),
        (["-m", "glomo_keras"], ["python", "-m", "pytest", "glomo_keras"], False),
        (["-m", "x"], ["python", "-m", "glomo_keras_tools", "x"], False),
        (["/bin/glomo-keras", "list"], ["python", "/bin/glomo-keras", "list"], True),
        (["glomo-keras.exe"], ["python", "glomo-keras.exe"], True),
        (["train.py", "-m"], ["python", "train.py", "-m", "glomo_keras"], False),
        ([""], ["python"], False),
        ([], [], False),
    ],
)
def test_the_command_line_is_known(monkeypatch, argv, orig_argv, expected):
    monkeypatch.setattr(sys, "argv", argv)
    monkeypatch.setattr(sys, "orig_argv", orig_argv)
    assert start_up.is_command_line() == expected


MACHINE_LINES = (
    b"WARNING: All log messages before absl::InitializeLog() is called are written\n"
    b"I0000 00:00:1.2 3 port.cc:153] oneDNN custom operations are on.\n"
)


@pytest.mark.parametrize("level", [None, "3", "0"])
def test_only_lines_about_the_machine_are_left_out(monkeypatch, capfd, level):
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL", raising=False)
    if level is not None:
        monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", level)
    with pytest.raises(ImportError), start_up.without_machine_lines():
        os.write(2, MACHINE_LINES + b"a warning\n")
        raise ImportError
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == (level or "3")
    os.write(2, b"I0000 of later\n")
    all_lines = MACHINE_LINES.decode() if level == "0" else ""
    assert capfd.readouterr().err == f"{all_lines}a warning\nI0000 of later\n"


def test_without_room_for_a_file_all_is_shown(monkeypatch, capfd):
    def fail():
        raise FileNotFoundError("No usable temporary directory")

    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    monkeypatch.setattr(start_up.tempfile, "TemporaryFile", fail)
    with start_up.without_machine_lines():
        os.write(2, MACHINE_LINES)
    assert capfd.readouterr().err == MACHINE_LINES.decode()


def test_the_script_is_quiet_and_calls_itself_by_its_name(tmp_path):
    script = tmp_path / "glomo-keras"  # as pip writes it for the entry point
    (target,) = set(_entry_points())
    module, function = target.split(":")
    script.write_text(
        f"import sys\nfrom {module} import {function}\nsys.exit({function}())\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    environment.pop("TF_CPP_MIN_LOG_LEVEL", None)
    result = subprocess.run(
        [sys.executable, script, "inspect", "no_such_preset"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.returncode == 1 and result.stdout == ""
    (line,) = result.stderr.splitlines()  # nothing but the error
    assert line.startswith("glomo-keras inspect: There is no preset 'no_such_preset'")


def _entry_points():
    """Yield what the script of the command line runs, as `setup.py` has it."""
    for line in (CHECKOUT / "setup.py").read_text().splitlines():
        if f'"{start_up.SCRIPT} = ' in line:
            yield line.partition(f"{start_up.SCRIPT} = ")[2].partition('"')[0]
