"""Training steps of the recipes' tasks, without graphs and with them."""

import importlib
import sys
import tempfile
from pathlib import Path

import numpy as np
from harness.work import Contender
from harness.work import Work

RECIPES = Path(__file__).resolve().parents[2] / "recipes"
TRANSFER = "--num-hops 1 --num-mixtures 4 --message-dim 32 --graph-dropout 0.5"


def make_step(task, arguments, arm, fetches=False):
    """Return a training step on a batch of templates, or with `fetches` its batch."""
    sys.path.insert(0, str(RECIPES))
    from experiment.comparison.options import make_parser
    from experiment.comparison.options import make_settings

    module, name = task
    task = getattr(importlib.import_module(f"experiment.text.{module}"), name)()
    with tempfile.TemporaryDirectory() as folder:
        arguments = f"--data toy --output {folder} {TRANSFER} {arguments}".split()
        settings = make_settings(task, make_parser(task, "").parse_args(arguments))
        data = task.prepare(settings)
        train, _, _ = task.choose_examples(data, settings, seed=0)
        arm = task.make_arm(arm, 0, settings)
        model = task.build(data, arm, settings)
        batches = task.batches(data, "train", arm, settings, train, shuffle_seed=0)
        batch = batches[0]

    def step():
        if fetches:
            batches[0]
            return {}
        model.reset_metrics()
        losses = model.train_on_batch(*batch)
        return {"loss": np.ravel(losses)[0]}

    return step


def make_work(module, name, title, arguments):
    """Return the work of a task."""

    def contender(arm, **options):
        options["arm"] = arm
        return Contender(make_step, "tensorflow", options=options, same_results=False)

    return Work(
        title=f"A training step of {title}",
        sizes={"task": (module, name), "arguments": arguments},
        contenders={
            "without graphs": Contender(
                make_step,
                "tensorflow",
                options={"arm": "none"},
                is_peer=True,
                same_results=False,
            ),
            "fusion with the features themselves": contender("matched"),
            "one graph a direction": contender("local"),
            "graphs of the predictor, in memory": contender("learned"),
            "the batch of the same, from memory": contender("learned", fetches=True),
        },
        operations=0.0,
    )


WORKS = {
    "downstream_imdb": make_work(
        "imdb",
        "ImdbTask",
        "`imdb.py`, 64 reviews of 100 units",
        "--length 100 --batch-size 64",
    ),
    "downstream_nli": make_work(
        "nli",
        "NliTask",
        "`nli.py`, 64 pairs of sentences of 32 units",
        "--length 32 --batch-size 64",
    ),
    "downstream_squad": make_work(
        "squad",
        "SquadTask",
        "`squad.py`, 32 questions on paragraphs of 160 units",
        "--length 160 --batch-size 32",
    ),
}
