"""`python -m glomo_keras`: streams, JSON lines, one-line errors."""

import io
import json
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import glomo_keras
from glomo_keras import __main__ as command_line
from glomo_keras.data import Vocabulary
from glomo_keras.export import TextGraphs
from glomo_keras.export import archive_reading
from glomo_keras.models import GraphPredictor
from glomo_keras.models import ImageGraphPredictor
from glomo_keras.models import find_preset
from glomo_keras.models import presets

HEAD = "--forward-head", "0", "0"
WORDS = ["the", "cat", "sat", "on", "a", "mat", "."]


@pytest.fixture(scope="module")
def preset(tmp_path_factory):
    keras.utils.set_random_seed(3)
    folder = tmp_path_factory.mktemp("presets") / "small"
    predictor = GraphPredictor(
        9, embedding_dim=6, num_graph_layers=2, num_heads=3, num_convolutions=1
    )
    predictor.save_to_preset(folder, Vocabulary(WORDS, lowercase=True))
    return str(folder)


def run_graphs(capsys, *arguments):
    command_line.main(["graphs", *map(str, arguments)])
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_graphs_of_files(preset, tmp_path, capsys):
    (tmp_path / "a.txt").write_bytes(b"The cat sat on a mat .\r\n\n")
    (tmp_path / "b.txt").write_bytes(b"a mat \xff")
    files = [tmp_path / "a.txt", tmp_path / "b.txt"]
    found = run_graphs(capsys, preset, *files, "--top", 2, "--batch-size", 2)
    assert [len(line["units"]) for line in found] == [7, 0, 3]
    assert found[1] == {"units": [], "forward": [], "backward": []}
    assert found[2]["units"][2] == "\ufffd"
    graphs = TextGraphs.from_preset(preset)(["The cat sat on a mat ."])
    for direction in ("forward", "backward"):
        mean = graphs[direction].numpy()[0].mean(axis=(0, 1))
        for receiver, pairs in enumerate(found[0][direction]):
            weights = np.sort(mean[receiver])[::-1][:2]
            assert [w for _, w in pairs] == pytest.approx(
                weights[weights > 0], abs=1e-3
            )
            for sender, weight in pairs:
                assert mean[receiver, sender] == pytest.approx(weight, abs=1e-3)


def test_graphs_of_standard_input_and_every_head(preset, capsys, monkeypatch):
    stdin = io.TextIOWrapper(io.BytesIO(b"the cat sat\n"))
    monkeypatch.setattr(sys, "stdin", stdin)
    (found,) = run_graphs(capsys, preset, "--all-heads")
    assert [[len(head) for head in layer] for layer in found["forward"]] == [
        [3] * 3
    ] * 2
    assert found["backward"][1][2][2] == []  # the last unit reads nothing


def test_a_missing_file_is_told_before_anything_is_written(preset, tmp_path, capsys):
    (tmp_path / "a.txt").write_text("the cat\n", "utf-8")
    with pytest.raises(SystemExit, match="gone.txt"):
        run_graphs(capsys, preset, tmp_path / "a.txt", tmp_path / "gone.txt")
    assert not capsys.readouterr().out


def test_a_long_line_is_cut(preset, tmp_path, capsys):
    path = tmp_path / "long.txt"
    path.write_bytes(b"cat " * 1_000_000 + b"\nthe cat\n")
    found = run_graphs(capsys, preset, path, "--max-bytes", 100, "--max-units", 5)
    assert [line["units"] for line in found] == [["cat"] * 5, ["the", "cat"]]


