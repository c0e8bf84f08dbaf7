"""`glomo-keras graphs`: texts in, JSON lines or a table out; streams and encodings."""

import contextlib
import io
import json
import os
import pathlib
import re
import subprocess
import sys
import threading

import keras
import numpy as np
import pytest

import glomo_keras
from glomo_keras import __main__ as command_line
from glomo_keras.export import TextGraphs

CHECKOUT = pathlib.Path(glomo_keras.__file__).resolve().parents[1]
TEXTS = b"The cat sat\n\nthe cat ,\n"  # a comma is no word of the preset


def run_graphs(capsys, *arguments):
    command_line.main(["graphs", *map(str, arguments)])
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_graphs_of_files(text_preset, tmp_path, capsys):
    (tmp_path / "a.txt").write_bytes(b"The cat sat on a mat .\r\n\n")
    (tmp_path / "b.txt").write_bytes(b"a mat \xff")
    files = [tmp_path / "a.txt", tmp_path / "b.txt"]
    options = "--top", 2, "--batch-size", 2, "--replace-invalid"
    found = run_graphs(capsys, text_preset, *files, *options)
    assert [len(line["units"]) for line in found] == [7, 0, 3]
    assert found[1] == {"units": [], "forward": [], "backward": []}
    assert found[2]["units"][2] == "\ufffd"
    graphs = TextGraphs.from_preset(text_preset)(["The cat sat on a mat ."])
    for direction in ("forward", "backward"):
        mean = keras.ops.convert_to_numpy(graphs[direction])[0].mean(axis=(0, 1))
        for receiver, pairs in enumerate(found[0][direction]):
            weights = np.sort(mean[receiver])[::-1][:2]
            assert [w for _, w in pairs] == pytest.approx(
                weights[weights > 0], abs=1e-3
            )
            for sender, weight in pairs:
                assert mean[receiver, sender] == pytest.approx(weight, abs=1e-3)


def test_graphs_of_standard_input_and_every_head(text_preset, capsys, monkeypatch):
    stdin = io.TextIOWrapper(io.BytesIO(b"the cat sat\n"))
    monkeypatch.setattr(sys, "stdin", stdin)
    (found,) = run_graphs(capsys, text_preset, "--all-heads")
    assert [[len(head) for head in layer] for layer in found["forward"]] == [
        [3] * 3
    ] * 2
    assert found["backward"][1][2][2] == []  # the last unit reads nothing


def test_every_head_of_a_text_without_units_reads_nothing(
    text_preset, tmp_path, capsys
):
    path = tmp_path / "texts"
    path.write_bytes(b"\nthe\n")
    empty, single = run_graphs(capsys, text_preset, path, "--all-heads")
    two_layers_of_three_heads = [[[]] * 3] * 2
    assert empty == {
        "units": [],
        "forward": two_layers_of_three_heads,
        "backward": two_layers_of_three_heads,
    }
    assert single["forward"] == [[[[]]] * 3] * 2


def test_a_missing_file_is_told_before_anything_is_written(
    text_preset, tmp_path, capsys
):
    (tmp_path / "a.txt").write_text("the cat\n", "utf-8")
    with pytest.raises(SystemExit, match="gone.txt"):
        run_graphs(capsys, text_preset, tmp_path / "a.txt", tmp_path / "gone.txt")
    assert not capsys.readouterr().out


def test_a_long_line_is_cut(text_preset, tmp_path, capsys):
    path = tmp_path / "long.txt"
    path.write_bytes(b"cat " * 1_000_000 + b"\nthe cat\n")
    found = run_graphs(capsys, text_preset, path, "--max-bytes", 100, "--max-units", 5)
    assert [line["units"] for line in found] == [["cat"] * 5, ["the", "cat"]]


FOREIGN = "the \u65e5 \U0001f600\n".encode()


def check_foreign(written):
    line = json.loads(written.decode("utf-8"))
    assert line["units"] == ["the", "\u65e5", "\U0001f600"]
    assert "\u65e5".encode() in written


def environment():
    """That of a user, who asks TensorFlow for nothing."""
    asked = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    return {**asked, "PYTHONPATH": str(CHECKOUT)}


