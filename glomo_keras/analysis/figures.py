"""Figures that belong to no window, text that can always be drawn, safe files."""

import textwrap
from pathlib import Path

from glomo_keras.analysis.graph_arrays import unit_strings
from glomo_keras.files import atomic_write

INK = "#222222"
FAINT = "#d9d9d9"
HIDDEN = "#ececec"
# Okabe and Ito's colours: told apart with every kind of colour vision.
BLUE = "#0072b2"
ORANGE = "#d55e00"
DOTS_PER_INCH = 150
# Units and titles are data: a dollar sign in them starts no formula.
PLAIN = {"parse_math": False, "usetex": False, "color": INK}

_MISSING = "\N{WHITE SQUARE}"
_VISIBLE_SPACES = {
    "\n": "\N{RETURN SYMBOL}",
    "\t": "\N{RIGHTWARDS ARROW TO BAR}",
}


def new_figure(function, width, height):
    """Make a white figure of its own, in no global list of figures.

    Args:
        function: string, the name of the public function, for the error message.
        width: float, in inches.
        height: float, in inches.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ImportError: if matplotlib is not installed.

    Example:

    >>> new_figure("plot_graph_heatmap", 3, 2).get_size_inches().tolist()
    [3.0, 2.0]
    """
    require_matplotlib(function)
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=DOTS_PER_INCH, facecolor="white")


def require_matplotlib(function):
    """Raise an error that tells what to install, unless matplotlib is there.

    Args:
        function: string, the name of the public function that needs it.

    Raises:
        ImportError: if matplotlib is not installed.

    Example:

    >>> require_matplotlib("plot_graph_heatmap")
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f"`{function}` needs matplotlib, which is not installed. "
            'Run: pip install "glomo_keras[plots]"'
        ) from error


def save_figure(figure, path=None):
    """Write a figure to a file, which is complete or not there.

    Args:
        figure: a `matplotlib.figure.Figure`.
        path: path of the file; its suffix is the format. Missing folders are made.
            `None` writes nothing.

    Returns:
        The path, a `pathlib.Path`, or without one the figure.

    Raises:
        ValueError: if the suffix is no known format.

    Example:

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_figure(new_figure("save_figure", 1, 1), folder + "/empty.png").name
    'empty.png'
    """
    if path is None:
        return figure
    path = Path(path)
    formats = sorted(figure.canvas.get_supported_filetypes())
    suffix = path.suffix.lower().removeprefix(".")
    if suffix not in formats:
        raise ValueError(
            f"`path` must end in a picture format, one of {', '.join(formats)}. "
            f"Received: path={str(path)!r}. Use for example {path.stem}.png."
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as temporary:
        figure.savefig(temporary, format=suffix)
    return path


def drawable_units(units, max_length=18):
    r"""Turn units into labels that draw without warnings, whatever is in them.

    Characters without a glyph in the fonts of matplotlib's `font.family` setting and
    control characters become squares, line ends and tabs visible signs, and what is
    longer than `max_length` is cut.

    Args:
        units: as for `unit_strings`.
        max_length: int, number of characters.

    Returns:
        List of strings.

    Example:

    >>> drawable_units(["$x$", "a\nb", "incomprehensibilities"], max_length=9)
    ['$x$', 'a⏎b', 'incompre…']
    """
    from matplotlib import font_manager

    fonts = []
    for family in font_manager.FontProperties().get_family():
        try:
            font_path = font_manager.findfont(
                font_manager.FontProperties(family=[family]),
                fallback_to_default=False,
            )
        except ValueError:  # a family of the list that this machine does not have
            continue
        fonts.append(font_manager.get_font(font_path))

    def draw(character):
        character = _VISIBLE_SPACES.get(character, character)
        if character.isprintable() and any(
            font.get_char_index(ord(character)) for font in fonts
        ):
            return character
        return _MISSING

    labels = []
    for unit in unit_strings(units):
        if len(unit) > max_length:
            unit = unit[: max_length - 1] + "…"
        label = "".join(draw(character) for character in unit)
        labels.append(label if label.strip() else "\N{OPEN BOX}" * max(1, len(label)))
    return labels


def text_width(text, size):
    """Measure a line of text.

    Args:
        text: string that can be drawn.
        size: float, font size in points.

    Returns:
        Float, its width in inches.

    Example:

    >>> text_width("wide", 10) > text_width("ill", 10) > 0.0
    True
    """
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    properties = FontProperties(size=size)
    return text_to_path.get_text_width_height_descent(text, properties, False)[0] / 72


def weight_colors():
    """Colours of weights above zero: pale to dark, never as pale as white.

    Returns:
        A `matplotlib.colors.Colormap`.

    Example:

    >>> [round(float(level), 2) for level in weight_colors()(0.0)]  # RGB, alpha
    [0.91, 0.97, 0.7, 1.0]
    """
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap

    palest, steps = 0.14, 256
    levels = [palest + (1 - palest) * step / (steps - 1) for step in range(steps)]
    return ListedColormap(colormaps["YlGnBu"](levels))


def write_header(figure, title, note):
    """Write a title and a smaller explanation below it, top left, wrapped to fit.

    Args:
        figure: a `matplotlib.figure.Figure`.
        title: string.
        note: string, says how to read the picture.

    Returns:
        Float, the height that the header takes, in inches.

    Example:

    >>> 0.3 < write_header(new_figure("plot_history", 5, 3), "Title", "Note") < 0.8
    True
    """
    width, height = figure.get_size_inches()
    margin, top = 0.12, 0.12
    for text, size, color in ((title, 11, INK), (note, 8.5, "#555555")):
        text = " ".join(drawable_units([text], max_length=400))
        # Average letters, so a line of them may come out a little short.
        columns = int((width - 2 * margin) * 72 / (size * 0.53))
        lines = textwrap.wrap(text, columns) or [""]
        figure.text(
            margin / width,
            1 - top / height,
            "\n".join(lines),
            size=size,
            va="top",
            linespacing=1.25,
            **(PLAIN | {"color": color}),
        )
        top += len(lines) * size * 1.25 / 72 + 0.05
    return top
