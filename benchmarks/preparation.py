"""Time and memory of preparing a corpus as shards, as it grows.

    python benchmarks/preparation.py --corpus wikipedia.txt.gz --output runs/preparation

A tenth of a text file, three tenths and the whole are prepared by
`recipes/prepare_corpus.py`: by one process, by two, and by Apache Beam where it is
installed. Printed are units a second, the start of the program included, and the most
memory that its processes have had together; and whether all of them wrote the same.
"""

import argparse
import filecmp
import gzip
import importlib.util
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

RECIPE = Path(__file__).parents[1] / "recipes" / "prepare_corpus.py"
SHARES = (0.1, 0.3, 1.0)
WAYS = {"one process": (), "--workers 2": ("--workers", "2"), "Beam": ("--beam",)}


def write_parts(corpus, folder):
    """Write the beginnings of a gzip file; return their paths by share."""
    size = sum(len(line) for line in gzip.open(corpus))
    paths = {}
    for share in SHARES:
        paths[share] = folder / f"{share:.0%}.txt.gz"
        written = 0
        with gzip.open(paths[share], "wb", compresslevel=1) as file:
            for line in gzip.open(corpus):
                if written >= share * size:
                    break
                file.write(line)
                written += len(line)
    return paths


def descendants(process_id):
    """Return the ids of a process and of all that it has started."""
    ids = [process_id]
    for path in Path(f"/proc/{process_id}/task").glob("*/children"):
        for child in path.read_text().split():
            ids += descendants(int(child))
    return ids


def memory(process_id):
    """Return the bytes that the processes of a program take, shared ones once."""
    total = 0
    for number in descendants(process_id):
        try:
            text = Path(f"/proc/{number}/smaps_rollup").read_text()
        except OSError:  # it has ended
            continue
        fields = dict(line.split(":", 1) for line in text.splitlines()[1:])
        total += int(fields["Pss"].split()[0]) * 1024
    return total


def run(text, output, options):
    """Prepare a file; return seconds and the peak of memory in bytes."""
    shutil.rmtree(output, ignore_errors=True)
    command = [sys.executable, str(RECIPE), "--corpus", f"files:{text}"]
    command += ["--output", str(output), *options]
    started, peak = time.monotonic(), 0
    with (output.parent / "printed.txt").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        while process.poll() is None:
            try:
                peak = max(peak, memory(process.pid))
            except OSError:  # it has ended in the meantime
                pass
            time.sleep(0.2)
    if process.returncode:
        raise SystemExit(f"It failed: see {output.parent / 'printed.txt'}.")
    return time.monotonic() - started, peak


def main():
    """Time all ways and sizes, and compare what they wrote."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--corpus", required=True, help="a gzip file of text")
    parser.add_argument("--output", required=True, type=Path)
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    ways = dict(WAYS)
    if importlib.util.find_spec("apache_beam") is None:
        del ways["Beam"]
        print('Beam is left out: pip install "glomo_keras[beam]".')
    paths = write_parts(options.corpus, options.output)
    print("| units | way | seconds | units a second | peak memory, MB |")
    print("|---|---|---|---|---|")
    for path in paths.values():
        outputs = []
        for way, way_options in ways.items():
            outputs.append(options.output / f"shards_{len(outputs)}")
            seconds, peak = run(path, outputs[-1], way_options)
            metadata = json.loads((outputs[-1] / "metadata.json").read_text("utf-8"))
            units = sum(metadata["units"].values())
            print(
                f"| {units:,} | {way} | {seconds:.0f} | {units / seconds:,.0f} | "
                f"{peak / 2**20:,.0f} |",
                flush=True,
            )
        names = sorted(file.name for file in outputs[0].iterdir())
        for output in outputs[1:]:
            if names != sorted(file.name for file in output.iterdir()):
                raise SystemExit(f"{output} has other files than {outputs[0]}.")
            _, different, failed = filecmp.cmpfiles(
                outputs[0], output, names, shallow=False
            )
            if different or failed:
                raise SystemExit(f"{output} differs in {different + failed}.")
    print("All ways wrote the same files, byte for byte.")


if __name__ == "__main__":
    main()
