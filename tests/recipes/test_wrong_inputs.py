"""Wrong input of every program ends it with one line, and no traceback."""

import importlib
import json
import pathlib
import re
import shutil

import numpy as np
import pytest

from glomo_keras.models import find_preset

RECIPES = pathlib.Path(__file__).parents[2] / "recipes"
TASKS = ("imdb", "nli", "squad", "cifar10", "dependency_labels")
TEXT_TASKS = ("imdb", "nli", "squad", "dependency_labels")
SMOKE = ("--size", "smoke", "--output", "{new}")
RUNS = ("--output", "{of_runs}")
PREPARED = ("--prepared", "{prepared}", "--output", "{new}")
WORD = "--word play --queries".split() + ["A play ."]
LOG = "epoch,val_nats,val_forward_perplexity,val_backward_perplexity\n0,1,2,2\n"


@pytest.fixture
def inputs(paths):
    """The paths, for one case: what it leaves in `new` is removed."""
    yield paths
    shutil.rmtree(paths["new"], ignore_errors=True)


@pytest.fixture(scope="module")
def paths(tmp_path_factory, prepared):
    """Paths of what is wrong, by name."""
    folder = tmp_path_factory.mktemp("inputs")
    paths = {name: folder / name for name in ("missing", "folder", "new", "treebank")}
    for name, content in {
        "empty": b"",
        "binary": bytes(range(256)) * 9,
        "text": b"this is no table\n\n" * 3,
        "gz": b"\x1f\x8b no gzip",
    }.items():
        paths[name] = folder / f"{name}.txt"
        paths[name].write_bytes(content)
    paths["folder"].mkdir()
    paths["treebank"].mkdir()
    (paths["treebank"] / "en-ud-dev.conllu").write_text("1\tword\n")
    (paths["treebank"] / "en-ud-train.conllu").write_text("1\tword\n")
    paths["jsonl"] = folder / "jsonl"
    paths["jsonl"].mkdir()
    for name in ("train.jsonl", "test.jsonl", "train-v1.1.json"):
        (paths["jsonl"] / name).write_text("[1]\n")
    lines = [
        json.dumps(
            {
                "task": "imdb", "arm": arm, "graph_on": "rnn", "seed": 0,
                "test": {"accuracy": 1.0}, "settings": {}, "scores": "no.npz",
            }
        ) + "\n"
        for arm in ("none", "matched")
    ]  # fmt: skip
    for name, content in (("of_no_run", '{"a": 1}\n'), ("of_runs", "".join(lines))):
        paths[name] = folder / name
        paths[name].mkdir()
        (paths[name] / "runs.jsonl").write_text(content)
    (paths["of_runs"] / "no.npz").write_bytes(b"no arrays")
    paths["of_no_settings"] = folder / "of_no_settings"
    paths["of_no_settings"].mkdir()
    (paths["of_no_settings"] / "settings.json").write_text("{}")
    (paths["of_no_settings"] / "log.csv").write_text(LOG)
    preset = find_preset("glomo_text_small_en").folder
    for name, damage in {
        "no_weights": lambda path: path.name.endswith(".h5"),
        "no_metadata": lambda path: path.name == "metadata.json",
        "no_vocabulary": lambda path: path.name.endswith("vocabulary.txt"),
    }.items():
        paths[name] = folder / name
        shutil.copytree(preset, paths[name])
        for path in filter(damage, list(paths[name].iterdir())):
            path.write_bytes(b"damaged")
    paths["no_corpus"] = folder / "no_corpus"
    shutil.copytree(prepared, paths["no_corpus"])
    (paths["no_corpus"] / "train_ids.npy").write_bytes(b"")
    paths["prepared"] = prepared
    paths["strings"] = folder / "strings.npz"
    np.savez(paths["strings"], dev_0=np.array(["a"]))
    return {name: str(path) for name, path in paths.items()}


