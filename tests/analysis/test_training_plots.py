"""Curves of a training and tables of graph statistics."""

import os

import numpy as np
import pytest

from glomo_keras.analysis import graph_statistics
from glomo_keras.analysis import plot_graph_statistics
from glomo_keras.analysis import plot_history
from glomo_keras.analysis import training_plots
from glomo_keras.analysis.training_plots import read_history
from tests.analysis.figure_capture import assert_apart
from tests.analysis.figure_capture import assert_inside
from tests.analysis.figure_capture import captured_figure
from tests.analysis.figure_capture import text_boxes

HISTORY = {
    "loss": [3.0, 2.0, 1.5],
    "density": [0.5, 0.4, 0.3],
    "val_loss": [3.1, 2.4, 2.5],
}


def _draw(monkeypatch, path, history, **arguments):
    with captured_figure(monkeypatch, training_plots) as written:
        plot_history(history, path, **arguments)
    return written[0]


def _curves(axes):
    return {line.get_label(): line.get_xydata().tolist() for line in axes.lines}


def test_history_of_a_dict(monkeypatch, tmp_path):
    figure = _draw(monkeypatch, tmp_path / "history.png", HISTORY)
    assert os.listdir(tmp_path) == ["history.png"]
    assert len(figure.axes) == 1
    assert _curves(figure.axes[0]) == {
        "training": [[1, 3.0], [2, 2.0], [3, 1.5]],
        "validation": [[1, 3.1], [2, 2.4], [3, 2.5]],
        "lowest: 2.4, epoch 2": [[2, 2.4]],
    }
    assert figure.axes[0].get_title() == "loss"
    assert_inside(figure)


def test_history_of_a_csv_file(monkeypatch, tmp_path):
    path = tmp_path / "history.csv"
    # As CSVLogger writes it, validated every second epoch, resumed at epoch 3.
    path.write_text(
        "epoch,loss,val_loss\n3,4,NA\n4,3.5,3.75\n5,3.25,NA\n6,nan,3.5\n", "utf-8"
    )
    figure = _draw(monkeypatch, tmp_path / "history.png", str(path))
    curves = _curves(figure.axes[0])
    assert curves["training"][:3] == [[4, 4.0], [5, 3.5], [6, 3.25]]
    assert np.isnan(curves["training"][3][1])
    assert curves["lowest: 3.5, epoch 7"] == [[7, 3.5]]


def test_chosen_and_all_metrics(monkeypatch, tmp_path):
    figure = _draw(monkeypatch, tmp_path / "a.png", HISTORY, metrics=["density"])
    assert [axes.get_title() for axes in figure.axes] == ["density"]
    assert list(_curves(figure.axes[0])) == ["training"]
    assert "validation" not in " ".join(text for text, _ in text_boxes(figure))
    figure = _draw(monkeypatch, tmp_path / "b.png", HISTORY, metrics=None)
    assert [axes.get_title() for axes in figure.axes] == ["loss", "density"]
    assert_inside(figure)


def test_single_epoch(monkeypatch, tmp_path):
    figure = _draw(monkeypatch, tmp_path / "history.png", {"loss": [3.0]})
    assert_inside(figure)
    texts = [text for text, _ in text_boxes(figure)]
    assert texts.count("1") == 1 and not {"0", "2", "1.0"} & set(texts)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, "nan"])
@pytest.mark.parametrize("name", ["loss", "val_loss", "both"])
def test_a_diverged_history_is_an_empty_panel(monkeypatch, tmp_path, value, name):
    names = ["loss", "val_loss"] if name == "both" else [name]
    history = {column: [value, value] for column in names}
    figure = _draw(monkeypatch, tmp_path / "history.png", history)
    assert [text.get_text() for text in figure.axes[0].texts] == ["no finite value"]
    assert_inside(figure)
    assert_apart(figure)


def test_a_diverged_column_beside_another(monkeypatch, tmp_path):
    history = {"loss": [np.nan, np.inf], "val_loss": [2.0, np.inf], "density": [1, 2]}
    figure = _draw(monkeypatch, tmp_path / "history.png", history, metrics=None)
    loss, density = figure.axes
    assert not loss.texts and not density.texts
    assert _curves(loss)["lowest: 2, epoch 1"] == [[1, 2.0]]
    assert np.isnan(np.array(_curves(loss)["training"])[:, 1]).all()
    assert _curves(density)["training"] == [[1, 1.0], [2, 2.0]]
    assert_inside(figure)


