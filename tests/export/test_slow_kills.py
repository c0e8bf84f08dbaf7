"""kill -9 while something is written: the old model loads, or the new one."""

import os
import pathlib
import random
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
import tensorflow as tf

from glomo_keras.export import export_graph_predictor
from glomo_keras.models import GraphPredictor

KILLS = 25  # of either kind


def make(seed):
    keras.utils.set_random_seed(seed)
    return GraphPredictor(
        4_001, embedding_dim=24, num_graph_layers=1, num_heads=2, num_convolutions=1
    )


def write_presets(folder):
    """Save two predictors in turn until this process is killed."""
    predictors = [make(seed) for seed in (1, 2)]
    print("ready", flush=True)
    while True:
        for predictor in predictors:
            predictor.save_to_preset(folder)


def write_archives(folder):
    """Export version after version until this process is killed."""
    predictor = make(1)
    print("ready", flush=True)
    while True:
        export_graph_predictor(predictor, folder)


def kill_at_random(function, folder, longest):
    program = f"import test_slow_kills as t; t.{function.__name__}({str(folder)!r})"
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": os.path.dirname(__file__)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    time.sleep(random.uniform(0, longest))
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


@pytest.mark.slow
def test_presets(tmp_path):
    folder = tmp_path / "preset"
    known = [make(seed).get_weights() for seed in (1, 2)]
    make(1).save_to_preset(folder)
    met, unfinished = set(), 0
    for _ in range(KILLS):
        kill_at_random(write_presets, folder, longest=1.0)
        unfinished += len(list(folder.iterdir())) > 4
        weights = GraphPredictor.from_preset(folder).get_weights()
        met |= {
            number
            for number, others in enumerate(known)
            if all(map(np.array_equal, weights, others))
        }
    assert met == {0, 1}
    assert unfinished  # or no kill came while something was written
    make(1).save_to_preset(folder)
    assert len(list(folder.iterdir())) == 4


@pytest.mark.slow
def test_archives(tmp_path):
    expected = make(1)
    ids = tf.constant([[2, 3, 5, 7, 0]])
    inputs = {"unit_ids": ids, "padding_mask": ids != 0}
    graphs = expected(inputs)["forward"].numpy()
    export_graph_predictor(expected, tmp_path)
    folder = pathlib.Path(tmp_path) / "glomo_text_ids"
    seen, unfinished = set(), 0
    for _ in range(KILLS):
        kill_at_random(write_archives, tmp_path, longest=6.0)
        unfinished += len(list(tmp_path.glob(".*")))
        versions = {path for path in folder.iterdir() if path.name.isdecimal()}
        for path in versions - seen:
            serve = tf.saved_model.load(str(path)).signatures["serve"]
            np.testing.assert_allclose(serve(**inputs)["forward"], graphs, atol=1e-6)
        seen |= versions
    assert len(seen) > 1
    assert unfinished  # or no kill came while one was written
    export_graph_predictor(expected, tmp_path)
    assert not list(tmp_path.glob(".*"))
