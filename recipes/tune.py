r"""Search for the settings of a graph predictor, by KerasTuner.

    python recipes/pretrain_text.py --size small --prepare-only \
        --output runs/docs
    python recipes/tune.py --prepared runs/docs/prepared --output runs/tune
    python recipes/tune.py --size smoke --output runs/tune_smoke
    python recipes/tune.py --prepared runs/docs/prepared --objective judge \
        --judge "--data ud_english_ewt --features vectors:vectors.txt.gz" \
        --tuner bayesian --trials 24 --output runs/tune_judge

A trial pretrains a predictor for --steps steps on the arrays of
pretrain_text.py, and is scored by the nats of its validation windows or by the
judge, dependency_labels.py, on a part of its train sentences. Nats compare
trials of one context length alone: with --objective nats it is 3, unless
--space says otherwise. A search that was killed goes on when it is started
again, its last trial anew; --trials may grow. In OUTPUT: search/ is
KerasTuner's, trials/NAME/preset every predictor, trials.md the table,
trials.png all trials in parallel coordinates. A trial that fails is in the
table with its error. What a trial will take is said of its pretraining, and of
its judge apart.
"""

import argparse
import dataclasses

import experiment.process
from experiment.comparison.options import split_quoted
from experiment.folders import hold
from experiment.folders import read_json
from experiment.pretraining.corpora import load_corpus
from experiment.process import UsageError
from experiment.process import non_negative_int
from experiment.process import positive_int
from experiment.process import usage_errors
from experiment.sizes import add_size_option
from experiment.sizes import defaults_of
from experiment.sizes import fill_in
from experiment.sizes import smoke_arrays
from experiment.tuning import report
from experiment.tuning.settings import CHOICES
from experiment.tuning.settings import OBJECTIVES
from experiment.tuning.settings import TUNERS
from experiment.tuning.settings import TuningSettings
from experiment.tuning.trials import check_judge
from experiment.tuning.tuner import check_space
from experiment.tuning.tuner import ended_trials
from experiment.tuning.tuner import make_tuner

from glomo_keras.files import named_path
from glomo_keras.files import write_json
from glomo_keras.files import write_text
from glomo_keras.pretraining.run_folder import differences

SIZES = {
    "smoke": {
        "trials": 2,
        "steps": 20,
        "batch_size": 8,
        "window": 32,
        "min_units": 4,
        "valid_windows": 16,
        "num_classes": 20,
        "judge": "--size smoke",
    },
    "small": {
        "trials": 12,
        "steps": 1_000,
        "batch_size": 16,
        "window": 64,
        "min_units": 20,
        "valid_windows": 64,
        "num_classes": 200,
        "judge": "",
    },
}


def parse_settings(arguments=None):
    """Parse the command line into `TuningSettings`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add(
        "--prepared",
        type=named_path,
        help="arrays of pretrain_text.py (smoke: made up)",
    )
    add("--output", required=True, type=named_path, help="folder of the search")
    add_size_option(parser, SIZES)
    add("--tuner", choices=TUNERS, default="random", help="(default: random)")
    add("--objective", choices=OBJECTIVES, default="nats", help="(default: nats)")
    for name, describes in (
        ("trials", "how many, but of hyperband"),
        ("steps", "of a trial"),
        ("batch_size", "windows a step"),
        ("window", "units of a window"),
        ("min_units", "shorter documents are dropped"),
        ("valid_windows", "windows that a trial is measured on"),
    ):
        add(
            f"--{name.replace('_', '-')}",
            type=positive_int,
            help=f"{describes} {defaults_of(SIZES, name)}",
        )
    add(
        "--num-classes",
        type=int,
        help="classes of units to predict; 0 predicts units "
        + defaults_of(SIZES, "num_classes"),
    )
    add(
        "--seed",
        type=non_negative_int,
        default=0,
        help="of all that is drawn (default: 0)",
    )
    add(
        "--space",
        nargs="+",
        default=[],
        metavar="NAME=VALUES",
        help="values to choose from, with commas between, in place of: "
        + "; ".join(f"{k}={','.join(map(str, v))}" for k, v in CHOICES.items()),
    )
    add(
        "--judge",
        help="options of dependency_labels.py, in quotation marks (default: its toy)",
    )
    options = parser.parse_args(arguments)
    fill_in(options, SIZES)
    if options.prepared is None and options.size != "smoke":
        parser.error("--prepared is required, but at --size smoke")
    options = vars(options)
    del options["size"]
    space = dict(CHOICES)
    if options["objective"] == "nats":
        space["context_length"] = (3,)
    options["space"] = check_space(space, options["space"])
    options["judge"] = tuple(split_quoted(options["judge"], "--judge"))
    return TuningSettings(num_trials=options.pop("trials"), **options)


def write_settings(settings):
    """Write settings.json, or refuse to go on with a search of other ones."""
    path = settings.output / "settings.json"
    if path.exists():
        other = differences(read_json(path), settings.recorded())
        if other:
            raise UsageError(
                f"{settings.output} holds a search with other settings ({other}). Give "
                "those, or another --output."
            )
    write_json(path, settings.recorded())


@experiment.process.one_line_errors()
def main(arguments=None):
    """Search, then print the table and draw the trials."""
    experiment.process.prepare_process()
    settings = parse_settings(arguments)
    with hold(settings.output):
        if settings.prepared is None:
            settings = dataclasses.replace(
                settings, prepared=smoke_arrays(settings.output)
            )
        corpus, classes = load_corpus(settings), None
        if settings.num_classes:
            with usage_errors():
                classes = corpus.classes(settings.num_classes)
        if settings.objective == "judge":
            check_judge(settings)  # before hours of trials
        write_settings(settings)
        tuner = make_tuner(settings, corpus, classes)
        tuner.search(verbose=0)
        trials = ended_trials(tuner)
        is_any = any(trial.score is not None for trial in trials)
        lines = report.table(trials, settings.objective)
        write_text(settings.output / "trials.md", "\n".join(lines) + "\n")
        if is_any:
            is_max = OBJECTIVES[settings.objective] == "max"
            path = settings.output / "trials.png"
            report.draw(trials, settings.objective, is_max, path)
    legend = "The best first; what is equal in all trials is left out."
    print("\n" + "\n".join([legend, "", *lines]))
    if not is_any:
        raise UsageError(f"All {len(trials)} trials have failed, see the table.")


if __name__ == "__main__":
    main()