def test_columns_without_numbers_are_left_out():
    columns = read_history({"loss": [1.0, 2.0], "val_loss": ["NA", None]})
    assert sorted(columns) == ["epoch", "loss"]
    assert columns["epoch"].tolist() == [0, 1]


@pytest.mark.parametrize(
    "history, message",
    [
        ({}, "a dict with columns of lengths"),
        ({"loss": []}, r"lengths \[0\]"),
        ({"loss": [1.0], "density": [1.0, 2.0]}, r"lengths \[1, 2\]"),
        ({"density": [1.0]}, "Received: 'loss'"),
        ({"loss": [1.0], "epoch": ["NA"]}, "finite number in every row of `epoch`"),
    ],
)
def test_wrong_histories(tmp_path, history, message):
    with pytest.raises(ValueError, match=message):
        plot_history(history, tmp_path / "history.png")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "history, metrics, message",
    [
        (HISTORY, (), "must be one metric.* the history has: loss, density, val_loss"),
        ({"epoch": [0, 1]}, None, "must be one.* the history has: no metric"),
        (HISTORY, "loss", "must be a list of strings.* Received one string: 'loss'"),
        (HISTORY, ["x"], "must be in the history.* Received: 'x'"),
    ],
)
def test_wrong_metrics(tmp_path, history, metrics, message):
    with pytest.raises(ValueError, match=f"`metrics` {message}"):
        plot_history(history, tmp_path / "history.png", metrics=metrics)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", ["", "epoch,loss\n"])
def test_csv_files_without_an_epoch(tmp_path, text):
    path = tmp_path / "history.csv"
    path.write_text(text, "utf-8")
    with pytest.raises(ValueError, match="history.csv.*Train for an epoch first"):
        plot_history(path, tmp_path / "history.png")


def test_csv_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="missing.csv"):
        plot_history(tmp_path / "missing.csv", tmp_path / "history.png")


def test_statistics_are_written_as_numbers(monkeypatch, tmp_path, random):
    graphs = np.tril(np.maximum(random.normal(size=(2, 3, 5, 7, 7)), 0), -1)
    graphs[:, 1, 2] = 0
    statistics = graph_statistics(graphs)
    with captured_figure(monkeypatch, training_plots) as written:
        path = plot_graph_statistics(statistics, tmp_path / "statistics.png")
    assert os.listdir(tmp_path) == ["statistics.png"]
    assert path.stat().st_size > 10_000
    density, *_, distance = written[0].axes
    expected = [f"{v:.3g}" for v in statistics["by_head"]["density"].ravel()]
    assert [text.get_text() for text in density.texts] == expected
    # A dead head has a density of zero and no distance.
    assert density.texts[1 * 5 + 2].get_text() == "0"
    assert distance.texts[1 * 5 + 2].get_text() == "–"
    texts = [text for text, _ in text_boxes(written[0])]
    assert any("Dead heads, without any weight: 1 of 15." in t for t in texts)
    assert_inside(written[0])
    assert_apart(written[0])


def test_statistics_without_any_number(monkeypatch, tmp_path):
    statistics = graph_statistics(np.zeros((2, 3, 5, 1, 1)))  # units that see nothing
    with captured_figure(monkeypatch, training_plots) as written:
        plot_graph_statistics(statistics, tmp_path / "statistics.png")
    texts = [text for text, _ in text_boxes(written[0])]
    assert not any("nan" in text for text in texts)
    assert texts.count("–") == 15 * len(written[0].axes)
    assert_inside(written[0])


def test_statistics_of_one_dead_head(monkeypatch, tmp_path):
    statistics = graph_statistics(np.zeros((2, 1, 1, 3, 3)))
    with captured_figure(monkeypatch, training_plots) as written:
        plot_graph_statistics(statistics, tmp_path / "statistics.png")
    assert_inside(written[0])
