"""Runs side by side: of text by nats, of images by bits, each epoch once."""

import csv
import json

import compare_pretraining
import pytest


def write_run(folder, rows, numbers=None, **settings):
    folder.mkdir()
    numbers = range(len(rows)) if numbers is None else numbers
    with (folder / "log.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=["epoch", *rows[0]])
        writer.writeheader()
        for epoch, row in zip(numbers, rows, strict=True):
            writer.writerow({"epoch": epoch, **row})
    settings = {"steps_per_epoch": 250, "batch_size": 16, "window": 200, **settings}
    (folder / "settings.json").write_text(json.dumps(settings))
    return str(folder)


def text(forward):
    return {
        "val_forward_perplexity": forward,
        "val_backward_perplexity": 1.0,
        "val_nats": 0.5,
    }


def test_text_and_images(tmp_path, capsys):
    one = write_run(tmp_path / "one", [text(2.718281828), text(1.0)])
    two = write_run(tmp_path / "two", [text(7.389056099)])
    compare_pretraining.main([one, two])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("After epoch 1, 250 steps of 16 windows of 200 units")
    assert lines[2].split() == ["one", "1.000", "0.000", "0.500", "+0.000,", "+0.000"]
    assert lines[3].split()[1] == "2.000" and lines[3].split()[-2] == "+1.000,"

    def images(bits):
        names = ("val_bits", "val_forward_bits", "val_backward_bits")
        return dict.fromkeys(names, bits)

    three = write_run(tmp_path / "three", [images(6.0), images(5.0)])
    four = write_run(tmp_path / "four", [images(7.0), images(6.5)])
    compare_pretraining.main([three, four])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("After epoch 2, 500 steps of 16 images")
    assert lines[3].split()[1:] == ["6.500", "6.500", "6.500", "+1.500,", "+1.500"]
    with pytest.raises(SystemExit):
        compare_pretraining.main([one, two, "--epoch", "2"])
    assert "--epoch must be from 1 to 1" in capsys.readouterr().err


def test_rows_are_taken_by_their_epoch(tmp_path, capsys):
    one = write_run(tmp_path / "one", [text(1.0), text(2.718281828)], numbers=[1, 0])
    compare_pretraining.main([one, "--epoch", "1"])
    assert capsys.readouterr().out.splitlines()[2].split()[1] == "1.000"


def test_a_run_without_an_epoch_is_told(tmp_path, capsys):
    folder = write_run(tmp_path / "empty", [text(1.0)])
    for content in ("", "epoch,val_nats\n", "epoch,val_nats\n0,0."):
        (tmp_path / "empty" / "log.csv").write_text(content)
        with pytest.raises(SystemExit):
            compare_pretraining.main([folder])
        assert "not finished its first epoch" in capsys.readouterr().err


@pytest.mark.parametrize(
    "epochs, message",
    [
        ([0, 1, 1, 2], r"holds twice epochs \(2\)"),
        ([0, 0, 1, 1], r"holds twice epochs \(1, 2\)"),
        ([0, 1, 3, 4], r"lacks epochs \(3\)"),
        ([1, 2, 3, 4], r"lacks epochs \(1\)"),
    ],
)
def test_a_log_that_is_not_of_one_run_is_refused(tmp_path, epochs, message):
    good = write_run(tmp_path / "good", [text(1.0)] * 4)
    bad = write_run(tmp_path / "bad", [text(1.0)] * 4, epochs)
    with pytest.raises(SystemExit, match=f"bad/log.csv {message}"):
        compare_pretraining.main([good, bad])


@pytest.mark.parametrize("name", compare_pretraining.SHARED_SETTINGS)
def test_runs_of_other_steps_or_validation_are_refused(tmp_path, name):
    one = write_run(tmp_path / "one", [text(1.0)])
    two = write_run(tmp_path / "two", [text(1.0)], **{name: 7})
    with pytest.raises(
        SystemExit, match=f"two cannot be compared with .*{name}: 7, not"
    ):
        compare_pretraining.main([one, two])


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("log.csv", None, "missing or damaged"),
        ("log.csv", b"val_nats\n0.5\n", "there is no column `epoch`"),
        ("log.csv", b"epoch,val_nats\n0\n1,0.5\n", "line 2 does not fit the header"),
        ("log.csv", b"epoch,val_nats\n0,1,2\n", "line 2 does not fit the header"),
        ("log.csv", b"epoch,val_nats\nzero,1\n", "missing or damaged"),
        ("log.csv", b"\xff\xfee\x00\n", "missing or damaged"),
        ("log.csv", b"epoch,nats\n0,1\n", "has no losses of validation"),
        ("settings.json", b"{", "settings.json is missing or damaged"),
        ("settings.json", None, "settings.json is missing or damaged"),
    ],
)
def test_damaged_files_are_named(tmp_path, name, content, message):
    folder = write_run(tmp_path / "run", [text(1.0)])
    path = tmp_path / "run" / name
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(SystemExit, match=f"^error: .*{message}"):
        compare_pretraining.main([folder])
