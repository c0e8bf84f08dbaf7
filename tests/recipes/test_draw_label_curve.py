"""The picture of scores over numbers of labels."""

import json
import pathlib

import draw_label_curve
import pytest

pytest.importorskip("matplotlib")


def write_runs(folder, num_train, task="imdb"):
    folder.mkdir()
    lines = [
        {
            "task": task,
            "arm": arm,
            "graph_on": "embeddings",
            "seed": seed,
            "settings": {},
            "num_train": num_train,
            "test": {"accuracy": 0.7 + seed / 50},
            "scores": "",
        }
        for arm in ("none", "learned")
        for seed in range(2)
    ]
    (folder / "runs.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n")
    return str(folder)


def test_every_arm_and_size_is_drawn(tmp_path, capsys):
    folders = [write_runs(tmp_path / str(size), size) for size in (250, 2500)]
    picture = tmp_path / "labels.svg"
    draw_label_curve.main([*folders, "--output", str(picture)])
    assert capsys.readouterr().out.strip() == str(picture)
    drawn = picture.read_text()
    for text in ("none", "learned", "250", "2,500", "accuracy, %"):
        assert f"<!-- {text} -->" in drawn
    assert "<!-- uniform -->" not in drawn


def test_two_tasks_are_refused(tmp_path):
    folders = [
        write_runs(tmp_path / "a", 250),
        write_runs(tmp_path / "b", 2500, "nli"),
    ]
    with pytest.raises(SystemExit, match="runs of one task"):
        draw_label_curve.main([*folders, "--output", str(tmp_path / "x.png")])


def test_what_differs_is_not_joined(tmp_path):
    folders = [write_runs(tmp_path / str(size), size) for size in (250, 2500)]
    for folder, features in zip(folders, ("trainable", "vectors:x"), strict=True):
        path = pathlib.Path(folder) / "runs.jsonl"
        settings = f'"settings": {{"features": "{features}"}}'
        text = path.read_text()
        path.write_text(text.replace('"settings": {}', settings))
    output = ["--output", str(tmp_path / "x.png")]
    with pytest.raises(SystemExit, match="runs of one features.*'vectors:x'"):
        draw_label_curve.main([*folders, *output])
    path.write_text(text.replace('"embeddings"', '"rnn_states"'))
    with pytest.raises(SystemExit, match="runs of one site of learned.*rnn_states"):
        draw_label_curve.main([*folders, *output])


def test_folders_of_one_number_of_labels_are_no_seeds(tmp_path):
    folders = [write_runs(tmp_path / name, 250) for name in ("a", "b")]
    with pytest.raises(SystemExit, match="a and .*b both hold runs of 250"):
        draw_label_curve.main([*folders, "--output", str(tmp_path / "x.png")])


def test_what_cannot_be_drawn_is_named(tmp_path):
    folder = write_runs(tmp_path / "a", 250)
    output = ["--output", str(tmp_path / "x.png")]
    with pytest.raises(SystemExit, match=r"one of \['accuracy'\]. Received: 'f1'"):
        draw_label_curve.main([folder, *output, "--metric", "f1"])
    with pytest.raises(SystemExit, match="No run is finished in"):
        draw_label_curve.main([str(tmp_path), *output])
    lines = (tmp_path / "a" / "runs.jsonl").read_text("utf-8")
    (tmp_path / "a" / "runs.jsonl").write_text(lines * 2, encoding="utf-8")
    with pytest.raises(SystemExit, match="a run twice"):
        draw_label_curve.main([folder, *output])
