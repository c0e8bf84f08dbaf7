"""Tables of what heads read."""

from experiment.markdown import table_header
from experiment.markdown import table_line

LEGEND = (
    "Shares in percent, [95% interval over sentences]; heads are direction "
    "layer.number. Heads and offsets were chosen on other sentences. Of all arcs: the "
    "words whose strongest sender is their head or a dependent of theirs."
)


def tables(name, result):
    """Return the lines of the tables of a source, in Markdown.

    Args:
        name: str.
        result: dict, see `experiment.probing.probe.probe`.
    """
    has_untrained = "untrained" in result["attachment"]
    return [
        f"## {name}",
        "",
        LEGEND,
        "",
        *_relations(result["relations"], has_untrained),
        "",
        *_attachment(result["attachment"]),
    ]


def _relations(rows, has_untrained):
    columns = ["relation", "arcs", "head", "found", "offset", "found by it"]
    columns += ["difference", "previous word", "chance"]
    columns += ["untrained"] * has_untrained
    lines = ["Arcs that the best head finds:", ""]
    lines += table_header(columns)
    for row in rows:
        cells = [row["relation"], f"{row['arcs']:,}", row["head"]]
        cells += [_share(row["found"]), row["offset"], _share(row["by_offset"][:1])]
        cells += [_share(row["to_offset"], sign="+"), _share([row["by_previous"]])]
        cells += [_share([row["by_chance"]])]
        cells += [_share(row["by_untrained"][:1])] if has_untrained else []
        lines.append(table_line(cells))
    return lines


def _attachment(result):
    lines = ["Arcs in the maximum spanning tree of both directions, no punctuation:"]
    lines += ["", *table_header(["graphs", "head", "arcs", "mean of all heads"])]
    for name, row in result.items():
        cells = [name, row.get("head", ""), _share(row["found"])]
        cells.append(_share(row["of_all_heads"]) if "of_all_heads" in row else "")
        lines.append(table_line(cells))
    return lines


def _share(values, sign=""):
    value, *interval = (f"{100 * number:{sign}.1f}" for number in values)
    return f"{value} [{', '.join(interval)}]" if interval else value
