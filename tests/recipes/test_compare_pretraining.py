"""Runs side by side: of text by nats, of images by bits."""

import csv
import json

import compare_pretraining
import pytest


def write_run(folder, rows, **settings):
    folder.mkdir()
    with (folder / "log.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    settings = {"steps_per_epoch": 250, "batch_size": 16, "window": 200, **settings}
    (folder / "settings.json").write_text(json.dumps(settings))
    return str(folder)


def test_text_and_images(tmp_path, capsys):
    def text(forward):
        return {
            "val_forward_perplexity": forward,
            "val_backward_perplexity": 1.0,
            "val_nats": 0.5,
        }

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


def test_a_run_without_an_epoch_is_told(tmp_path, capsys):
    folder = tmp_path / "empty"
    folder.mkdir()
    (folder / "log.csv").write_text("val_nats\n")
    (folder / "settings.json").write_text("{}")
    with pytest.raises(SystemExit):
        compare_pretraining.main([str(folder)])
    assert "not finished its first epoch" in capsys.readouterr().err
