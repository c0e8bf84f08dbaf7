"""`glomo-keras pretrain`: texts to a preset, on after a kill; what is refused."""

import csv
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import types

import numpy as np
import pretrain_text
import pytest
import tensorflow as tf

import glomo_keras
from glomo_keras import __main__ as command_line
from glomo_keras import start_up
from glomo_keras.export import TextGraphs
from glomo_keras.locking import held_alone
from glomo_keras.models import GraphPredictor
from glomo_keras.models import find_preset
from glomo_keras.pretraining import optimization
from glomo_keras.pretraining import own_texts
from glomo_keras.pretraining import settings
from glomo_keras.pretraining import training

CHECKOUT = pathlib.Path(glomo_keras.__file__).resolve().parents[1]
TINY = "--size smoke --vocabulary-size 500 --batch-size 3 --steps-per-epoch 5".split()
TINY += ["--epochs", "2"]
RECIPE = "--no-jit --pictures-every 0 --stop-after 1".split()


def train_quickly(patched):
    """Train without compiling anything, and save every other step."""
    compile_pretrainer = optimization.compile_pretrainer

    def quick(pretrainer, settings, *rest):
        compile_pretrainer(pretrainer, settings, jit_compile=False)

    patched.setattr(optimization, "compile_pretrainer", quick)
    patched.setattr(settings, "SAVE_EVERY", 2)
    tf.config.run_functions_eagerly(True)


def stop_at(patched, epoch, step, stop):
    """Call a function as soon as a step has ended, both counted from 0."""

    class Stop(training.StepLine):
        def on_train_batch_end(self, batch, logs=None):
            if (self.epoch, batch) == (epoch, step):
                stop()

    patched.setattr(training, "StepLine", Stop)


def interrupt():
    raise KeyboardInterrupt