def cases():
    """Yield a program, arguments whose last option is wrong, or else the message."""
    for task in TASKS:
        for data in ("{missing}", "{folder}", "{empty}", "tfds:no_such_data", ""):
            yield task, [*SMOKE, "--data", data]
        for predictor in ("no_such_preset", "{folder}", "{text}", "{no_metadata}"):
            yield task, [*SMOKE, "--predictor", predictor]
        yield task, [*SMOKE, "--predictor", "{no_weights}"]
        yield task, ["--size", "smoke", "--output", "{text}"]
        yield task, ["--size", "smoke", "--output", "{text}/in_a_file"]
        yield task, ["--size", "smoke", "--output", "{of_no_run}"]
        for option in ("epochs", "num-dev", "batch-size", "learning-rate", "seeds"):
            for value in ("0", "-1", "x"):
                yield task, [*SMOKE, f"--{option}={value}"]
        for option in ("graph-dropout", "dropout"):
            yield task, [*SMOKE, f"--{option}=nan"]
        yield "compare", [task, "--table", "--output", "{missing}"]
        yield "compare", [task, "--table", "--output", "{of_no_run}"]
    rates = ["--learning-rates", "0.1", "0.2"]
    yield "cifar10", [*SMOKE, *rates, "--predictor", "{no_metadata}"]
    for task in TEXT_TASKS:
        for features in ("unknown", "vectors:", "elmo:no_such_preset", ""):
            yield task, [*SMOKE, "--features", features]
        for name in ("missing", "folder", "empty", "binary", "text", "gz"):
            yield task, [*SMOKE, "--features", f"vectors:{{{name}}}"]
        yield task, [*SMOKE, "--predictor", "{no_vocabulary}"]
    yield "dependency_labels", [*SMOKE, "--data", "{treebank}"]
    for task in ("imdb", "squad"):
        yield task, [*SMOKE, "--data", "{jsonl}"]
    yield "compare", ["imdb", "--table", *RUNS]  # whose scores are damaged
    yield "compare", ["nli", "--table", *RUNS]
    yield "compare", ["nli", *SMOKE, "--arms", "gold"], "nli has the arms none, "
    yield "compare", ["nli", *SMOKE, "--seeds", "0"]
    for program in ("compare_designs", "compare_pretraining"):
        for name in ("missing", "folder", "text", "of_no_settings"):
            yield program, [f"{{{name}}}"]
    yield "compare_pretraining", ["{missing}", "--epoch", "0"]
    for name in ("missing", "folder", "text", "of_no_run"):
        yield "draw_label_curve", ["--output", "{new}.png", f"{{{name}}}"]
    for data in ("{missing}", "{folder}", "{text}", "{treebank}", "tfds:no_such_data"):
        yield "probe", ["--output", "{new}", "--data", data]
    for preset in ("no_such_preset", "{no_weights}", "{no_vocabulary}", "{text}"):
        yield "probe", [*SMOKE, "--presets", preset]
    for name in ("missing", "folder", "empty", "binary", "strings"):
        yield "probe", [*SMOKE, "--presets", "--attention", f"{{{name}}}"]
    yield "probe", [*SMOKE, "--presets", "glomo_image_small"]
    yield "probe", [*SMOKE, "--limit", "0"]
    yield "probe", [*SMOKE, "--split", "none"]
    yield "probe", [*SMOKE, "--presets"]
    for name in ("missing", "folder", "text", "no_corpus"):
        of_name = ["--prepared", f"{{{name}}}"]
        yield "tune", ["--output", "{new}", *of_name]
        yield "ngram_baseline", of_name
    yield "tune", ["--output", "{new}"], "--prepared is required"
    yield "tune", ["--prepared", "{prepared}", "--output", "{text}"]
    yield "tune", [*PREPARED, "--space", "num_heads=x"]
    for judge in ("'", "--no-such-option 1", "--data no_such_data"):
        yield "tune", [*PREPARED, "--objective", "judge", "--judge", judge]
    yield "ngram_baseline", ["--prepared", "{prepared}", "--window", "0"]
    yield "ablate", ["--output", "{new}"], "--prepared is required"
    yield "ablate", ["--output", "{new}", "--prepared", "{missing}"]
    yield "ablate", ["--table", "--output", "{folder}"]
    yield "ablate", [*PREPARED, "--rows", "unknown"]
    yield "ablate", [*PREPARED, "--pretrain", "'"]
    for option in ("embedding-dim", "num-heads", "num-graph-layers", "learning-rate"):
        for value in ("0", "-1", "x"):
            yield "planted_links", [*SMOKE, f"--{option}={value}"]
    yield "planted_links", [*SMOKE, "--num-heads", "5"]
    for option in ("embedding-dim", "num-heads", "position-bias"):
        small = ["--corpus", "planted", "--limit", "2000", "--window", "64"]
        yield "pretrain_text", [*SMOKE, *small, f"--{option}=-1"]
    yield "planted_links", ["--output", "{text}"]
    yield "planted_links", ["--output", "{of_no_run}"]
    for data in ("{missing}", "{folder}", "tfds:no_such_data", ""):
        yield "tree_graphs", [*SMOKE, "--data", data]
    for predictor in ("no_such_preset", "glomo_image_small", "{no_metadata}"):
        yield "tree_graphs", [*SMOKE, "--predictor", predictor]
    for option in ("steps", "epochs", "learning-rate", "dropout"):
        yield "tree_graphs", [*SMOKE, f"--{option}=-1"]
    yield "tree_graphs", ["--size", "smoke", "--output", "{text}"]
    yield "quickstart", ["--output", "{text}"]
    yield "quickstart", ["--output", "{new}", "--windows", "0"]
    for corpus in ("files:{missing}", "files:{empty}", "files:{binary}", "unknown"):
        yield "word_senses", [*WORD, "--corpus", corpus]
        yield "warmed_states", ["--corpus", corpus]
        yield "prepare_corpus", ["--output", "{new}", "--corpus", corpus]
        yield "pretrain_elmo", [*SMOKE, "--corpus", corpus]
        yield "pretrain_text", [*SMOKE, "--corpus", corpus]
    for option in ("learning-rate", "clip-norm", "seed", "warmup"):
        for value in ("-1", "nan"):
            yield "pretrain_text", [*SMOKE, f"--{option}={value}"]
    for option in ("--seed=4294967296", "--pictures-every=-1"):
        yield "pretrain_text", [*SMOKE, option]
        yield "pretrain_images", [*SMOKE, option]
    for option, value in (("shift", "1000"), ("valid-windows", "0")):
        yield "pretrain_text", [*SMOKE, f"--{option}", value]
    yield "pretrain_text", [*SMOKE, "--min-units", "9999"]
    yield "pretrain_images", [*SMOKE, "--batch-size", "9999"]
    yield "pretrain_text", ["--size", "smoke", "--output", "{text}"]
    yield "word_senses", [], "--word and --queries are required"
    yield "word_senses", ["--queries", "None with it .", "--word", "play"]
    yield "word_senses", [*WORD, "--count", "0"]
    yield "word_senses", ["--size", "smoke", "--preset", "no_such_preset"]
    for preset in ("glomo_text_small_en", "no_such_preset", "{no_metadata}"):
        yield "warmed_states", ["--preset", preset]
    yield "warmed_states", ["--count", "0"]
    for option in ("window", "vocabulary-size", "valid-fraction", "workers"):
        yield "prepare_corpus", [*SMOKE, f"--{option}=-1"]
    yield "prepare_corpus", ["--size", "smoke", "--output", "{text}"]
    for data in ("{missing}", "{folder}", "{binary}", "tfds:no_such_data"):
        yield "pretrain_images", [*SMOKE, "--data", data]
    yield "pretrain_images", ["--size", "smoke", "--output", "{text}"]
    for program in (
        *TASKS, "ablate", "draw_label_curve", "planted_links", "prepare_corpus",
        "pretrain_elmo", "pretrain_images", "pretrain_text", "probe", "quickstart",
        "tree_graphs", "tune",
    ):  # fmt: skip
        yield program, ["--output", ""]  # not the folder it is started in


