"""Tables of finished runs: on test, against other features, and on dev."""

import numpy as np

from experiment.comparison import paper
from experiment.comparison.arms import ARMS
from experiment.comparison.paired_intervals import paired_difference
from experiment.comparison.records import OF_SINGLE_ARMS
from experiment.comparison.records import check_sources
from experiment.comparison.records import check_table
from experiment.comparison.records import key_of
from experiment.comparison.records import load_array
from experiment.comparison.records import load_scores
from experiment.comparison.records import predictors
from experiment.comparison.records import read_runs
from experiment.comparison.records import setting_differences
from experiment.markdown import filled_table
from experiment.process import UsageError

LEGEND = (
    "In percent: mean and standard deviation over seeds. `to ...`: difference to that "
    "arm, paired by seed and example, [95% interval over both]."
)

OUTPUTS_LEGEND = (
    "In percent: mean and standard deviation over seeds. `to ...`: difference to the "
    "runs of that output with the same arm, paired by seed and example, [95% interval "
    "over both]."
)
DEV_LEGEND = (
    "Scores on dev of the epochs chosen, in percent: mean and standard deviation over "
    "seeds. `to the first`: mean and standard deviation of differences by seed."
)


def table(output, runs):
    """Return the lines of the table in Markdown: a row an arm and site, by metric.

    The last column is the paper's, of larger models that were trained on all of train.
    A column of which nothing is known is left out.
    """
    check_table(output, runs)
    lines = []
    percent = paper.percent_of(runs[0])
    there = {run["arm"] for run in runs}
    others = ["none", "matched", *(["local"] if "local" in there else [])]
    columns = ["mean", "sd", "seeds", *(f"to {other}" for other in others)]
    columns += ["rate", "best epoch", "the paper, full size"]
    for metric in runs[0]["test"]:
        rows = []
        for arm, site, name in _rows(runs):
            arm_runs = _runs_of(runs, arm, site)
            cells = [name, *_mean_and_spread(arm_runs, metric)]
            for other in others:
                cells.append(
                    _difference(output, runs, metric, arm_runs, other, site)
                    if arm != other
                    else ""
                )
            cells += [_rates(arm_runs), _best_epochs(arm_runs)]
            row = arm if arm == "none" else f"{arm}, {site}"
            rows.append([*cells, percent.get(row, {}).get(metric, "")])
        lines += [*filled_table([metric, *columns], rows), ""]
    return lines + still_rising(runs) + mixes(runs)


def _rates(runs):
    """Return the learning rates of the runs of one row."""
    rates = {r.get("learning_rate", r["settings"].get("learning_rate")) for r in runs}
    return ", ".join(f"{rate:g}" for rate in sorted(rates - {None}))


def _epochs(runs):
    """Return an int array `(runs, 2)`: the best epoch, and how many were allowed."""
    told = [run for run in runs if "best_epoch" in run]
    pairs = [(run["best_epoch"], run["settings"]["epochs"]) for run in told]
    return np.array(pairs, int).reshape(-1, 2)


def _best_epochs(runs):
    """Return the mean of the best epochs of the runs of one row, of how many."""
    epochs = _epochs(runs)
    return f"{epochs[:, 0].mean():.1f} of {epochs[:, 1].max()}" if len(epochs) else ""


def still_rising(runs):
    """Return a line of warning where most runs are best in the last epoch allowed."""
    at_end = (_epochs(runs)[:, 0] == _epochs(runs)[:, 1]).sum()
    if 2 * at_end <= len(runs):
        return []
    return [
        f"Warning: {at_end} of {len(runs)} runs are best in the last epoch that they "
        "may have. Trained longer, or at a higher rate, they might be better, and the "
        "arms in another order.",
        "",
    ]


def _rows(runs):
    """List arm, site and name of the rows of a table; the site where it differs."""
    sites = sorted({run["graph_on"] for run in runs if run["arm"] != "none"})
    rows = []
    for arm in ARMS:
        for site in sites if arm != "none" else [None]:
            if _runs_of(runs, arm, site):
                several = len(sites) > 1 and arm != "none"
                rows.append((arm, site, f"{arm}, {site}" if several else arm))
    return rows


def _mean_and_spread(runs, metric):
    """Return cells with the mean, the standard deviation and the number of seeds."""
    values = 100 * np.array([run["test"][metric] for run in runs])
    return f"{values.mean():.2f}", _spread(values), str(len(values))


def _spread(values):
    """Return the standard deviation; nothing for a single value."""
    return f"{values.std(ddof=1):.2f}" if len(values) > 1 else ""


def mixes(runs):
    """Return lines about the mix of a language model's layers, by arm and site."""
    lines = []
    for arm, site, name in _rows(runs):
        arm_runs = _runs_of(runs, arm, site)
        arm_mixes = [run["elmo_mix"] for run in arm_runs if "elmo_mix" in run]
        if arm_mixes:
            rows = np.array([[*mix["shares"], mix["gamma"]] for mix in arm_mixes])
            *shares, gamma = [
                f"{values.mean():.2f} (sd {_spread(values) or 'unknown'})"
                for values in rows.T
            ]
            lines.append(f"{name}: layers {', '.join(shares)}; gamma {gamma}")
    return lines


