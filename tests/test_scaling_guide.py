"""What the guide to several devices shows runs, in a process of its own."""

import re

import keras
import pytest
import worker_processes as processes


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="strategies are TensorFlow's"
)
def test_the_program_trains(tmp_path):
    guide = (processes.ROOT / "docs" / "scaling.md").read_text("utf-8")
    blocks = re.findall(r"```python\n(.*?)```", guide, re.S)
    assert len(blocks) == 2  # the other sets what all models of a JAX process use
    program, log = tmp_path / "program.py", tmp_path / "log"
    program.write_text(blocks[0])
    processes.finish(processes.start(log, program), log)
    assert "nats" in log.read_text()
