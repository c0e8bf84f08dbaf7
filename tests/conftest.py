"""Seeds, precisions and the places of golden values, for every test."""

import gc
import os
import pathlib

# Hundreds of programs, each run once or twice: quick compilation, in one thread.
if os.environ.get("KERAS_BACKEND") == "jax":
    os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
    os.environ.setdefault(
        "XLA_FLAGS",
        "--xla_cpu_parallel_codegen_split_count=1 --xla_cpu_multi_thread_eigen=false",
    )
else:
    os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")
    if "PYTEST_XDIST_WORKER" in os.environ:  # the other cores have their own process
        os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")

import keras
import numpy as np
import pytest

# Tracing makes many objects, most of which stay: to look through them is in vain.
gc.set_threshold(10_000, 10, 10)

CHECKOUT = pathlib.Path(__file__).resolve().parents[1]


# The files that take longest come first: two processes then end at about one time.
LONGEST = (
    "test_runner",
    "test_pretrain_text",
    "test_conformance",
    "test_pretrainer",
    "test_archives",
    "test_saved_model_graphs",
    "test_empty_batches",
    "test_docstrings",
    "/recipes/",
    "/export/",
    "/models/",
)


def pytest_collection_modifyitems(items):
    def rank(item):
        found = (n for n, part in enumerate(LONGEST) if part in item.nodeid)
        return next(found, len(LONGEST))

    items.sort(key=rank)  # which keeps the order of equals


class Precision:
    """A dtype and the tolerance that is promised in it."""

    def __init__(self, dtype, tolerance):
        self.dtype = dtype
        self.tolerance = tolerance

    def cast(self, array):
        return np.asarray(array, self.dtype)

    def assert_close(self, actual, expected):
        actual = keras.ops.convert_to_numpy(actual)
        assert actual.dtype == self.dtype
        np.testing.assert_allclose(
            actual, expected, rtol=self.tolerance, atol=self.tolerance
        )


@pytest.fixture(params=[("float64", 1e-9), ("float32", 1e-5)], ids=lambda p: p[0])
def precision(request):
    if request.param[0] == "float64" and keras.backend.backend() != "tensorflow":
        pytest.skip("float64 is promised on the TensorFlow backend")
    return Precision(*request.param)


@pytest.fixture
def float64():
    if keras.backend.backend() != "tensorflow":
        pytest.skip("float64 is promised on the TensorFlow backend")
    return Precision("float64", 1e-9)


@pytest.fixture(autouse=True)
def fixed_seed():
    keras.utils.set_random_seed(20180614)
    yield
    keras.config.set_dtype_policy("float32")


@pytest.fixture(scope="module", autouse=True)
def forgotten_programs():
    """JAX holds all that it has compiled: gigabytes over the whole suite."""
    yield
    if keras.backend.backend() == "jax":
        import jax

        jax.clear_caches()


@pytest.fixture
def random():
    """A NumPy generator: inputs do not depend on what other tests drew."""
    return np.random.default_rng(1806)


@pytest.fixture
def empty_archives(monkeypatch):
    """SavedModels are written without a program, where their places are of interest.

    Tracing the endpoints of one takes seconds.
    """

    def write_out(archive, filepath, **options):
        program = b"\x12\x00"  # one graph of nothing, as a protocol buffer
        (pathlib.Path(filepath) / "saved_model.pb").write_bytes(program)

    export_archive = type(keras.export.ExportArchive())  # the one of the backend
    monkeypatch.setattr(export_archive, "add_endpoint", lambda *args, **options: None)
    monkeypatch.setattr(export_archive, "write_out", write_out)


@pytest.fixture(scope="session")
def text_preset(tmp_path_factory):
    """Folder of a preset of seven words, 2 layers of 3 heads."""
    from glomo_keras.data import Vocabulary
    from glomo_keras.models import GraphPredictor

    keras.utils.set_random_seed(3)
    folder = tmp_path_factory.mktemp("presets") / "small"
    predictor = GraphPredictor(
        9, embedding_dim=6, num_graph_layers=2, num_heads=3, num_convolutions=1
    )
    words = ["the", "cat", "sat", "on", "a", "mat", "."]
    predictor.save_to_preset(folder, Vocabulary(words, lowercase=True))
    return str(folder)


@pytest.fixture(scope="session")
def golden_path():
    """Folder of exact values: `../shared/golden`, or what GLOMO_GOLDEN says."""
    given = os.environ.get("GLOMO_GOLDEN")
    path = pathlib.Path(given) if given else CHECKOUT.parent / "shared" / "golden"
    if not (path / "released.npz").is_file():
        pytest.skip(
            f"no released.npz in {path}: exact values of the released program are "
            "not part of the repository; GLOMO_GOLDEN names another folder"
        )
    return path


@pytest.fixture(scope="session")
def released(golden_path):
    with np.load(golden_path / "released.npz") as arrays:
        return dict(arrays)