def table_of_outputs(outputs):
    """Return the lines of a table that compares several outputs, arm by arm.

    Differences are to the runs of the first output with the same arm, site and seed.
    Arms that it has alone are left out.
    """
    runs = {output: read_runs(output) for output in outputs}
    _check_comparable(runs)
    first = outputs[0]
    first_runs = {key_of(run): run for run in runs[first]}
    rows = _rows([run for output in outputs[1:] for run in runs[output]])
    lines = []
    for metric in runs[first][0]["test"]:
        lines += [
            f"| {metric} | runs | mean | sd | seeds | to {first.name} |",
            "|---|---|---|---|---|---|",
        ]
        for arm, site, name in rows:
            for output in outputs:
                arm_runs = _runs_of(runs[output], arm, site)
                if not arm_runs:
                    continue
                cells = [name, output.name, *_mean_and_spread(arm_runs, metric), ""]
                paired = [run for run in arm_runs if key_of(run) in first_runs]
                if output != first and paired:
                    references = [first_runs[key_of(run)] for run in paired]
                    cells[-1] = _interval(
                        load_scores(output, paired, metric),
                        load_scores(first, references, metric),
                        len(arm_runs),
                    )
                lines.append(f"| {' | '.join(cells)} |")
        lines.append("")
    for output in outputs:
        lines += [f"{output.name}, {line}" for line in mixes(runs[output])]
    return lines


def dev_table(outputs):
    """Return the lines of a table of the scores on dev that the epochs were chosen by.

    To choose settings by, without looking at test: outputs may differ in any of them,
    and what differs from the first output is listed. Differences are to the first
    row, paired by seed; the number after them is their standard deviation.
    """
    runs = {output: read_runs(output) for output in outputs}
    _check_not_empty(runs)
    rows = _rows([run for output_runs in runs.values() for run in output_runs])
    first, plain = None, {}
    for run in runs[outputs[0]]:  # those of `none` name no predictor
        plain |= run["settings"]
    lines = ["| dev | runs | mean | sd | seeds | to the first | settings |"]
    lines.append("|---|---|---|---|---|---|---|")
    for output, output_runs in runs.items():
        check_table(output, output_runs)
        for arm, site, name in rows:
            arm_runs = _runs_of(output_runs, arm, site)
            if not arm_runs:
                continue
            scores = {run["seed"]: 100 * run["best_dev"] for run in arm_runs}
            values = np.array(list(scores.values()))
            cells = [name, output.name, f"{values.mean():.2f}", _spread(values)]
            first = first or scores
            common = [scores[s] - first[s] for s in scores if s in first]
            change = ""
            if first is not scores and common:
                change = f"{np.mean(common):+.2f} {_spread(np.array(common))}".strip()
            changed = _changed(plain, arm_runs[0]["settings"])
            cells += [str(len(values)), change, changed]
            lines.append(f"| {' | '.join(cells)} |")
    return lines


def _changed(plain, settings):
    """Return in words which settings of a run are not those of the first output."""
    for name in OF_SINGLE_ARMS:  # that this arm does not have
        if name not in settings:
            plain = {**plain, name: None}
    return ", ".join(
        f"{name} {value}"
        for name, value in (dict.fromkeys(plain) | settings).items()
        if plain.get(name) != value
    )


def _check_not_empty(runs):
    empty = [str(output) for output, output_runs in runs.items() if not output_runs]
    if empty:
        raise UsageError(f"No run is finished in {', '.join(empty)}.")


def _check_comparable(runs):
    """Refuse outputs whose runs differ in more than their features."""
    _check_not_empty(runs)
    free = ("features", "elmo", "predictor")
    (first, settings), *others = (
        (output, {k: v for k, v in output_runs[0]["settings"].items() if k not in free})
        for output, output_runs in runs.items()
    )
    for output, output_runs in runs.items():
        check_table(output, output_runs)
    for output, other_settings in others:
        different = setting_differences(other_settings, settings)
        if different:
            raise UsageError(
                f"{output} and {first} must differ in their features alone. They "
                f"differ in {different}."
            )
    check_sources([run for output_runs in runs.values() for run in output_runs])
    used = set().union(*(predictors(output_runs) for output_runs in runs.values()))
    if len(used) > 1:
        raise UsageError(f"The graphs are of several predictors: {sorted(used)}.")
    examples = [
        _test_examples(output, output_runs[0]) for output, output_runs in runs.items()
    ]
    if any(not np.array_equal(examples[0], other) for other in examples[1:]):
        raise UsageError("The runs were tested on other examples.")


def _test_examples(output, run):
    return load_array(output, run, "examples")


def _runs_of(runs, arm, site):
    arm_runs = [r for r in runs if r["arm"] == arm]
    if arm != "none":  # which has no site
        arm_runs = [r for r in arm_runs if r["graph_on"] == site]
    return sorted(arm_runs, key=lambda run: run["seed"])


def _difference(output, runs, metric, arm_runs, other, site):
    """Return the paired difference and its interval, over the common seeds."""
    by_seed = {run["seed"]: run for run in _runs_of(runs, other, site)}
    pairs = [(run, by_seed[run["seed"]]) for run in arm_runs if run["seed"] in by_seed]
    if not pairs:
        return ""
    paired, references = zip(*pairs, strict=True)
    return _interval(
        load_scores(output, paired, metric),
        load_scores(output, references, metric),
        len(arm_runs),
    )


def _interval(scores, references, num_seeds):
    mean, low, high = paired_difference(scores, references)
    cell = f"{100 * mean:+.2f} [{100 * low:+.2f}, {100 * high:+.2f}]"
    if len(scores) == num_seeds:
        return cell
    return f"{cell} ({len(scores)} {'seed' if len(scores) == 1 else 'seeds'})"