def test_presets_are_listed(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(presets, "preset_folders", lambda: [tmp_path])
    sizes = {"num_graph_layers": 1, "num_heads": 2, "num_convolutions": 1}
    GraphPredictor(9, embedding_dim=4, **sizes).save_to_preset(
        tmp_path / "words", card="# words\n\nWords in,\ngraphs out. Small.\n"
    )
    ImageGraphPredictor(4, 1, 1, num_convolutions=1).save_to_preset(
        tmp_path / "a", card="# a\n"
    )
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "metadata.json").write_text("{")
    for name, size in (("words", 12_345_678), ("a", 2_000_000)):
        path = tmp_path / name / "metadata.json"
        metadata = json.loads(path.read_text())
        metadata["files"]["weights"]["bytes"] = size
        path.write_text(json.dumps(metadata))
    command_line.main(["list"])
    assert capsys.readouterr().out.splitlines() == [
        "name   class                weights  description",
        "a      ImageGraphPredictor   2.0 MB",
        "words  GraphPredictor       12.3 MB  Words in, graphs out.",
    ]


def test_presets_of_the_library_are_listed_with_their_sizes(capsys):
    command_line.main(["list"])
    _, *lines = capsys.readouterr().out.splitlines()
    names = [line.split()[0] for line in lines]
    assert names == sorted(names) and len(names) == 4
    for line, name in zip(lines, names, strict=True):
        preset = find_preset(name)
        size = preset.weights.stat().st_size / 1e6
        _, class_name, number, unit, description = line.split(maxsplit=4)
        assert class_name == preset.metadata["config"]["class_name"]
        assert (number, unit) == (f"{size:.1f}", "MB")
        assert description in " ".join(
            (preset.folder / "README.md").read_text().split()
        )


def test_version(capsys):
    with pytest.raises(SystemExit, match="^0$"):
        command_line.main(["--version"])
    assert capsys.readouterr().out == f"glomo_keras {glomo_keras.__version__}\n"


def test_export_and_inspect(preset, tmp_path, capsys):
    command_line.main(["export", preset, str(tmp_path), "--max-units", "5"])
    paths = capsys.readouterr().out.split()
    assert [os.path.relpath(path, tmp_path) for path in paths] == [
        "glomo_text_ids/1",
        "glomo_text_text/1",
    ]
    serve = tf.saved_model.load(paths[1]).signatures["serve"]
    assert serve(text=tf.constant(["cat " * 9]))["forward"].shape[-1] == 5
    command_line.main(["inspect", paths[0]])
    shown = capsys.readouterr().out
    assert "  takes   unit_ids: int32 (any, any)" in shown
    assert "  returns forward: float32 (any, 2, 3, any, any)" in shown
    command_line.main(["inspect", os.path.dirname(paths[0])])
    assert capsys.readouterr().out == f"versions: 1\nnewest: {paths[0]}\n{shown}"
    command_line.main(["inspect", preset])
    assert json.loads(capsys.readouterr().out)["config"]["class_name"] == (
        "GraphPredictor"
    )


