"""The first hour of a researcher: graphs of one's own text, with a knob changed."""

import json
import pathlib
import subprocess
import sys
from pydoc_data import topics

import keras
import numpy as np

from glomo_keras.analysis import graph_statistics
from glomo_keras.analysis import link_recovery
from glomo_keras.analysis import to_coo
from glomo_keras.data import planted_sequences
from glomo_keras.export import TextGraphs
from glomo_keras.models import GLoMoPretrainer
from glomo_keras.models import GraphPredictor

SCRIPT = pathlib.Path(sys.executable).with_name("glomo-keras")
SENTENCE = "The value of the expression is returned by the function ."


def run(*command):
    """Run a command; return what it prints."""
    done = subprocess.run(
        [SCRIPT, *map(str, command)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# A text of one's own: what Python's help says of the language.
text = "\n\n".join(topics.topics.values())
pathlib.Path("language.txt").write_text(text, "utf-8")
options = ["language.txt", "--size", "smoke", "--output", "runs/language"]
shown = run("pretrain", *options)
print("every line fits:", all(len(line) < 80 for line in shown.splitlines()))
print("the time is said:", "for what is to be trained" in shown)
print("goes on:", "Nothing is trained" in run("pretrain", *options, "--resume"))
card = json.loads(run("inspect", "runs/language/preset"))
print(card["config"]["class_name"], card["config"]["config"]["threshold"])

# Its graphs, as lines, as a table and as a picture.
pathlib.Path("sentence.txt").write_text(SENTENCE + "\n", "utf-8")
table = run("graphs", "runs/language/preset", "sentence.txt", "--words").splitlines()
print(len(table), *table[0].split("\t"))
run("plot", "runs/language/preset", SENTENCE, "--output", "sentence.png")
print(pathlib.Path("sentence.png").read_bytes()[1:4].decode())
outputs = TextGraphs.from_preset("runs/language/preset")([SENTENCE])
for direction in ("forward", "backward"):
    graphs = outputs[direction].numpy()
    sums = np.unique(graphs.sum(axis=-1).round(4)).tolist()
    statistics = graph_statistics(graphs, outputs["padding_mask"], direction=direction)
    print(direction, graphs.shape, "rows sum to", sums)
    print("specificity is known:", 0 <= statistics["overall"]["specificity"] <= 1)
edges = to_coo(outputs["forward"][0, 0, 0])
print("edges from earlier units:", bool(np.all(edges.senders < edges.receivers)))

# The knob, two rules of scores, on sequences whose links are known.
keras.utils.set_random_seed(0)
planted = planted_sequences(16, seed=0)
for threshold in ("entmax", "mean"):
    predictor = GraphPredictor(75, 16, num_graph_layers=1, threshold=threshold)
    pretrainer = GLoMoPretrainer(predictor)
    pretrainer.compile(keras.optimizers.Adam(0.01))
    history = pretrainer.fit(planted.unit_ids, epochs=3, verbose=0).history
    graphs = predictor(planted.unit_ids)["forward"]
    found = link_recovery(graphs, planted.links).accuracy
    learns = history["nats"][-1] < history["nats"][0]
    print(f"{threshold} learns: {learns}; links found are counted: {0 <= found <= 1}")
