"""What a picture is made of, for tests: the figure behind a written file."""

import warnings
from contextlib import contextmanager
from unittest import mock

from matplotlib.backends.backend_agg import FigureCanvasAgg

from glomo_keras.analysis import figures


@contextmanager
def captured_figure(monkeypatch, module):
    """Yield a list that receives the figures which `module` writes.

    Any warning, of a missing glyph say, is an error meanwhile.
    """
    written = []

    def save_figure(figure, path):
        written.append(figure)
        return figures.save_figure(figure, path)

    with monkeypatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("error")
        patch.setattr(module, "save_figure", save_figure)
        yield written


def text_boxes(figure):
    """Boxes of all texts that are drawn, in pixels: list of `(text, box)`."""
    drawn = []

    def draw(text, renderer):
        if text.get_visible() and text.get_text().strip():
            drawn.append((text.get_text(), text.get_window_extent(renderer)))

    # Ticks out of view are texts of the figure as well, and never drawn.
    with mock.patch("matplotlib.text.Text.draw", draw):
        figure.draw(FigureCanvasAgg(figure).get_renderer())
    return drawn


def assert_inside(figure):
    """No text leaves the picture."""
    width, height = figure.get_size_inches() * figure.dpi
    for text, box in text_boxes(figure):
        assert box.x0 >= 0 and box.y0 >= 0, text
        assert box.x1 <= width and box.y1 <= height, text


def assert_apart(figure):
    """No two texts overlap by more than a pixel."""
    boxes = text_boxes(figure)
    for index, (text, box) in enumerate(boxes):
        for other_text, other in boxes[:index]:
            across = min(box.x1, other.x1) - max(box.x0, other.x0)
            down = min(box.y1, other.y1) - max(box.y0, other.y0)
            assert across <= 1 or down <= 1, (text, other_text)
