"""The table of a search's trials, and a picture of them in parallel coordinates."""

import numpy as np

from experiment.markdown import table_header
from experiment.markdown import table_line
from glomo_keras.files import atomic_write


def table(trials, objective):
    """Return the lines of a table of trials, in Markdown; what is equal is left out.

    Args:
        trials: list of `Trial`, the best first.
        objective: str.
    """
    names = _varying(trials)
    metrics = dict.fromkeys(name for trial in trials for name in trial.metrics)
    metrics = [name for name in metrics if name != objective]
    lines = table_header(["trial", objective, *metrics, *names, "status"])
    for trial in trials:
        cells = [trial.name, "" if trial.score is None else f"{trial.score:.4f}"]
        cells += [_number(trial.metrics.get(name)) for name in metrics]
        cells += [_number(trial.values.get(name)) for name in names]
        status = trial.status.lower()
        error = trial.error.replace("|", "\\|")
        cells.append(f"{status}: {error}" if error else status)
        lines.append(table_line(cells))
    return lines


def draw(trials, objective, is_max, path):
    """Draw every trial as a line over the hyperparameters, the objective in color.

    Args:
        trials: list of `Trial`; those without a score are left out.
        objective: str.
        is_max: bool, whether a larger one is better.
        path: path of the picture.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    trials = [trial for trial in trials if trial.score is not None]
    names = _varying(trials)
    columns = {name: [trial.values[name] for trial in trials] for name in names}
    columns[objective] = [trial.score for trial in trials]
    heights, ticks = zip(*map(_heights, columns.values()), strict=True)
    scores = np.array(columns[objective])
    spread = max(np.ptp(scores), 1e-12)
    shares = (scores - scores.min()) / spread
    shares = shares if is_max else 1 - shares
    figure, axes = pyplot.subplots(
        figsize=(1.5 + 1.3 * len(columns), 5), layout="constrained"
    )
    jitter = np.random.default_rng(0).uniform(-0.015, 0.015, (len(trials), len(names)))
    for number in reversed(range(len(trials))):
        line = [height[number] for height in heights]
        line[:-1] = np.array(line[:-1]) + jitter[number]  # equal values lie apart
        axes.plot(
            line,
            color=pyplot.cm.viridis(shares[number]),
            linewidth=3 if number == 0 else 1.2,
            zorder=3 if number == 0 else 2,
            alpha=1.0 if number == 0 else 0.8,
        )
    for place, marks in enumerate(ticks):
        axes.axvline(place, color="0.6", linewidth=0.8, zorder=1)
        for height, label in marks:
            axes.text(place + 0.04, height, label, fontsize=8, va="center")
    axes.set_xticks(range(len(columns)), list(columns), rotation=20, fontsize=9)
    axes.set_yticks([])
    axes.set_xlim(-0.1, len(columns) - 0.55)
    axes.set_title(f"{len(trials)} trials; the best is thick, better ones are yellow")
    for side in axes.spines.values():
        side.set_visible(False)
    with atomic_write(path) as temporary:
        figure.savefig(temporary, dpi=110, format="png")
    pyplot.close(figure)


def _varying(trials):
    """Return the names of the hyperparameters that differ between trials."""
    names = dict.fromkeys(name for trial in trials for name in trial.values)
    return [n for n in names if len({trial.values.get(n) for trial in trials}) > 1]


def _heights(values):
    """Return heights from 0 to 1, and pairs of a height and a label."""
    is_chosen = all(isinstance(v, (int, str)) for v in values) or len(set(values)) == 1
    if is_chosen or len(set(values)) < min(6, len(values) / 2):
        kinds = sorted(set(values), key=lambda v: (isinstance(v, str), v))
        places = {v: i / max(1, len(kinds) - 1) for i, v in enumerate(kinds)}
        return [places[v] for v in values], [(places[v], str(v)) for v in kinds]
    array = np.array(values, float)
    low, high = array.min(), array.max()
    is_log = low > 0 and high / low > 5
    scale = np.log if is_log else np.asarray
    heights = (scale(array) - scale(low)) / (scale(high) - scale(low))
    middle = np.sqrt(low * high) if is_log else (low + high) / 2
    marks = [(0, f"{low:.4g}"), (0.5, f"{middle:.4g}"), (1, f"{high:.4g}")]
    return heights.tolist(), marks


def _number(value):
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