def test_it_runs_as_a_module_quietly_and_writes_utf_8_in_every_locale(text_preset):
    result = subprocess.run(
        [sys.executable, "-m", "glomo_keras", "graphs", text_preset],
        input=FOREIGN,
        env={**environment(), "PYTHONIOENCODING": "cp1252", "LC_ALL": "C"},
        capture_output=True,
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stderr == b""
    check_foreign(result.stdout)


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16"])
def test_output_is_utf_8_in_every_encoding(text_preset, encoding, monkeypatch):
    written = io.BytesIO()
    for name, buffer in (("stdin", io.BytesIO(FOREIGN)), ("stdout", written)):
        stream = io.TextIOWrapper(buffer, encoding=encoding)
        monkeypatch.setattr(sys, name, stream)
    command_line.main(["graphs", text_preset])
    sys.stdout.flush()
    check_foreign(written.getvalue())


@pytest.mark.parametrize("flag", ["--batch-size", "--max-bytes", "--top"])
def test_numbers_are_positive(text_preset, flag, capsys):
    with pytest.raises(SystemExit):
        command_line.main(["graphs", text_preset, flag, "0"])
    assert "must be a positive integer, not 0" in capsys.readouterr().err


def run_table(capsys, *arguments):
    command_line.main(["graphs", *map(str, arguments), "--words"])
    head, *rows = capsys.readouterr().out.splitlines()
    assert head == "text\treceiver\tunit\tforward\tbackward"
    return [row.split("\t") for row in rows]


def expected_cells(text_graphs, text, choose, direction, num_senders):
    """The cells of a column, from the graphs themselves, sorted by Python."""
    outputs = text_graphs([text])
    units = [unit.decode() for unit in outputs["units"].numpy()[0]]
    cells = []
    for row in choose(outputs[direction].numpy()[0].astype("float64")):
        senders = sorted(range(len(units)), key=lambda j, row=row: (-row[j], j))
        senders = [j for j in senders if row[j] > 0][:num_senders]
        cells.append(", ".join(f"{j}:{units[j]} {row[j]:.3f}" for j in senders))
    return cells


@pytest.mark.parametrize(
    ("options", "forward", "backward"),
    [
        ([], lambda g: g.mean(axis=(0, 1)), lambda g: g.mean(axis=(0, 1))),
        (["--layer", 1], lambda g: g[1].mean(axis=0), lambda g: g[1].mean(axis=0)),
        (
            ["--layer", 0, "--backward-head", 1, 2],
            lambda g: g[0].mean(axis=0),
            lambda g: g[1, 2],
        ),
        (["--forward-head", 0, 1], lambda g: g[0, 1], lambda g: g.mean(axis=(0, 1))),
    ],
)
def test_a_table_of_words(text_preset, tmp_path, capsys, options, forward, backward):
    path = tmp_path / "texts"
    path.write_bytes(TEXTS)
    # Two batches, and an empty text, which has a number and no row.
    table = run_table(
        capsys, text_preset, path, "--top", 2, "--batch-size", 2, *options
    )
    assert [row[:3] for row in table] == [
        ["0", "0", "The"],
        ["0", "1", "cat"],
        ["0", "2", "sat"],
        ["2", "0", "the"],
        ["2", "1", "cat"],
        ["2", "2", ","],
    ]
    text_graphs = TextGraphs.from_preset(text_preset)
    columns = [
        sum(
            (
                expected_cells(text_graphs, text, choose, direction, 2)
                for text in ("The cat sat", "the cat ,")
            ),
            [],
        )
        for direction, choose in (("forward", forward), ("backward", backward))
    ]
    assert [row[3:] for row in table] == [
        list(row) for row in zip(*columns, strict=True)
    ]
    assert table[0][3] == table[2][4] == ""


def test_the_table_of_the_guide(tmp_path, capsys):
    guide = (CHECKOUT / "docs" / "saving.md").read_text("utf-8")
    command = r'echo "(.*)" \| glomo-keras graphs (.* --words .*) \| head -2\n'
    text, arguments, head, row = re.search(f"{command}(.*)\n(.*)\n```", guide).groups()
    path = tmp_path / "text"
    path.write_text(f"{text}\n")
    preset, *options = arguments.split()
    command_line.main(["graphs", preset, str(path), *options])
    assert capsys.readouterr().out.splitlines()[:2] == [head, row]


def test_json_of_a_single_head(text_preset, tmp_path, capsys):
    path = tmp_path / "texts"
    path.write_bytes(b"the cat sat\n")
    (every,) = run_graphs(capsys, text_preset, path, "--all-heads")
    heads = "--forward-head", 1, 2, "--backward-head", 0, 1
    (single,) = run_graphs(capsys, text_preset, path, *heads)
    assert single == {
        "units": ["the", "cat", "sat"],
        "forward": every["forward"][1][2],
        "backward": every["backward"][0][1],
    }


def test_help_says_what_json_and_table_hold(capsys):
    with pytest.raises(SystemExit, match="^0$"):
        command_line.main(["graphs", "--help"])
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 80
    example = shown.partition("in JSON:\n")[2].partition("  units ")[0]
    line = json.loads(example)
    assert list(line) == ["units", "forward", "backward"]
    assert line["forward"][1] == [[0, 1.0]]  # receivers in rows: "cat" reads "the"
    assert "receivers in rows" in shown and "INDEX:UNIT WEIGHT" in shown


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b"the\ncat \xff\n", "line 2, is not UTF-8: byte 5 of it is 0xff"),
        ("the cat\n".encode("utf-16"), "line 1, is not UTF-8: byte 1 of it is 0xf"),
        (b"caf\xc3", "line 1, is not UTF-8: byte 4 of it is 0xc3"),  # cut by its end
        (b"the\ncat\nsat \0\n", "line 3, holds a NUL byte"),
        ("the cat\n".encode("utf-16-le"), "line 1, holds a NUL byte"),
    ],
)
def test_what_is_not_utf_8_is_refused(text_preset, tmp_path, capsys, content, place):
    path = tmp_path / "texts"
    path.write_bytes(content)
    with pytest.raises(SystemExit, match=f"graphs: .*texts, {place}") as error:
        run_graphs(capsys, text_preset, path)
    assert "\n" not in str(error.value)
    # The lines before it are of one batch with it, and are written.
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == int(re.match(r"line (\d)", place)[1]) - 1
    for line, unit in zip(lines, ["the", "cat"][: len(lines)], strict=True):
        assert json.loads(line)["units"] == [unit]


