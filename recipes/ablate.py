"""What each part of the method is worth: the paper's Table 2, and choices of ours.

    python recipes/pretrain_text.py --size small --prepare-only --output runs/docs
    python recipes/ablate.py --prepared runs/docs/prepared --output runs/ablations
    python recipes/ablate.py --prepared runs/docs/prepared --output runs/judged \
        --rows glomo sparse --tasks judge --judge "--data ud_english_ewt \
        --features vectors:vectors.txt.gz --learning-rate 0.004"
    python recipes/ablate.py --prepared runs/docs/prepared --output runs/ablations \
        --table                                      # of what is done

Every row is a predictor, pretrained for --steps steps by pretrain_text.py, whose graphs
then serve the tasks: the judge (dependency_labels.py), imdb and nli. Each is a run of a
program, done once: what was killed goes on when the command is started again, and rows,
seeds and tasks may be run apart. In OUTPUT: ROW/seed_N/pretraining with the preset,
ROW/seed_N/TASK with the run, a .log beside each, and ablations.md, the tables.
"""

import argparse
from pathlib import Path

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

from glomo_keras.files import write_json
from glomo_keras.files import write_text
from glomo_keras.pretraining.run_folder import differences


def parse_settings(arguments=None):
    """Parse the command line into settings, and whether only the table is printed."""
    rows = "\n".join(f"  {name:<13}{row.describes}" for name, row in ROWS.items())
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=f"rows:\n{rows}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--prepared", required=True, type=Path, help="arrays of pretrain_text.py")
    add("--output", required=True, type=Path, help="folder of all runs")
    add("--rows", nargs="+", choices=ROWS, metavar="ROW", help="(default: all)")
    add("--tasks", nargs="+", choices=TASKS, default=list(TASKS), help="(default: all)")
    add("--seeds", type=positive_int, default=2, help="of each row (default: 2)")
    add(
        "--size",
        choices=("smoke", "small"),
        default="small",
        help="of all programs (default: small)",
    )
    add("--steps", type=positive_int, default=1000, help="to pretrain (default: 1000)")
    add("--epochs", type=positive_int, default=4, help="in which (default: 4)")
    add(
        "--pretrain",
        default="",
        help="more options of pretrain_text.py, quoted (default: none)",
    )
    for name, task in TASKS.items():
        add(
            f"--{name}",
            default="",
            help=f"options of {task.name}.py, quoted (default: its toy)",
        )
    add("--table", action="store_true", help="print the tables of what is done")
    options = vars(parser.parse_args(arguments))
    is_table = options.pop("table")
    options["rows"] = tuple(options["rows"] or ROWS)
    options["tasks"] = tuple(options["tasks"])
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
