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
