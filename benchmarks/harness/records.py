"""Measurements as JSON lines, as a table, and beside earlier ones."""

import json

import numpy as np

MEBIBYTE = 2**20


def make_records(name, work, samples, rates, machine):
    """Return a record a contender.

    Args:
        name: string, name of the work.
        work: `Work`.
        samples: what `run_work` returned.
        rates: operations and bytes a second of the machine.
        machine: dict of what the machine is.

    Returns:
        List of dicts. `ratio` is to the seconds of the first peer that was there, and
        `floor` the seconds that operations and bytes take at the machine's rates.
    """
    medians = {key: float(np.median(s["seconds"])) for key, s in samples.items()}
    peers = [k for k, c in work.contenders.items() if c.is_peer and k in samples]
    peer = peers[0] if peers else None
    floor = max(work.operations / rates[0], work.num_bytes / rates[1])
    return [
        {
            "work": name,
            "contender": key,
            "seconds": medians[key],
            "fastest": min(sample["seconds"]),
            "slowest": max(sample["seconds"]),
            "bytes": sample["bytes"],
            "peer": peer,
            "ratio": medians[key] / medians[peer] if peer else None,
            "floor": floor,
            "machine": machine,
        }
        for key, sample in samples.items()
        if key in work.contenders
    ]


def make_table(title, records):
    """Return the Markdown table of a piece of work.

    Args:
        title: string, the work in words.
        records: list of its records.

    Returns:
        String.
    """
    lines = [
        f"{title}:",
        "",
        f"| | ms | to {records[0]['peer'] or 'the first'} | MiB | of the floor |",
        "|---|---|---|---|---|",
    ]
    first = records[0]["seconds"]
    for record in records:
        ratio = record["ratio"] or record["seconds"] / first
        size = record["bytes"]
        memory = "" if size is None else f"{size / MEBIBYTE:,.0f}"
        share = f"{record['floor'] / record['seconds']:.0%}" if record["floor"] else ""
        lines.append(
            f"| {record['contender']} | {record['seconds'] * 1000:,.1f} | {ratio:.2f} "
            f"| {memory} | {share} |"
        )
    return "\n".join(lines)


def find_regressions(records, earlier, tolerance=1.25):
    """Compare ratios, never times, with earlier ones.

    Args:
        records: list of records.
        earlier: list of records.
        tolerance: float, what a ratio may have grown by.

    Returns:
        List of strings, a line a contender whose ratio has grown by more, and the
        number of the ratios that were compared: those to the same peer.
    """
    known = {(r["work"], r["contender"]): r for r in earlier}
    lines, num_compared = [], 0
    for record in records:
        before = known.get((record["work"], record["contender"]))
        comparable = before and before["peer"] == record["peer"] is not None
        comparable = comparable and record["contender"] != record["peer"]
        num_compared += bool(comparable)
        if comparable and record["ratio"] > tolerance * before["ratio"]:
            lines.append(
                f"{record['work']}, {record['contender']}: {record['ratio']:.2f} times "
                f"{record['peer']}, before {before['ratio']:.2f} times"
            )
    return lines, num_compared


def read_records(path):
    """Return the records of a file of JSON lines."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line]
