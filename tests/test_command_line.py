"""`glomo-keras`: presets listed, exported, inspected and drawn; one-line errors."""

import json
import os
import pathlib
import re
import shlex
import shutil
import sys
import types

import keras
import numpy as np
import pytest
import tensorflow as tf

import glomo_keras
from glomo_keras import __main__ as command_line
from glomo_keras import analysis
from glomo_keras.data import image_files
from glomo_keras.export import TextGraphs
from glomo_keras.export import archive_reading
from glomo_keras.models import GraphPredictor
from glomo_keras.models import ImageGraphPredictor
from glomo_keras.models import find_preset
from glomo_keras.models import presets

CHECKOUT = pathlib.Path(glomo_keras.__file__).resolve().parents[1]
HEAD = "--forward-head", "0", "0"


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


def test_export_and_inspect(text_preset, tmp_path, capsys):
    command_line.main(["export", text_preset, str(tmp_path), "--max-units", "5"])
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
    command_line.main(["inspect", text_preset])
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
def test_plot_of_a_text(text_preset, tmp_path, capsys, kind):
    pytest.importorskip("matplotlib")
    path = tmp_path / "made" / "picture.svg"
    arguments = [
        "plot",
        text_preset,
        "the cat sat",
        "--kind",
        kind,
        "--output",
        str(path),
    ]
    command_line.main(arguments)
    paths = list(map(pathlib.Path, capsys.readouterr().out.split()))
    names = ["picture_arcs.svg", "picture_grid.svg"] if kind == "both" else [path.name]
    assert paths == [path.with_name(name) for name in names]
    assert sorted(os.listdir(path.parent)) == names
    assert all("cat" in path.read_text("utf-8") for path in paths)


def test_a_page_of_texts(text_preset, tmp_path, capsys):
    path = tmp_path / "made" / "page.html"
    texts = ["--text", "the cat sat", "--text", "a cat"]
    command_line.main(["view", text_preset, *texts, "--output", str(path)])
    assert pathlib.Path(capsys.readouterr().out.strip()) == path
    page = path.read_text("utf-8")
    assert '"units":["the","cat","sat"]' in page and '"units":["a","cat"]' in page
    assert "<title>Graphs</title>" in page and "Graphs of " in page


def test_a_page_of_a_preset_whose_name_is_not_utf_8(text_preset, tmp_path, capsys):
    folder = tmp_path / "caf\udce9"  # in Latin-1, as Python reads its name
    try:
        shutil.copytree(text_preset, folder)
    except OSError:
        pytest.skip("the file system takes names in UTF-8 alone")
    path = tmp_path / "page.html"
    command_line.main(["view", str(folder), "--text", "the cat", "--output", str(path)])
    assert '"title":"Graphs of caf\ufffd"' in path.read_text("utf-8")


def test_pictures_and_pages_are_of_so_many_units(text_preset, tmp_path):
    pytest.importorskip("matplotlib")
    text = "the cat sat beneath"
    for command in (["plot", text_preset, text], ["view", text_preset, "--text", text]):
        path = tmp_path / f"{command[0]}.svg"
        command_line.main([*command, "--max-units", "3", "--output", str(path)])
        drawn = path.read_text("utf-8")
        assert "sat" in drawn and "beneath" not in drawn


