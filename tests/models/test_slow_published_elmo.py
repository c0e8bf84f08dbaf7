"""A published ELMo of the original size, 2x4096_512: 93.6 million random weights."""

import json
import subprocess
import sys

import h5py
import numpy as np
import pytest

KERNELS = [[1, 32], [2, 32], [3, 64], [4, 128], [5, 256], [6, 512], [7, 1024]]
OPTIONS = {
    "lstm": {
        "use_skip_connections": True,
        "projection_dim": 512,
        "cell_clip": 3,
        "proj_clip": 3,
        "dim": 4096,
        "n_layers": 2,
    },
    "char_cnn": {
        "activation": "relu",
        "filters": KERNELS,
        "n_highway": 2,
        "embedding": {"dim": 16},
        "n_characters": 262,
        "max_characters_per_token": 50,
    },
}
PROGRAM = """
import resource
import sys

import glomo_keras
import numpy as np

def megabytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

before = megabytes()
model = glomo_keras.models.load_published_elmo(sys.argv[1])
loaded = megabytes()
ids = np.full((1, 20, 50), 261, "int32")
ids[:, :, :5] = 1 + np.array([258, 97, 98, 99, 259])
layers = np.asarray(model(ids))
assert layers.shape == (1, 3, 20, 1024) and np.isfinite(layers).all()
print(model.count_params(), int(loaded - before), int(megabytes() - before))
"""


def write_weights(path):
    """Write random weights in the layout of the published files."""
    random = np.random.default_rng(0)

    def write(name, *shape):
        file.create_dataset(name, data=random.normal(0, 0.02, shape).astype("float32"))

    with h5py.File(path, "w") as file:
        write("char_embed", 261, 16)
        for number, (width, filters) in enumerate(KERNELS):
            write(f"CNN/W_cnn_{number}", 1, width, 16, filters)
            write(f"CNN/b_cnn_{number}", filters)
        for number in range(2):
            for gate in ("transform", "carry"):
                write(f"CNN_high_{number}/W_{gate}", 2048, 2048)
                write(f"CNN_high_{number}/b_{gate}", 2048)
        write("CNN_proj/W_proj", 2048, 512)
        write("CNN_proj/b_proj", 512)
        for side in range(2):
            for number in range(2):
                cell = f"RNN_{side}/RNN/MultiRNNCell/Cell{number}/LSTMCell"
                write(f"{cell}/W_0", 1024, 16384)
                write(f"{cell}/B", 16384)
                write(f"{cell}/W_P_0", 4096, 512)


@pytest.mark.slow
def test_the_original_size_is_loaded_within_the_stated_memory(tmp_path):
    (tmp_path / "options.json").write_text(json.dumps(OPTIONS))
    write_weights(tmp_path / "weights.hdf5")
    command = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    shown = subprocess.run(command, capture_output=True, text=True, check=True)
    parameters, loading, reading = map(int, shown.stdout.split())
    print(f"{parameters:,} weights: {loading} MB to load, {reading} MB with a sentence")
    assert parameters == 93_600_864
    assert loading < 800 and reading < 800