@pytest.fixture(autouse=True)
def quickly(monkeypatch):
    train_quickly(monkeypatch)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a text, and the run of it."""
    folder = tmp_path_factory.mktemp("own texts")
    pages = ("concepts", "how_to")
    pages = [CHECKOUT / "docs" / f"{name}.md" for name in pages]
    text = "\n\n".join(page.read_text("utf-8") for page in pages)
    (folder / "my text.txt").write_text(text, "utf-8")
    return folder


@pytest.fixture(scope="module")
def whole(folder):
    """A run from its beginning to its end, and what it printed."""
    with pytest.MonkeyPatch.context() as patched:
        train_quickly(patched)
        patched.chdir(folder)
        with open(folder / "printed", "w+") as printed:
            patched.setattr(sys, "stdout", printed)
            command_line.main(["pretrain", "my text.txt", *TINY, "--output", "whole"])
        tf.config.run_functions_eagerly(False)
    return folder / "whole", (folder / "printed").read_text()


@pytest.fixture
def copy(whole, tmp_path):
    """A copy of the run, to go on with."""
    return shutil.copytree(whole[0], tmp_path / "copy")


def read_log(run):
    with (run / "log.csv").open() as file:
        return list(csv.DictReader(file))


def contents(run):
    files = [run / "settings.json", run / "log.csv", *(run / "checkpoints").iterdir()]
    files += [*(run / "prepared").iterdir(), *(run / "preset").iterdir()]
    return {path: path.read_bytes() for path in files}


def pretrain(*arguments):
    command_line.main(["pretrain", *map(str, arguments)])


def test_a_run_leaves_a_preset_that_reads_strings(whole):
    run, printed = whole
    names = {path.name for path in run.iterdir()} - {".lock"}
    assert names == {"checkpoints", "log.csv", "prepared", "preset", "settings.json"}
    rows = read_log(run)
    assert [row["epoch"] for row in rows] == ["0", "1"]
    assert float(rows[1]["val_nats"]) < float(rows[0]["val_nats"]) < 4
    graphs = TextGraphs.from_preset(run / "preset")(["The graph of a text."])
    assert graphs["forward"].shape == (1, 2, 2, 6, 6)
    notes = find_preset(run / "preset").metadata["training"]
    assert notes["program"] == "glomo-keras pretrain" and notes["best_epoch"] == 2
    assert [source["name"] for source in notes["sources"]] == ["my text.txt"]
    assert "texts" not in notes and "output" not in notes  # of this machine alone


def test_lines_are_short_and_say_what_there_is(whole):
    lines = whole[1].splitlines()
    assert max(map(len, lines)) <= 80
    beginning = " ".join(
        lines[: next(i for i, x in enumerate(lines) if "epoch 1" in x)]
    )
    for part in (
        "documents, ",
        "in the vocabulary of 500",
        "2 epochs of 5 steps of 192 units: ",
        "parameters, of which 23,176 are kept.",
        "units/s: about ",
    ):
        assert part in beginning, part
    assert sum(line.startswith("epoch ") for line in lines) == 2
    assert lines[-2] == (
        "The preset of the best epoch is in whole/preset. To look at its graphs:"
    )


def test_the_line_at_the_end_is_a_command(whole, folder, monkeypatch, capsys):
    pytest.importorskip("matplotlib")
    prefix, _, arguments = whole[1].splitlines()[-1].partition(" plot ")
    assert prefix.strip() == start_up.program_name()
    assert arguments == "whole/preset 'A text .' --output picture.png"
    monkeypatch.chdir(folder)
    command_line.main(["plot", "whole/preset", "A text", "--output", "picture.png"])
    assert (folder / "picture.png").stat().st_size > 1_000


def test_a_run_is_what_the_recipe_trains(whole, folder, tmp_path, capsys):
    run, _ = whole
    places = ["--prepared", str(run / "prepared"), "--output", str(tmp_path)]
    corpus = f'files:"{folder / "my text.txt"}"'
    pretrain_text.main(["--corpus", corpus, *places, *TINY, *RECIPE])
    (row,) = read_log(tmp_path)
    for name in ("nats", "val_nats"):
        expected = float(read_log(run)[0][name])
        assert float(row[name]) == pytest.approx(expected, abs=1e-5)


KILLED = """
import os, signal, sys
import pytest
import test_command_line_pretrain as tests
patched = pytest.MonkeyPatch()
tests.train_quickly(patched)
kill = lambda: os.kill(os.getpid(), signal.SIGKILL)
tests.stop_at(patched, 0, 2, kill)
tests.pretrain(*sys.argv[1:])
"""


def test_a_killed_and_a_stopped_run_goes_on_exactly(
    whole, folder, tmp_path, monkeypatch, capsys
):
    path = [str(CHECKOUT), str(CHECKOUT / "tests"), str(CHECKOUT / "recipes")]
    program = f"import sys; sys.path[:0] = {path}\n{KILLED}"
    output = tmp_path / "run"
    arguments = [folder / "my text.txt", *TINY, "--output", output]
    command = [sys.executable, "-c", program, *map(str, arguments)]
    ended = subprocess.run(command, capture_output=True, timeout=300)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert not read_log(output)
    with monkeypatch.context() as patched:
        stop_at(patched, 1, 3, interrupt)
        message = (
            "pretrain: The training was stopped. The last good checkpoint, of epoch 2, "
            f"step 2, is in {output / 'checkpoints'}. --resume goes on with its "
            "settings.\n"
        )
        with pytest.raises(SystemExit) as stopped:
            pretrain("--resume", "--output", output)
        assert stopped.value.code == 130
    shown = capsys.readouterr()
    assert shown.err.endswith(message)
    assert "and 2 steps of the next" in " ".join(shown.out.split())
    pretrain(*arguments, "--resume")
    weights = [
        GraphPredictor.from_preset(run / "preset").get_weights()
        for run in (whole[0], output)
    ]
    for one, other in zip(*weights, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
    for one, other in zip(read_log(whole[0]), read_log(output), strict=True):
        assert one.keys() == other.keys()
        assert float(one["nats"]) == pytest.approx(float(other["nats"]), abs=1e-5)


def test_a_run_that_saved_nothing_goes_on_with_its_settings(
    folder, tmp_path, monkeypatch, capsys
):
    output = tmp_path / "run"
    with monkeypatch.context() as patched:
        stop_at(patched, 0, 0, interrupt)
        with pytest.raises(SystemExit, match="^130$"):
            pretrain(folder / "my text.txt", *TINY, "--seed", 5, "--output", output)
        assert "There is no checkpoint yet." in capsys.readouterr().err
        begun = (output / "settings.json").read_text()
        with pytest.raises(SystemExit, match=r"other settings \(seed: 5, not 3\)"):
            pretrain("--resume", "--seed", 3, "--output", output)
        with pytest.raises(SystemExit, match="^130$"):
            pretrain("--resume", "--output", output)
    shown = capsys.readouterr().out
    assert "2 epochs of 5 steps of 192 units:" in " ".join(shown.split())
    again = (output / "settings.json").read_text()
    assert again.replace('"resume": true', '"resume": false') == begun


def test_settings_of_something_else_are_not_replaced(folder, tmp_path):
    (tmp_path / "settings.json").write_text('{"mine": 1}')
    with pytest.raises(SystemExit, match="not that of this command"):
        pretrain(folder / "my text.txt", *TINY, "--output", tmp_path)
    assert (tmp_path / "settings.json").read_text() == '{"mine": 1}'


def test_places_that_cannot_be(folder, tmp_path, capsys):
    text = folder / "my text.txt"
    with pytest.raises(SystemExit, match="--output must be a folder. Received a file"):
        pretrain(text, "--output", text)
    with pytest.raises(SystemExit, match="Name one or more files of text; without"):
        pretrain("--resume", "--output", tmp_path / "mistyped")
    assert not (tmp_path / "mistyped").exists()
    with pytest.raises(SystemExit, match="must be without double quotes"):
        pretrain('he said "x".txt', "--output", tmp_path / "run")
    for seed in ("-3", str(2**32)):
        with pytest.raises(SystemExit, match="^2$"):
            pretrain(text, "--output", tmp_path / "run", f"--seed={seed}")
        assert "--seed: must lie in [0, 2**32)" in capsys.readouterr().err


def test_what_is_said_is_in_a_log_at_once(folder, tmp_path):
    """A process that is killed has written all lines before."""
    path = [str(CHECKOUT), str(CHECKOUT / "tests"), str(CHECKOUT / "recipes")]
    program = f"import sys; sys.path[:0] = {path}\n{KILLED.replace('0, 2', '0, 0')}"
    arguments = [folder / "my text.txt", *TINY, "--output", tmp_path / "run"]
    with (tmp_path / "log").open("w+") as log:
        subprocess.run(
            [sys.executable, "-c", program, *map(str, arguments)],
            env={k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"},
            stdout=log,
            stderr=subprocess.DEVNULL,
            timeout=300,
        )
    assert "after the first steps" in (tmp_path / "log").read_text()


def test_a_finished_run_trains_no_more(copy, capsys):
    before = contents(copy)
    pretrain("--resume", "--output", copy, "--patience", 3)
    shown = capsys.readouterr().out
    assert "has finished its 2 epochs. Nothing is trained." in shown
    assert f"is in {copy / 'preset'}." in shown
    after = contents(copy)
    changed = {path.name for path in before if before[path] != after[path]}
    assert changed == {"settings.json"}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["TEXT"], "holds a run already. Give --resume"),
        (["--resume", "--seed", "3"], r"other settings \(seed: 0, not 3\)"),
        (["--resume", "--keep-case"], r"\(keep_case: False, not True\)"),
        (["--resume", "--size", "base"], r"\(size: 'smoke', not 'base'\)"),
        (["OTHER", "--resume"], "run on other texts than those given: on my text.txt"),
        ([], "Name one or more files"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_run_is_left_as_it_is(whole, folder, tmp_path, more, message):
    run, _ = whole
    (tmp_path / "other.txt").write_text("Another text.")
    places = {"TEXT": folder / "my text.txt", "OTHER": tmp_path / "other.txt"}
    before = contents(run)
    with pytest.raises(SystemExit, match=f"pretrain: .*{message}") as refused:
        pretrain(*(places.get(part, part) for part in more), "--output", run)
    assert "\n" not in str(refused.value)
    assert contents(run) == before


def test_a_run_of_another_program_is_refused(copy):
    (copy / "settings.json").write_text('{"corpus": "docs"}')
    with pytest.raises(SystemExit, match="not that of this command: it lacks .*texts"):
        pretrain("--resume", "--output", copy)
    (copy / "settings.json").write_text("{")
    with pytest.raises(SystemExit, match="settings.json is missing or damaged"):
        pretrain("--resume", "--output", copy)


def test_one_process_works_in_a_folder(folder, tmp_path):
    with held_alone(tmp_path):
        with pytest.raises(SystemExit, match="is in use by process"):
            pretrain(folder / "my text.txt", "--output", tmp_path)
    assert not (tmp_path / "prepared").exists()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("gone.txt", None, "No file matches '.*gone.txt'"),
        ("empty.txt", b"", "empty.txt is empty"),
        ("blank.txt", b" \n\n", "is empty: 2 lines were read"),
        ("image.png", b"\x89PNG\r\n\x00\x01" * 900, "line 2 holds a NUL byte"),
        ("wide.txt", "some words \n".encode("utf-16") * 99, "must be UTF-8"),
        ("not.gz", b"some words", "is not a gzip archive"),
        ("little.txt", b"some words\n\n" * 9, "have 18 units, .* Give 1,000 or more"),
        ("one.txt", b"some words " * 9, "have 18 units, .* Give 1,000 or more"),
        ("list.txt", b"word\n\n" * 1_001, "have a single unit"),
        (".", None, "is a folder. Name its files"),
    ],
)
def test_what_is_no_text_is_one_line(tmp_path, name, content, message):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SystemExit, match=f"pretrain: .*{message}") as refused:
        pretrain(path, "--output", tmp_path / "run")
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "run" / "settings.json").exists()


def make_texts(paths, folder, vocabulary_size=300):
    """Prepare texts; return them and the lines that were printed."""
    lines = []
    directory = folder / "prepared"
    own_texts.prepare_texts(
        own_texts.find_texts(paths), directory, vocabulary_size, True, lines.append
    )
    sizes = {"batch_size": 3, "window": 64, "shift": 32, "seed": 0}
    made = types.SimpleNamespace(prepared=directory, **sizes)
    return own_texts.OwnTexts(made), lines


def test_arrays_of_other_settings_are_not_taken(tmp_path):
    path = tmp_path / "novel.txt"
    path.write_text(" ".join(f"w{n % 97}" for n in range(7_003)))
    make_texts([path], tmp_path)
    sources = own_texts.describe_texts(own_texts.find_texts([path]))
    directory = tmp_path / "prepared"
    assert own_texts.are_prepared(directory, sources, 300, True)
    assert not own_texts.are_prepared(directory, sources, 301, True)
    assert not own_texts.are_prepared(directory, sources, 300, False)
    assert not own_texts.are_prepared(directory, sources[:0], 300, True)
    assert not own_texts.are_prepared(tmp_path, sources, 300, True)


def test_a_single_long_document_has_a_part_for_validation(tmp_path):
    path = tmp_path / "novel.txt"
    path.write_text(" ".join(f"w{n % 97}" for n in range(7_003)))
    texts, _ = make_texts([path], tmp_path)
    lengths = np.diff(texts.corpus.train_offsets)
    assert len(lengths) == 14 and lengths.max() - lengths.min() <= 1
    assert len(texts.corpus.train_ids) + len(texts.corpus.valid_ids) == 7_003
    assert len(texts.valid) == 8 and texts.windows.num_dropped_documents == 0


def test_short_documents_are_read_where_there_are_no_others(tmp_path):
    verses = "\n\n".join(f"one short verse w{n % 7} ." for n in range(500))
    (tmp_path / "verses.txt").write_text(verses)
    texts, _ = make_texts([tmp_path / "verses.txt"], tmp_path)
    assert texts.windows.num_dropped_documents == 0
    prose = "a longer document of the same words " * 9
    (tmp_path / "prose.txt").write_text("\n\n".join([prose] * 99 + ["a title"] * 50))
    texts, _ = make_texts([tmp_path / "prose.txt"], tmp_path)
    assert 0 < texts.windows.num_dropped_documents <= 50


def test_several_texts_and_lines_that_are_skipped(tmp_path):
    for name in ("a, b.txt", "c d.txt"):
        text = "One line of words.\n\n" * 200
        (tmp_path / name).write_bytes(text.encode() + "caf\u00e9\n".encode("latin-1"))
    paths = [tmp_path / "a, b.txt", tmp_path / "c d.txt", tmp_path / "*d.txt"]
    texts, lines = make_texts(paths, tmp_path)
    assert len(texts.corpus.train_offsets) + len(texts.corpus.valid_offsets) == 402
    skipped = [line for line in lines if "skipped 1 of 401 lines" in line]
    assert len(skipped) == 2


def test_help_fits_a_terminal(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit, match="^0$"):
        pretrain("--help")
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 80
    assert "what --size decides:  smoke  small  base" in shown