def test_a_picture_is_of_no_more_units_than_a_page(text_preset, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    drawn = []

    def draw(graphs, units, path, *_):
        drawn.append(len(units))
        return path

    monkeypatch.setattr(analysis, "plot_text_graphs", draw)
    output = ["--output", str(tmp_path / "x.png")]
    command_line.main(["plot", text_preset, "cat " * 300, *output])
    assert drawn == [256]


def test_a_page_of_images(pixels, tmp_path, capsys):
    path = tmp_path / "page.html"
    command_line.main(["view", pixels, "--size", "4", "--output", str(path)])
    assert pathlib.Path(capsys.readouterr().out.strip()) == path
    assert '"height":4' in path.read_text("utf-8")


def test_plot_of_single_heads(text_preset, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    arguments = ["plot", text_preset, "the cat sat", *HEAD, "--backward-head"]
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


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["inspect", "no_such_preset"], "inspect: There is no preset"),
        (["inspect", "FOLDER/gone"], "inspect: There is no preset.*gone'"),
        (["inspect", "FOLDER"], "inspect: .*is no preset: it has no metadata.json"),
        (["graphs", "no_such_preset"], "graphs: There is no preset"),
        (["export", "PRESET", "FILE"], "export: .*File exists.*taken"),
        (["plot", "PRESET", "a", "--output", "FILE/x.png"], "plot: .*taken"),
        (["view", "PRESET", "--text", "a", "--output", "FILE/x"], "view: .*taken"),
        (["plot", "PIXELS", "FILE", "--output", "x.png"], "plot: .*image file.*taken"),
        (["view", "PIXELS", "--image", "EMPTY", "--output", "x"], "view: An image"),
        (["graphs", "PRESET", "no_such_file"], "graphs: .*no_such_file"),
        (["graphs", "PRESET", "FILE"], "graphs: There is no text in .*taken"),
        (["graphs", "PRESET", "FOLDER"], "graphs: .*Is a directory"),
        (["graphs", "PRESET", "--layer", "2"], "one of 2 layers, from 0.*: 2."),
        (
            ["graphs", "PRESET", "--backward-head", "1", "3"],
            "--backward-head must be .* 2 layers .* 3 heads, from 0. Received: 1 3.",
        ),
        (
            ["graphs", "PRESET", "--all-heads", "--words", "--layer", "0", *HEAD],
            "--all-heads does not go with --forward-head, --layer, --words.",
        ),
        (["graphs", "PIXELS"], "has no vocabulary.*ImageGraphPredictor.from_preset"),
        (["plot", "PIXELS", "a cat", "--output", "x.png"], "plot: .*a cat"),
        (
            ["plot", "PIXELS", "--kind", "grid", "--output", "x"],
            "and the heads are for",
        ),
        (
            ["plot", "PIXELS", "--max-units", "9", "--output", "x"],
            "--max-units and the heads are for presets of texts. Leave them out.",
        ),
        (
            ["view", "PIXELS", "--max-units", "9", "--output", "x"],
            "--max-units is for presets of texts. Leave it out.",
        ),
        (
            ["view", "PRESET", "--text", "a", "--size", "9", "--output", "x"],
            "--size is for presets of images. Leave it out.",
        ),
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
def test_errors_are_one_line(text_preset, pixels, tmp_path, arguments, message):
    (tmp_path / "taken").touch()
    places = {"PRESET": text_preset, "PIXELS": pixels, "FOLDER": str(tmp_path)}
    places["FILE"] = str(tmp_path / "taken")
    (tmp_path / "empty.png").touch()
    places["EMPTY"] = str(tmp_path / "empty.png")
    for name, path in places.items():
        arguments = [argument.replace(name, path) for argument in arguments]
    with pytest.raises(SystemExit, match=message) as error:
        command_line.main(arguments)
    assert "\n" not in str(error.value)


class JaxRuntimeError(RuntimeError):
    """Stands for that of JAX, which may not be installed."""


OUT_OF_MEMORY = tf.errors.ResourceExhaustedError(None, None, "OOM when\nallocating")


@pytest.mark.parametrize("error", [MemoryError(), OUT_OF_MEMORY])
@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (["graphs", "PRESET", "TEXTS"], "--batch-size or --max-units"),
        (["plot", "PRESET", "a", "--output", "x"], "--max-units"),
        (["view", "PRESET", "--text", "a", "--output", "x"], "--max-units"),
        (["view", "PIXELS", "--size", "8", "--output", "x"], "--size"),
    ],
)
def test_too_little_memory_is_one_line(
    text_preset, pixels, tmp_path, monkeypatch, arguments, advice, error
):
    def exhaust(*_):
        raise error

    monkeypatch.setattr(TextGraphs, "__call__", exhaust)
    monkeypatch.setattr(image_files, "example_images", exhaust)
    path = tmp_path / "texts"
    path.write_bytes(b"the cat\n")
    places = {"PRESET": text_preset, "PIXELS": pixels, "TEXTS": str(path)}
    with pytest.raises(SystemExit) as ended:
        command_line.main([places.get(argument, argument) for argument in arguments])
    assert str(ended.value) == (
        f"python -m glomo_keras {arguments[0]}: There is too little memory. Give a "
        f"smaller {advice}."
    )


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (MemoryError(), "There is too little memory."),
        (OverflowError("too\nlarge"), "too large"),
        (tf.errors.NotFoundError(None, None, "no\nfile"), "no file"),
        (JaxRuntimeError("INTERNAL: no\ndevice"), "INTERNAL: no device"),
        (JaxRuntimeError("RESOURCE_EXHAUSTED: Out"), "There is too little memory."),
        (
            tf.errors.ResourceExhaustedError(None, None, "No space left on device"),
            "No space left on device",
        ),
    ],
)
def test_errors_of_numbers_and_of_backends_are_one_line(monkeypatch, error, line):
    def fail():
        raise error

    errors = types.SimpleNamespace(JaxRuntimeError=JaxRuntimeError)
    monkeypatch.setitem(sys.modules, "jax", types.SimpleNamespace(errors=errors))
    monkeypatch.setattr(presets, "summarize_presets", fail)
    with pytest.raises(SystemExit) as ended:
        command_line.main(["list"])
    assert str(ended.value) == f"python -m glomo_keras list: {line}"


