"""The library beside what else could do its work: time, memory, distance to a floor.

    python benchmarks/speed.py --output runs/speed.jsonl
    python benchmarks/speed.py --work 'messages_*' --rounds 5
    python benchmarks/speed.py --check benchmarks/speed.jsonl   # ratios of before
    python benchmarks/speed.py --table benchmarks/speed.jsonl   # measures nothing

Contenders of a piece of work do it in turn, each in a process of its own, with the same
threads; the table has medians. Results must be equal, or nothing is reported. MiB are
what the first step takes at its peak beyond what the process held before, compilation
included. The floor is the time of
the operations that the work needs, at the rate of a product of large matrices, or of
the bytes that it needs, at the rate of a copy, both measured in the same turns.
PyTorch is a contender where it is installed; the works of pretraining and extraction
need it, for all contenders start from its weights. Leave the machine alone meanwhile.
"""

import argparse
import fnmatch
import importlib
import json
import os
import sys
from pathlib import Path

from harness.contest import run_work
from harness.machine import describe_machine
from harness.machine import measure_rates
from harness.records import find_regressions
from harness.records import make_records
from harness.records import make_table
from harness.records import read_records
from works import MODULES


def find_works(patterns):
    """Return a list of module, name and work, in the order of the modules."""
    found = []
    for module in MODULES:
        works = importlib.import_module(f"works.{module}").WORKS
        for name, work in works.items():
            if any(fnmatch.fnmatch(name, pattern) for pattern in patterns):
                found.append((f"works.{module}", name, work))
    return found


def main():
    """Measure, print the tables, compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--work", nargs="+", default=["*"], help="names or patterns (default: all)")
    add("--list", action="store_true", help="print the names")
    add("--rounds", type=int, default=7, help="samples of a contender (default: 7)")
    add("--seconds", type=float, default=0.2, help="least time of a sample")
    add("--threads", type=int, default=2, help="of a contender (default: 2)")
    add("--output", type=Path, help="file of JSON lines, replaced work by work")
    add(
        "--check", type=Path, metavar="FILE", help="fail where ratios are worse by 1.25"
    )
    add("--table", type=Path, metavar="FILE", help="print the tables of a file")
    options = parser.parse_args()
    works = find_works(options.work)
    if not works:
        parser.error(f"--work must match a name. Received: {options.work}. See --list.")
    if options.list:
        print("\n".join(f"{name:<32} {work.title}" for _, name, work in works))
        return
    earlier = read_records(options.check) if options.check else []  # before --output
    records = []
    for module, name, work in works:
        if options.table:
            rows = [r for r in read_records(options.table) if r["work"] == name]
        else:
            rows = measure(module, name, work, options)
            if options.output:
                write_records(options.output, name, rows)
        if rows:
            print(make_table(work.title, rows), end="\n\n", flush=True)
        records += rows
    if options.check:
        worse, num_compared = find_regressions(records, earlier)
        print(f"{num_compared} ratios were compared with those of {options.check}.")
        if not num_compared:
            worse = [f"No ratio of {options.check} could be compared with a new one."]
        sys.exit("\n".join(worse) or 0)


def measure(module, name, work, options):
    """Return the records of some work."""
    machine = describe_machine(options.threads)
    samples = run_work(
        module, name, work, options.rounds, options.seconds, options.threads
    )
    rates = measure_rates(samples)
    return make_records(name, work, samples, rates, machine)


def write_records(path, name, rows):
    """Put the records of some work in the place of those of before."""
    others = (
        [r for r in read_records(path) if r["work"] != name] if path.exists() else []
    )
    lines = [json.dumps(record) for record in others + rows]
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    draft.write_text("\n".join(lines) + "\n", encoding="utf-8")
    os.replace(draft, path)


if __name__ == "__main__":
    main()
