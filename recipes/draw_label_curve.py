r"""Draw how a score grows with the number of labels, arm by arm.

    python recipes/draw_label_curve.py \
        runs/imdb_250 runs/imdb_2500 runs/imdb_24000 \
        --output docs/images/imdb_labels.png

Reads the finished runs of `compare.py`, one folder a number of labels: the
means over the seeds of an arm are joined by a line, and every seed is a dot.
Data, features, lengths and predictor must be the same in all of them.
"""

import argparse

import experiment.process
import numpy as np
from experiment.comparison.arms import ARMS
from experiment.comparison.records import check_sources
from experiment.comparison.records import check_table
from experiment.comparison.records import read_runs
from experiment.process import UsageError
from experiment.process import usage_errors

from glomo_keras.analysis.figures import FAINT
from glomo_keras.analysis.figures import PLAIN
from glomo_keras.analysis.figures import new_figure
from glomo_keras.analysis.figures import save_figure
from glomo_keras.analysis.figures import write_header
from glomo_keras.files import named_path

# Told apart by colour-blind readers as well, and by their marks.
STYLES = {
    "none": ("#222222", "o"),
    "matched": ("#56b4e9", "v"),
    "uniform": ("#e69f00", "s"),
    "shuffled": ("#cc79a7", "^"),
    "learned": ("#009e73", "D"),
    "local": ("#d55e00", "P"),
    "learned+local": ("#0072b2", "X"),
}


def draw(runs, metric, path):
    """Draw runs, dicts as `compare.py` writes them, to a file; returns its path."""
    note = (
        f"Test {metric} over the number of labelled examples. Lines: means over seeds; "
        "dots: seeds."
    )
    header = write_header(new_figure("draw", 6.4, 1), runs[0]["task"], note)
    figure = new_figure("draw", 6.4, header + 3.6)
    write_header(figure, runs[0]["task"], note)
    height = header + 3.6
    axes = figure.add_axes((0.11, 0.5 / height, 0.86, 3.0 / height))
    sizes = sorted({run["num_train"] for run in runs})
    arms = [arm for arm in ARMS if any(run["arm"] == arm for run in runs)]
    for number, arm in enumerate(arms):
        color, mark = STYLES.get(arm, ("#999999", "."))
        shift = 1.04 ** (number - (len(arms) - 1) / 2)  # beside each other
        means = {}
        for size in sizes:
            scores = [
                100 * run["test"][metric]
                for run in runs
                if (run["arm"], run["num_train"]) == (arm, size)
            ]
            if scores:
                means[size * shift] = np.mean(scores)
                axes.scatter(
                    [size * shift] * len(scores),
                    scores,
                    14,
                    color,
                    marker=mark,
                    alpha=0.45,
                )
        look = {"color": color, "marker": mark, "markersize": 6, "label": arm}
        axes.plot(means.keys(), means.values(), **look)
    axes.set_xscale("log")
    axes.set_xticks(sizes, [f"{size:,}" for size in sizes], **PLAIN)
    axes.minorticks_off()
    axes.set_xlabel("labelled examples", **PLAIN)
    axes.set_ylabel(f"{metric}, %", **PLAIN)
    axes.grid(color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.legend(frameon=False)
    return save_figure(figure, path)


def check_runs(runs):
    """Raise UsageError for runs that cannot stand in one picture."""
    values = {"task": {run["task"] for run in runs}}
    for name in ("data", "features", "elmo", "length", "predictor"):
        values[name] = {r["settings"][name] for r in runs if name in r["settings"]}
    for arm in ARMS:
        sites = {run["graph_on"] for run in runs if run["arm"] == arm != "none"}
        values[f"site of {arm}"] = sites
    for name, found in values.items():
        if len(found) > 1:
            raise UsageError(
                f"The folders must hold runs of one {name}. They hold {sorted(found)}."
            )
    check_sources(runs)


@experiment.process.one_line_errors()
def main(arguments=None):
    """Read the folders, draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add(
        "folders", nargs="+", type=named_path, help="outputs of compare.py, of one task"
    )
    add("--metric", help="(default: the first one of the task)")
    add("--output", required=True, type=named_path, help="path of the picture")
    options = parser.parse_args(arguments)
    experiment.process.prepare_process()
    runs, folders = [], {}
    for folder in options.folders:
        folder_runs = read_runs(folder)
        if not folder_runs:
            raise UsageError(f"No run is finished in {folder}.")
        check_table(folder, folder_runs)
        number = folder_runs[0]["num_train"]
        if folders.setdefault(number, folder) is not folder:
            raise UsageError(
                f"{folders[number]} and {folder} both hold runs of {number:,} labelled "
                "examples. Give one of them."
            )
        runs += folder_runs
    check_runs(runs)
    metrics = list(runs[0]["test"])
    metric = options.metric or metrics[0]
    if metric not in metrics:
        raise UsageError(f"--metric must be one of {metrics}. Received: {metric!r}.")
    with usage_errors():
        print(draw(runs, metric, options.output))


if __name__ == "__main__":
    main()