def test_numbers_that_are_too_large_are_refused(capsys):
    def refuses(*arguments):
        with pytest.raises(SystemExit, match="^2$"):
            command_line.make_parser().parse_args(arguments)
        return capsys.readouterr().err

    for option in ("--max-bytes", "--max-units", "--batch-size", "--top"):
        shown = refuses("graphs", "a", option, str(2**31))
        assert f"{option}: must be at most 2147483647, not 2147483648\n" in shown
    version = "export", "a", "b", "--version"  # such as a time in microseconds
    options = command_line.make_parser().parse_args([*version, str(2**63 - 1)])
    assert options.version == 2**63 - 1
    assert "must be at most" in refuses(*version, str(2**63))


def test_help_names_the_commands(capsys):
    with pytest.raises(SystemExit, match="^0$"):
        command_line.main(["--help"])
    shown = capsys.readouterr().out
    assert all(
        name in shown
        for name in ("list", "export", "inspect", "plot", "view", "graphs", "pretrain")
    )
    assert all(held in shown for held in ("texts", "images", "language models"))


COMMAND = re.compile(r"^(?:echo .*\| )?(?:glomo-keras|python -m glomo_keras) ([^|#]*)")
BLOCK = re.compile(r"^```\w*\n(.*?)^```", re.S | re.M)


def test_documented_commands_parse():
    names = []
    for page in (CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").glob("*.md"))):
        for block in BLOCK.findall(page.read_text("utf-8")):
            for line in block.replace("\\\n", " ").splitlines():
                for arguments in COMMAND.findall(line):
                    arguments = shlex.split(arguments)
                    options = command_line.make_parser().parse_args(arguments)
                    names.append(options.command)
    assert {"graphs", "export", "view", "pretrain"} <= {*names} and len(names) > 8


@pytest.mark.parametrize(
    ("arguments", "name", "values"),
    [
        (["graphs", "PRESET", "--words", "a", "b"], "files", ["a", "b"]),
        (["graphs", "--top", "2", "PRESET", "a", "--words", "b"], "files", ["a", "b"]),
        (["graphs", "PRESET", "--words"], "files", []),
        (["plot", "PRESET", "--kind", "arcs", "a", "--output", "x"], "inputs", ["a"]),
        (["pretrain", "--output", "x", "a", "--resume", "b"], "texts", ["a", "b"]),
    ],
)
def test_options_stand_anywhere(arguments, name, values):
    options = command_line.make_parser().parse_args(arguments)
    assert list(map(str, getattr(options, name))) == values
    assert getattr(options, "preset", "PRESET") == "PRESET"


def test_what_is_missing_is_named(capsys):
    for arguments, missing in (("graphs --words", "preset"), ("pretrain", "--output")):
        with pytest.raises(SystemExit, match="^2$"):
            command_line.main(arguments.split())
        shown = capsys.readouterr().err
        assert shown.endswith(f"arguments are required: {missing}\n"), shown
    with pytest.raises(SystemExit, match="^2$"):
        command_line.main(["list", "--wrong"])
    assert "unrecognized arguments: --wrong" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["plot", "view"])
def test_an_address_is_resolved_once(text_preset, tmp_path, monkeypatch, command):
    pytest.importorskip("matplotlib")
    asked = []

    def download(address):
        asked.append(address)
        return text_preset

    monkeypatch.setattr(presets, "download_preset", download)
    text = ["the cat"] if command == "plot" else ["--text", "the cat"]
    path = tmp_path / ("x.svg" if command == "plot" else "x.html")
    command_line.main([command, "hf://user/name", *text, "--output", str(path)])
    assert asked == ["hf://user/name"] and path.stat().st_size > 100


def test_a_command_that_is_interrupted_ends_with_one_line(monkeypatch, capsys):
    def interrupt():
        raise KeyboardInterrupt

    monkeypatch.setattr(presets, "summarize_presets", interrupt)
    with pytest.raises(SystemExit, match="^130$"):
        command_line.main(["list"])
    assert capsys.readouterr().err == "python -m glomo_keras list: Stopped.\n"