def words_about(arguments):
    """What a message about the last option says: its name, or one of its values."""
    places = [n for n, a in enumerate(arguments) if re.match("--[^ ]+$", a)]
    place = max(places, default=0)  # or else it is about the first argument
    name = arguments[place].partition("=")[0]
    spaced = name.removeprefix("--").replace("-", " ")
    values = [re.split("[ :]", a)[-1] or "''" for a in arguments[place + 1 :]]
    return [
        name,
        f" {spaced} ",
        f"`{spaced.replace(' ', '_')}`",
        *(value for value in values if len(value) > 1),
    ]


@pytest.mark.parametrize(
    "program, arguments, says",
    [
        pytest.param(program, arguments, says, id=f"{program} {' '.join(arguments)}")
        for program, arguments, *says in cases()
    ],
)
def test_wrong_input_ends_in_one_line(program, arguments, says, inputs, capsys):
    arguments = [a.format(**inputs) for a in arguments]
    with pytest.raises(SystemExit) as ended:
        importlib.import_module(program).main(arguments)
    message = ended.value.code
    if message == 2:  # argparse, below its usage
        message = capsys.readouterr().err.rstrip("\n").partition("error: ")[2]
    else:
        assert message.startswith("error: ")
    # A package that is not installed is no wrong input.
    assert "\n" not in message and "pip install" not in message
    assert any(word in message for word in says or words_about(arguments)), message


def test_every_program_has_a_case():
    programs = {path.stem for path in RECIPES.glob("*.py")}
    assert {program for program, *_ in cases()} == programs
