"""The first hour of a modeller: graphs into a Keras model, with what a wheel brings."""

import importlib.metadata
import pathlib
import re
import subprocess
import sys

import keras
import numpy as np

from glomo_keras.analysis import top_senders
from glomo_keras.data import UnitIds
from glomo_keras.export import TextGraphs
from glomo_keras.layers import GraphTransfer
from glomo_keras.models import GraphPredictor

PRESET = "glomo_text_small_en"
TEXTS = ["A warm and funny film .", "Dull , and far too long .", "A film to love .", ""]
LABELS = np.array([1, 0, 1, 0])

# What the page of the package shows is copied, block by block.
page = importlib.metadata.metadata("glomo_keras").get_payload()
blocks = re.findall(r"```python\n(.*?)```", page, re.S)
names = {}
for block in blocks:
    exec(compile(block, "README.md", "exec"), names)
print(len(blocks), "blocks of the page run")

# The model of the page learns, and is the same in another process.
keras.utils.set_random_seed(0)
texts = keras.ops.convert_to_tensor(TEXTS)
model = names["model"]
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
model.compile(keras.optimizers.Adam(0.01), loss)
losses = model.fit(texts, LABELS, epochs=20, verbose=0).history["loss"]
print("the loss falls:", losses[-1] < 0.5 * losses[0])
predictions = model.predict(texts, verbose=0)
model.save("films.keras")
code = (
    "import sys; import glomo_keras, keras, numpy; model = keras.models.load_model"
    "('films.keras'); texts = keras.ops.convert_to_tensor(sys.argv[1:]); "
    "numpy.save('again.npy', model.predict(texts, verbose=0))"
)
subprocess.run([sys.executable, "-c", code, *TEXTS], check=True, capture_output=True)
difference = np.abs(np.load("again.npy") - predictions).max()
print("the saved model predicts the same:", difference < 1e-5)

# Graphs enter a model that is trained already, and change nothing before they learn.
strings = keras.Input((), dtype="string")
unit_ids = UnitIds.from_preset(PRESET)(strings)
embedding = keras.layers.Embedding(16_000, 16, mask_zero=True)
read, classify = keras.layers.GRU(8), keras.layers.Dense(2)
x = embedding(unit_ids["unit_ids"])
trained = keras.Model(strings, classify(read(x)))
trained.compile(keras.optimizers.Adam(0.01), loss)
trained.fit(texts, LABELS, epochs=3, verbose=0)
graphs = GraphPredictor.from_preset(PRESET, trainable=False)(unit_ids)
transfer = GraphTransfer(residual=True)
aware = keras.Model(strings, classify(read(transfer(x, graphs))))
before, after = (m.predict(texts, verbose=0) for m in (trained, aware))
print("with graphs it predicts the same:", np.abs(after - before).max() < 1e-6)
aware.compile(keras.optimizers.Adam(0.01), loss)
aware.fit(texts, LABELS, epochs=3, verbose=0)
weights = transfer.get_weights()
print("all weights are finite:", all(np.isfinite(weight).all() for weight in weights))

# What is wrong is said.
predictor = GraphPredictor.from_preset(PRESET)
for wrong in (lambda: predictor(np.array([[20_000]])), lambda: GraphTransfer()(x, x)):
    try:
        wrong()
    except (TypeError, ValueError) as error:
        (line,) = (line for line in str(error).splitlines() if " must " in line)
        said = line[line.index("`") :].partition(" Received")[0]  # Keras makes it bold
        print(f"{type(error).__name__}: {said}")

# The graphs themselves.
outputs = TextGraphs.from_preset(PRESET)(["The cat sat on the mat ."])
graph = outputs["forward"][0].numpy().mean(axis=(0, 1))
print(top_senders(graph, k=2).table(outputs["units"][0]))
script = pathlib.Path(sys.executable).with_name("glomo-keras")
command = [script, "plot", PRESET, "The cat sat on the mat .", "--output", "cat.png"]
subprocess.run(command, check=True, capture_output=True)
print(pathlib.Path("cat.png").read_bytes()[1:4].decode())