def test_the_newest_of_several_versions_is_inspected(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(archive_reading, "describe_archive", lambda path: [path.name])
    for name in ("10", "9", "11", "text", "12/variables"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("10", "9", "text"):  # the others are no SavedModels
        (tmp_path / name / "saved_model.pb").touch()
    command_line.main(["inspect", str(tmp_path)])
    newest = tmp_path / "10"
    assert capsys.readouterr().out == f"versions: 9, 10\nnewest: {newest}\n10\n"


def test_numbers_of_heads_stand_in_one_line(tmp_path, capsys):
    sizes = {"num_graph_layers": 1, "num_heads": 2, "num_convolutions": 1}
    heads = {"density": {"forward": [[0.25, None]], "backward": [[1e-05, -2]]}}
    training = {"heads": heads, "note": "[ 1, 2 ]"}
    GraphPredictor(9, embedding_dim=4, **sizes).save_to_preset(
        tmp_path, training=training
    )
    command_line.main(["inspect", str(tmp_path)])
    shown = capsys.readouterr().out
    assert json.loads(shown)["training"] == training
    assert "[0.25, null]" in shown and "[1e-05, -2]" in shown


def test_another_preset_is_no_next_version(empty_archives, tmp_path, capsys):
    for size, name in ((6, "first"), (4, "other")):
        GraphPredictor(
            9, embedding_dim=size, num_graph_layers=1, num_heads=2, num_convolutions=1
        ).save_to_preset(tmp_path / name)
    command_line.main(["export", str(tmp_path / "first"), str(tmp_path)])
    export_other = ["export", str(tmp_path / "other"), str(tmp_path)]
    with pytest.raises(SystemExit, match="embedding_dim=6 there and 4 here.*`name`"):
        command_line.main(export_other)
    capsys.readouterr()
    command_line.main([*export_other, "--name", "other"])
    command_line.main([*export_other, "--version", "2"])
    paths = capsys.readouterr().out.split()
    assert [os.path.relpath(path, tmp_path) for path in paths] == [
        "other_ids/1",
        "glomo_text_ids/2",
    ]


@pytest.mark.parametrize("kind", ["arcs", "grid", "both"])
def test_plot_of_a_text(preset, tmp_path, capsys, kind):
    pytest.importorskip("matplotlib")
    path = tmp_path / "made" / "picture.svg"
    arguments = ["plot", preset, "the cat sat", "--kind", kind, "--output", str(path)]
    command_line.main(arguments)
    paths = list(map(pathlib.Path, capsys.readouterr().out.split()))
    names = ["picture_arcs.svg", "picture_grid.svg"] if kind == "both" else [path.name]
    assert paths == [path.with_name(name) for name in names]
    assert sorted(os.listdir(path.parent)) == names
    assert all("cat" in path.read_text("utf-8") for path in paths)


def test_a_page_of_texts(preset, tmp_path, capsys):
    path = tmp_path / "made" / "page.html"
    texts = ["--text", "the cat sat", "--text", "a cat"]
    command_line.main(["view", preset, *texts, "--output", str(path)])
    assert pathlib.Path(capsys.readouterr().out.strip()) == path
    page = path.read_text("utf-8")
    assert '"units":["the","cat","sat"]' in page and '"units":["a","cat"]' in page
    assert "<title>Graphs</title>" in page and "Graphs of " in page


def test_a_page_of_images(pixels, tmp_path, capsys):
    path = tmp_path / "page.html"
    command_line.main(["view", pixels, "--size", "4", "--output", str(path)])
    assert pathlib.Path(capsys.readouterr().out.strip()) == path
    assert '"height":4' in path.read_text("utf-8")


def test_plot_of_single_heads(preset, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    arguments = ["plot", preset, "the cat sat", *HEAD, "--backward-head"]
    path = str(tmp_path / "x.svg")
    command_line.main([*arguments, "0", "1", "--output", path])
    assert capsys.readouterr().out == f"{path}\n"
    svg = (tmp_path / "x.svg").read_text()
    assert "forward layer 0 head 0, backward layer 0 head 1" in svg
    with pytest.raises(SystemExit, match="of the backward graphs, from 0"):
        command_line.main([*arguments, "0", "9", "--output", path])


@pytest.fixture(scope="module")
def pixels(tmp_path_factory):
    keras.utils.set_random_seed(5)
    folder = tmp_path_factory.mktemp("presets") / "pixels"
    predictor = ImageGraphPredictor(4, 1, 1, num_convolutions=1)
    predictor.save_to_preset(folder)
    return str(folder)


def test_plot_of_images(pixels, tmp_path, capsys):
    image = pytest.importorskip("matplotlib.image")
    colours = np.zeros((20, 30, 3), "uint8")
    colours[:, 15:] = (255, 0, 0)
    image.imsave(tmp_path / "colours.png", colours)
    small = str(tmp_path / "colours.png")
    output = str(tmp_path / "edges")
    command_line.main(["plot", pixels, small, small, "--size", "5", "--output", output])
    paths = capsys.readouterr().out.split()
    assert paths == [
        f"{output}_image_{number}_{place}.png"
        for number in range(2)
        for place in ("center", "corner")
    ]
    assert all(os.path.getsize(path) > 1_000 for path in paths)
    with pytest.raises(SystemExit, match="must have 21 x 21 pixels or more"):
        command_line.main(["plot", pixels, small, "--size", "21", "--output", output])


def test_plot_of_images_that_come_with_matplotlib(pixels, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    output = tmp_path / "edges.svg"
    command_line.main(["plot", pixels, "--size", "4", "--output", str(output)])
    paths = capsys.readouterr().out.split()
    assert len(paths) == 6 and paths[5] == str(tmp_path / "edges_image_2_corner.svg")
    assert sorted(map(os.path.basename, paths)) == sorted(os.listdir(tmp_path))


FOREIGN = "the \u65e5 \U0001f600\n".encode()


def check_foreign(written):
    line = json.loads(written.decode("utf-8"))
    assert line["units"] == ["the", "\u65e5", "\U0001f600"]
    assert "\u65e5".encode() in written


def test_it_runs_as_a_module_and_writes_utf_8_in_every_locale(preset):
    result = subprocess.run(
        [sys.executable, "-m", "glomo_keras", "graphs", preset],
        input=FOREIGN,
        env={**os.environ, "PYTHONIOENCODING": "cp1252", "LC_ALL": "C"},
        capture_output=True,
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    check_foreign(result.stdout)


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16"])
def test_output_is_utf_8_in_every_encoding(preset, encoding, monkeypatch):
    written = io.BytesIO()
    for name, buffer in (("stdin", io.BytesIO(FOREIGN)), ("stdout", written)):
        stream = io.TextIOWrapper(buffer, encoding=encoding)
        monkeypatch.setattr(sys, name, stream)
    command_line.main(["graphs", preset])
    sys.stdout.flush()
    check_foreign(written.getvalue())


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["inspect", "no_such_preset"], "inspect: There is no preset"),
        (["graphs", "PRESET", "no_such_file"], "graphs: .*no_such_file"),
        (["graphs", "PIXELS"], "has no vocabulary.*ImageGraphPredictor.from_preset"),
        (["plot", "PIXELS", "a cat", "--output", "x.png"], "plot: .*a cat"),
        (["plot", "PIXELS", "--kind", "grid", "--output", "x"], "--kind and the heads"),
        (["plot", "PRESET", "a", *HEAD, "--output", "x.png"], "give .*-backward-head"),
        (
            ["plot", "PRESET", "a", *HEAD, "--kind", "grid", "--output", "x"],
            "all heads",
        ),
        (["plot", "PRESET", "--output", "x.png"], "takes one text.*Received: 0 texts"),
        (["plot", "PRESET", "a", "--size", "9", "--output", "x"], "--size 9"),
        (["export", "PRESET", "FOLDER", "--name", "../x"], "export: .*without a path"),
        (["plot", "PRESET", " ", "--output", "x.png"], "plot: The text has no unit"),
        (["view", "PRESET", "--text", " ", "--output", "x"], "view: .* have no unit"),
        (["view", "PIXELS", "--text", "a", "--output", "x"], "has no vocabulary"),
        (["view", "PRESET", "--image", "a.png", "--output", "x"], "0 texts and 1 im"),
    ],
)
def test_errors_are_one_line(preset, pixels, tmp_path, arguments, message):
    places = {"PRESET": preset, "PIXELS": pixels, "FOLDER": str(tmp_path)}
    with pytest.raises(SystemExit, match=message) as error:
        command_line.main([places.get(argument, argument) for argument in arguments])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("flag", ["--batch-size", "--max-bytes", "--top"])
def test_numbers_are_positive(preset, flag, capsys):
    with pytest.raises(SystemExit):
        command_line.main(["graphs", preset, flag, "0"])
    assert "must be a positive integer, not 0" in capsys.readouterr().err


def test_help_names_the_commands(capsys):
    with pytest.raises(SystemExit, match="^0$"):
        command_line.main(["--help"])
    shown = capsys.readouterr().out
    assert all(
        name in shown
        for name in ("list", "export", "inspect", "plot", "view", "graphs")
    )
    assert all(held in shown for held in ("texts", "images", "language models"))
