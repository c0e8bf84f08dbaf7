"""The first hour of an operator: a preset to SavedModels, and what a server needs."""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np

from glomo_keras.export import write_warm_up

PRESET = "glomo_text_small_en"
SENTENCE = "The old bridge was destroyed by the flood ."
SCRIPT = pathlib.Path(sys.executable).with_name("glomo-keras")


def run(*command, **options):
    """Run a command; return what it prints. All else is an error."""
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, check=False, **options
    )
    assert done.returncode == 0 and not done.stderr, done.stderr
    return done.stdout


print(run(SCRIPT, "--version").split()[0])
print(*(line.split()[0] for line in run(SCRIPT, "list").splitlines()[1:]))

# To a folder that no server watches, warmed up, and then into its place at once.
print(run(SCRIPT, "export", PRESET, "staging"), end="")
write_warm_up("staging/glomo_text_text/1", [SENTENCE])
for name in ("glomo_text_ids", "glomo_text_text"):
    os.makedirs(f"models/{name}")
    os.rename(f"staging/{name}/1", f"models/{name}/1")
extra = sorted(path.name for path in pathlib.Path("models").rglob("assets.extra/*"))
print(*extra)
shown = run(SCRIPT, "inspect", "models/glomo_text_text")
print("signatures:", *(name for name in ("serve", "top_senders") if name in shown))

# The archives do not need this library, and the first neither Keras nor
# tensorflow-text, which imports Keras itself.
plain = """
import sys
sys.modules.update(dict.fromkeys(BLOCKED))
import numpy as np
import tensorflow as tf
"""
of_ids = """
ids = tf.constant([[5, 3, 0]])
archive = tf.saved_model.load("models/glomo_text_ids/1")
graphs = archive.signatures["serve"](unit_ids=ids, padding_mask=ids != 0)["forward"]
sums = graphs.numpy().sum(axis=-1)
print("rows sum to", np.unique(sums.round(5)).tolist())
print("padding reads nothing:", not np.any(sums[..., 2]))
try:
    archive.signatures["serve"](unit_ids=ids + 16_000, padding_mask=ids != 0)
except tf.errors.InvalidArgumentError as error:
    print("refused:", "unit_ids must lie in [0, 16000)" in str(error))
"""
of_text = """
import tensorflow_text
archive = tf.saved_model.load("models/glomo_text_text/1")
answer = archive.signatures["top_senders"](text=tf.constant([sys.argv[1]]))
np.savez("answer.npz", **{name: value.numpy() for name, value in answer.items()})
"""
quiet = {"env": {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}}
for blocked, program in (
    (["glomo_keras", "keras", "tensorflow_text"], of_ids),
    (["glomo_keras"], of_text),
):
    code = f"BLOCKED = {blocked}\n{plain}{program}"
    done = subprocess.run(
        [sys.executable, "-c", code, SENTENCE], capture_output=True, text=True, **quiet
    )
    assert done.returncode == 0, done.stderr
    print(done.stdout, end="")

# They answer what the library itself finds.
line = json.loads(run(SCRIPT, "graphs", PRESET, "--all-heads", input=SENTENCE + "\n"))
with np.load("answer.npz") as answer:
    for direction in ("forward", "backward"):
        weights = answer[f"{direction}_weights"][0]
        senders = answer[f"{direction}_senders"][0]
        expected_senders, expected_weights = np.full(weights.shape, -1), 0 * weights
        for place in np.ndindex(weights.shape[:-1]):
            layer, head, receiver = place
            for rank, pair in enumerate(line[direction][layer][head][receiver]):
                expected_senders[*place, rank], expected_weights[*place, rank] = pair
        np.testing.assert_allclose(weights, expected_weights, atol=1e-3)
        clear = expected_weights > expected_weights.max(axis=-1, keepdims=True) - 1e-6
        np.testing.assert_array_equal(senders[clear], expected_senders[clear])
print("the same:", *line["units"])

# The next version stands beside the one that serves, and can be taken away again.
run(SCRIPT, "export", PRESET, "staging", "--version", 2)
os.rename("staging/glomo_text_text/2", "models/glomo_text_text/2")
print(run(SCRIPT, "inspect", "models/glomo_text_text").splitlines()[0])
os.rename("models/glomo_text_text/2", "staging/taken_back")
print("left:", *sorted(os.listdir("models/glomo_text_text")))

# Another model does not become the next version without being asked for.
refused = subprocess.run(
    [SCRIPT, "export", "glomo_text_base_en", "models"], capture_output=True, text=True
)
print("refused:", "is of another model" in refused.stderr, refused.returncode)
