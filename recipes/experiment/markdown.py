"""Lines of tables in Markdown."""


def table_line(cells):
    """Return a line of a table.

    Args:
        cells: sequence of whatever has a string.
    """
    return f"| {' | '.join(map(str, cells))} |"


def table_header(columns):
    """Return the two lines that a table begins with.

    Args:
        columns: sequence of str.
    """
    return [table_line(columns), "|" + "---|" * len(columns)]


def filled_table(columns, rows):
    """Return the lines of a table, without the columns that hold nothing.

    Args:
        columns: list of str.
        rows: list of lists of cells; an empty string holds nothing.
    """
    kept = [n for n in range(len(columns)) if any(row[n] != "" for row in rows)]
    lines = [table_line([row[n] for n in kept]) for row in rows]
    return [*table_header([columns[n] for n in kept]), *lines]
