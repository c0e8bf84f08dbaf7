"""The tables of what is done: the graphs of every row, and its scores by task."""

import numpy as np

from experiment.ablations.rows import FIRST
from experiment.ablations.rows import ROWS
from experiment.ablations.settings import TASKS
from experiment.ablations.steps import PRETRAINING
from experiment.ablations.steps import mean_of_heads
from experiment.comparison import paper
from experiment.comparison.paired_intervals import paired_difference
from experiment.comparison.records import check_sources
from experiment.comparison.records import load_scores
from experiment.comparison.records import read_runs
from experiment.folders import read_json
from experiment.markdown import filled_table
from experiment.markdown import table_header
from experiment.markdown import table_line

# Of a task: its metric that is shown, and where the paper has it.
_SHOWN = {
    "judge": ("accuracy", "squad f1"),
    "imdb": ("accuracy", "imdb"),
    "nli": ("accuracy", "nli dev_matched"),
}
_TITLES = {
    "judge": "Judge: labels of relations (the paper's column: SQuAD, F1)",
    "imdb": "IMDB",
    "nli": "MultiNLI",
}
LEGEND = (
    "Percent, mean over seeds, of pretraining and task alike; `to glomo`: difference "
    "to the first row, [95% interval over seeds and test examples, paired], of one "
    "seed over test examples alone, so that it is too narrow. The paper's are of "
    "larger models, trained on all of train."
)


def tables(output):
    """Return the lines of all tables, in Markdown.

    Args:
        output: path of the folder.
    """
    lines = [*_graphs(output), LEGEND, ""]
    for task in TASKS:
        runs = read_task(output, task)
        if runs:
            lines += [f"### {_title(task, runs)}", "", *_scores(task, runs), ""]
    return lines


def read_task(output, task):
    """Return what is done of a task.

    Args:
        output: path of the folder.
        task: str, one of `TASKS`.

    Returns:
        Dict by row of lists of pairs of a folder and the record of its run.

    Raises:
        UsageError: if runs are on other data than the rest.
    """
    runs = {}
    for row in ROWS:
        of_row = [(folder, *read_runs(folder)) for folder in _done(output, row, task)]
        if of_row:
            runs[row] = of_row
    check_sources([run for of_row in runs.values() for _, run in of_row])
    return runs


def _title(task, runs):
    """Return the title of the table of a task."""
    _, run = next(iter(runs.values()))[0]
    split = run["settings"].get("test", "")
    return _TITLES[task] + (f", {split.removeprefix('dev_')}" if task == "nli" else "")


def _scores(task, runs):
    """Return the table of a task, and in how far the paper's order is found."""
    metric, name = _SHOWN[task]
    results = {
        row: {run["seed"]: load_scores(at, [run], metric)[0] for at, run in of_row}
        for row, of_row in runs.items()
    }
    _, first_run = next(iter(runs.values()))[0]
    of_paper = paper.ablations_of(name, first_run)
    columns = ["row", "what it changes", "mean", "sd", "seeds", "to glomo"]
    columns += ["the paper", "to its glomo"]
    rows, order = [], []
    for row, of_seeds in results.items():
        values = 100 * np.array([scores.mean() for scores in of_seeds.values()])
        spread = f"{values.std(ddof=1):.2f}" if len(values) > 1 else ""
        cells = [row, ROWS[row].describes, f"{values.mean():.2f}", spread, len(values)]
        difference = _difference(of_seeds, results.get(FIRST, {}))
        cells.append("" if row == FIRST or difference is None else _cell(difference))
        published = of_paper.get(row)
        cells.append("" if published is None else f"{published:.2f}")
        is_compared = published is not None and row != FIRST
        cells.append(f"{published - of_paper[FIRST]:+.2f}" if is_compared else "")
        rows.append(cells)
        common = of_seeds.keys() & results.get(FIRST, {}).keys()
        if is_compared and common:
            is_lower = published < of_paper[FIRST]
            order.append((row, is_lower, difference, len(common)))
    lines = filled_table(columns, rows)
    orderings = _orderings(order)
    return [*lines, "", *orderings] if orderings else lines


def _difference(of_seeds, of_first):
    """Return the paired difference to the first row over the common seeds."""
    seeds = sorted(of_seeds.keys() & of_first.keys())
    if not seeds:
        return None
    return paired_difference(
        [of_seeds[seed] for seed in seeds], [of_first[seed] for seed in seeds]
    )


def _orderings(order):
    """Say which of the paper's differences to its first row are found here."""
    kinds = {"hold": [], "unclear": [], "reversed": [], "of one seed": []}
    for row, is_lower, (_, low, high), num_seeds in order:
        if num_seeds < 2:
            kinds["of one seed"].append(row)
        elif low <= 0 <= high:
            kinds["unclear"].append(row)
        else:
            kinds["hold" if (high < 0) == is_lower else "reversed"].append(row)
    if not order:
        return []
    parts = [f"{kind}: {', '.join(rows) or 'none'}" for kind, rows in kinds.items()]
    return [f"Of the paper's differences to GLoMo, {'; '.join(parts)}."]


def _graphs(output):
    """Return the table of the pretrainings."""
    columns = ["row", "seeds", "specificity", "effective senders", "weight within 4"]
    lines = table_header([*columns, "heads without a sender", "seconds"])
    for row in ROWS:
        folders = _done(output, row, PRETRAINING)
        if not folders:
            continue
        heads = [
            read_json(folder / "preset" / "metadata.json")["training"]["heads"]
            for folder in folders
        ]
        seconds = [read_json(folder / "done.json")["seconds"] for folder in folders]
        cells = [
            row,
            len(folders),
            _mean_of_runs("{:.2f}", heads, "specificity"),
            _mean_of_runs("{:.1f}", heads, "effective_senders"),
            _mean_of_runs("{:.0%}", heads, "within_4"),
            f"{np.mean([_share_dead(of_run) for of_run in heads]):.0%}",
            f"{np.mean(seconds):.0f}",
        ]
        lines.append(table_line(cells))
    return ["### Graphs", "", *lines, ""] if len(lines) > 2 else []


def _mean_of_runs(form, heads, name):
    """Return the mean of a number of the heads; nothing where all of them are empty."""
    values = [mean_of_heads(of_run[name]) for of_run in heads]
    values = [value for value in values if value is not None]
    return form.format(np.mean(values)) if values else ""


def _share_dead(heads):
    densities = [
        head
        for layers in heads["density"].values()
        for layer in layers
        for head in layer
    ]
    return np.mean([not density for density in densities])


def _done(output, row, step):
    folders = sorted((output / row).glob(f"seed_*/{step}"))
    return [folder for folder in folders if (folder / "done.json").exists()]


def _cell(difference):
    mean, low, high = (100 * value for value in difference)
    return f"{mean:+.2f} [{low:+.2f}, {high:+.2f}]"