def test_lines_before_a_wrong_one_are_rows_of_the_table(text_preset, tmp_path, capsys):
    path = tmp_path / "texts"
    path.write_bytes(b"a\nthe\ncat\nsat\n\xff\nmat\n")
    with pytest.raises(SystemExit, match="line 5, is not UTF-8"):
        run_table(capsys, text_preset, path, "--batch-size", 3)
    rows = [row.split("\t")[:3] for row in capsys.readouterr().out.splitlines()[1:]]
    assert rows == [[str(i), "0", w] for i, w in enumerate("a the cat sat".split())]


def test_a_file_that_goes_away_loses_no_lines_of_others(
    text_preset, tmp_path, capsys, monkeypatch
):
    first, second = tmp_path / "first", tmp_path / "second"
    for path in (first, second):
        path.write_text("the\n")
    load = TextGraphs.from_preset

    def load_slowly(*arguments):
        second.unlink()
        return load(*arguments)

    monkeypatch.setattr(TextGraphs, "from_preset", load_slowly)
    with pytest.raises(SystemExit, match="second"):
        run_graphs(capsys, text_preset, first, second)
    assert json.loads(capsys.readouterr().out)["units"] == ["the"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_a_named_pipe_is_read(text_preset, tmp_path, capsys):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    texts = tmp_path / "texts"
    texts.write_text("a\n")

    def end():  # what would wait for ever
        with contextlib.suppress(OSError):
            os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))

    writer = threading.Thread(target=pipe.write_bytes, args=[b"the cat\n"])
    timer = threading.Timer(60, end)
    writer.start()
    timer.start()
    found = run_graphs(capsys, text_preset, texts, pipe)
    timer.cancel()
    writer.join()
    assert [line["units"] for line in found] == [["a"], ["the", "cat"]]


def test_a_nul_byte_can_be_read_as_a_space(text_preset, tmp_path, capsys):
    path = tmp_path / "texts"
    path.write_bytes(b"the\0cat\n")
    (found,) = run_graphs(capsys, text_preset, path, "--replace-invalid")
    assert found["units"] == ["the", "cat"]


def test_half_a_character_at_the_cut_is_no_error(text_preset, tmp_path, capsys):
    path = tmp_path / "texts"
    path.write_bytes("caf\u00e9\ncat\n".encode())
    found = run_graphs(capsys, text_preset, path, "--max-bytes", 4)
    assert [line["units"] for line in found] == [["caf", "\ufffd"], ["cat"]]


@pytest.mark.parametrize(
    ("stdin", "message"),
    [
        (io.TextIOWrapper(io.BytesIO()), "There is no text in standard input"),
        (None, "Standard input is closed"),
    ],
)
def test_no_input_is_an_error(text_preset, monkeypatch, stdin, message):
    monkeypatch.setattr(sys, "stdin", stdin)
    with pytest.raises(SystemExit, match=f"^python -m glomo_keras graphs: {message}"):
        command_line.main(["graphs", text_preset])


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is full")
def test_output_that_cannot_be_written_is_an_error(monkeypatch):
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        with pytest.raises(SystemExit, match="list: .*No space left on device"):
            command_line.main(["list"])
        monkeypatch.undo()  # and closing it, as Python does at its end, is no error
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(SystemExit, match="list: Standard output is closed"):
        command_line.main(["list"])


def test_a_reader_that_has_read_enough_is_no_error(monkeypatch):
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        command_line.main(["list"])
        monkeypatch.undo()
