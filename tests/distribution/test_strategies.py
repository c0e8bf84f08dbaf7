"""Strategies by name, and what cannot be done under one."""

import keras
import numpy as np
import pytest

from glomo_keras.distribution import is_chief
from glomo_keras.distribution import make_strategy
from glomo_keras.distribution import strategies
from glomo_keras.distribution.distributed_training import DistributedModel
from glomo_keras.models import GLoMoPretrainer
from glomo_keras.models import GraphPredictor

on_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="strategies are TensorFlow's"
)
UNIT_IDS = np.full((2, 5), 3, "int32")


def pretrainer():
    predictor = GraphPredictor(
        13, embedding_dim=6, num_graph_layers=1, num_heads=2, num_convolutions=1
    )
    return GLoMoPretrainer(predictor, context_length=1)


@pytest.fixture(scope="module")
def strategy():
    return make_strategy("mirrored")  # of one device: one a process


def test_a_single_device_needs_no_strategy():
    assert make_strategy("none") is None and is_chief(None)


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="none, mirrored, multiworker"):
        make_strategy("parameter_server")


def test_other_backends_are_refused(monkeypatch):
    monkeypatch.setattr(strategies.keras.backend, "backend", lambda: "jax")
    with pytest.raises(ValueError, match=r"keras\.distribution\.DataParallel"):
        make_strategy("mirrored")


@on_tensorflow
@pytest.mark.parametrize(
    "config",
    [
        None,
        "{",
        "[]",
        '{"cluster": {"worker": ["a:1", "b:1"]}}',
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 3}}',
    ],
)
def test_a_cluster_needs_a_whole_configuration(monkeypatch, config):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    if config is not None:
        monkeypatch.setenv("TF_CONFIG", config)
    with pytest.raises(ValueError, match="needs the environment variable TF_CONFIG"):
        make_strategy("multiworker")


@on_tensorflow
def test_a_cluster_of_one_is_refused(monkeypatch):
    one = '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 0}}'
    monkeypatch.setenv("TF_CONFIG", one)
    with pytest.raises(ValueError, match="single worker, a:1"):
        make_strategy("multiworker")


@pytest.mark.parametrize(
    ("kind", "index", "workers", "writes"),
    [
        ("worker", 0, {"worker": ["a:1", "b:1"]}, True),
        ("worker", 1, {"worker": ["a:1", "b:1"]}, False),
        ("worker", 0, {"worker": ["a:1"], "chief": ["b:1"]}, False),
        ("chief", 0, {"worker": ["a:1"], "chief": ["b:1"]}, True),
    ],
)
def test_one_worker_is_the_chief(kind, index, workers, writes):
    class Spec:
        def as_dict(self):
            return workers

    class Resolver:
        task_type, task_id = kind, index

        def cluster_spec(self):
            return Spec()

    class Strategy:
        cluster_resolver = Resolver()

    assert is_chief(Strategy()) == writes


@on_tensorflow
@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"jit_compile": True}, "jit_compile=True"),
        ({"steps_per_execution": 2}, "steps_per_execution"),
    ],
)
def test_what_keras_cannot_do_is_refused_by_name(strategy, given, name):
    with strategy.scope():
        model = pretrainer()
        model.compile("adam", **given)
    with pytest.raises(ValueError, match=f"`{name}` does not work"):
        model.fit(UNIT_IDS, verbose=0)


@on_tensorflow
def test_accumulated_gradients_are_refused(strategy):
    with strategy.scope():
        model = pretrainer()
        model.compile(keras.optimizers.Adam(gradient_accumulation_steps=2))
    with pytest.raises(ValueError, match="gradient_accumulation_steps"):
        model.fit(UNIT_IDS, verbose=0)


@on_tensorflow
def test_scaled_losses_are_refused_on_several_devices(strategy, monkeypatch):
    with strategy.scope():
        model = pretrainer()
        model.compile(keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam()))
    model.fit(UNIT_IDS, verbose=0)  # on a single one they work
    monkeypatch.setattr(type(strategy), "num_replicas_in_sync", 2)
    with pytest.raises(ValueError, match="LossScaleOptimizer.*Use bfloat16"):
        model.fit(UNIT_IDS, verbose=0)


@on_tensorflow
def test_making_and_compiling_in_different_scopes_is_refused(strategy):
    with strategy.scope():
        inside = pretrainer()
    inside.compile("adam")
    outside = pretrainer()
    with strategy.scope():
        outside.compile("adam")
    for model in (inside, outside):
        with pytest.raises(ValueError, match="made in the scope of the same strategy"):
            model.fit(UNIT_IDS, verbose=0)


@on_tensorflow
def test_clipping_counts_a_row_of_an_embedding_once():
    # Keras takes the squares of what each lookup of a row gave.
    unit_ids, clip = np.full((1, 9), 3), 1e-3
    steps = {}
    for maker in (keras.Model, DistributedModel):
        keras.utils.set_random_seed(0)
        inputs = keras.Input((None,), dtype="int32")
        model = maker(inputs, keras.layers.Embedding(5, 4)(inputs))
        before = model.get_weights()[0]
        model.compile(keras.optimizers.SGD(1.0, global_clipnorm=clip), "mse")
        model.fit(unit_ids, np.ones((1, 9, 4)), verbose=0)
        steps[maker] = np.linalg.norm(model.get_weights()[0] - before)
    assert steps[DistributedModel] == pytest.approx(clip, rel=1e-3)
    assert steps[keras.Model] > 2 * clip


@pytest.mark.parametrize(
    ("optimizer", "step"),
    [("Adam", 0.1), ("RMSprop", 0.316228), ("SGD", 0.2)],
)
def test_a_row_of_an_embedding_is_looked_up_twice(optimizer, step):
    """Keras on TensorFlow squares the parts of its gradient, other backends the sum."""
    ids = keras.Input((2,), dtype="int32")
    embedding = keras.layers.Embedding(3, 1, embeddings_initializer="zeros")
    model = DistributedModel(ids, embedding(ids))
    model.compile(getattr(keras.optimizers, optimizer)(0.1), "mse", jit_compile=False)
    model.fit(np.array([[1, 1]]), np.ones((1, 2, 1)), verbose=0)
    assert model.get_weights()[0][1, 0] == pytest.approx(step, rel=1e-4)


@on_tensorflow
def test_fitting_twice_clips_once():
    model = pretrainer()
    optimizer = keras.optimizers.Adam(clipnorm=0.1)
    model.compile(optimizer)
    model.fit(UNIT_IDS, verbose=0)
    clip = optimizer._clip_gradients
    assert clip.is_by_sums
    model.compile(optimizer)
    model.fit(UNIT_IDS, verbose=0)
    assert optimizer._clip_gradients is clip
