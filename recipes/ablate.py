r"""What each part of the method is worth: the paper's Table 2, and ours.

    python recipes/pretrain_text.py --size small --prepare-only \
        --output runs/docs
    python recipes/ablate.py --prepared runs/docs/prepared \
        --output runs/ablations
    python recipes/ablate.py --prepared runs/docs/prepared \
        --output runs/judged \
        --rows glomo sparse --tasks judge --judge "--data ud_english_ewt \
        --features vectors:vectors.txt.gz --learning-rate 0.004"
    python recipes/ablate.py --prepared runs/docs/prepared \
        --output runs/ablations \
        --table                                      # of what is done
    python recipes/ablate.py --size smoke --output runs/ablate_smoke

Every row is a predictor, pretrained for --steps steps by pretrain_text.py,
whose graphs then serve the tasks: the judge (dependency_labels.py), imdb and
nli. Each is a run of a program, done once: what was killed goes on when the
command is started again, and rows, seeds and tasks may be run apart. In
OUTPUT: ROW/seed_N/pretraining with the preset, ROW/seed_N/TASK with the run, a
.log beside each, and ablations.md, the tables; seconds there are of the
process that ended a run, without what was killed before it.
"""

import argparse
import dataclasses

import experiment.process
from experiment.ablations import report
from experiment.ablations.rows import FIRST
from experiment.ablations.rows import ROWS
from experiment.ablations.settings import TASKS
from experiment.ablations.settings import AblationSettings
from experiment.ablations.steps import run_steps
from experiment.folders import hold
from experiment.folders import read_json
from experiment.process import UsageError
from experiment.process import positive_int
from experiment.sizes import add_size_option
from experiment.sizes import defaults_of
from experiment.sizes import fill_in
from experiment.sizes import smoke_arrays

from glomo_keras.files import named_path
from glomo_keras.files import write_json
from glomo_keras.files import write_text
from glomo_keras.pretraining.run_folder import differences

SIZES = {
    "smoke": {
        "rows": [FIRST, "none"],
        "tasks": ["judge"],
        "seeds": 1,
        "steps": 20,
        "epochs": 2,
        "pretrain": "--no-jit",
    },
    "small": {
        "rows": list(ROWS),
        "tasks": list(TASKS),
        "seeds": 2,
        "steps": 1_000,
        "epochs": 4,
        "pretrain": "",
    },
}


def parse_settings(arguments=None):
    """Parse the command line into settings, and whether only the table is printed."""
    rows = "\n".join(f"  {name:<13}{row.describes}" for name, row in ROWS.items())
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=f"rows:\n{rows}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "--prepared",
        type=named_path,
        help="arrays of pretrain_text.py (smoke: made up)",
    )
    add("--output", required=True, type=named_path, help="folder of all runs")
    add_size_option(parser, SIZES)
    add(
        "--rows",
        nargs="+",
        choices=ROWS,
        metavar="ROW",
        help="see below (default: all; smoke: glomo none)",
    )
    add(
        "--tasks",
        nargs="+",
        choices=TASKS,
        help=f"where graphs serve {defaults_of(SIZES, 'tasks')}",
    )
    for name, describes in (
        ("seeds", "of each row"),
        ("steps", "to pretrain"),
        ("epochs", "in which"),
    ):
        add(
            f"--{name}",
            type=positive_int,
            help=f"{describes} {defaults_of(SIZES, name)}",
        )
    add(
        "--pretrain",
        help="more options of pretrain_text.py, quoted (default: none; smoke: "
        "--no-jit)",
    )
    for name, task in TASKS.items():
        add(
            f"--{name}",
            default="",
            help=f"options of {task.name}.py, quoted (default: its toy)",
        )
    add("--table", action="store_true", help="print the tables of what is done")
    options = parser.parse_args(arguments)
    fill_in(options, SIZES)
    options = vars(options)
    is_table = options.pop("table")
    if options["prepared"] is None and options["size"] != "smoke" and not is_table:
        parser.error("--prepared is required, but at --size smoke")
    for name in ("rows", "tasks"):
        options[name] = tuple(dict.fromkeys(options[name]))  # each of them once
    if options["steps"] % options["epochs"]:
        parser.error("--steps must be a multiple of --epochs")
    return AblationSettings(**options), is_table


def write_settings(settings):
    """Write settings.json, or refuse to go on with runs of other ones."""
    path = settings.output / "settings.json"
    recorded = settings.recorded()
    earlier = read_json(path) if path.exists() else {}
    if earlier:
        other = differences({**recorded, **earlier}, recorded)
        if other:
            raise UsageError(
                f"{settings.output} holds runs with other settings ({other}). Give "
                "those, or another --output."
            )
    write_json(path, {**earlier, **recorded})


@experiment.process.one_line_errors()
def main(arguments=None):
    """Run what is not done, then print the tables."""
    experiment.process.prepare_process()
    settings, is_table = parse_settings(arguments)
    if is_table:
        if not any(settings.output.glob("*/seed_*/*/done.json")):
            raise UsageError(f"Nothing is done in {settings.output}.")
        print("\n".join(report.tables(settings.output)))
        return
    settings.check_tasks()
    with hold(settings.output):
        if settings.prepared is None:
            settings = dataclasses.replace(
                settings, prepared=smoke_arrays(settings.output)
            )
        write_settings(settings)
        failures = run_steps(settings)
        lines = report.tables(settings.output)
        write_text(settings.output / "ablations.md", "\n".join(lines) + "\n")
    print("\n" + "\n".join(lines))
    if FIRST not in settings.rows:
        print(f"Differences are to the row {FIRST}.")
    if failures:
        raise SystemExit(
            f"error: of {len(failures)} steps that failed the lines above "
            f"say why: {'; '.join(failures)}"
        )


if __name__ == "__main__":
    main()
