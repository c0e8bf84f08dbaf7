"""The harness of the speed benchmarks, and what its works count and compare."""

import importlib.util
import json
import pathlib
import re

import gpu
import pytest
import speed
import toy_works
import works
from harness import contest
from harness import machine
from harness import records

CHECKOUT = pathlib.Path(__file__).parents[2]
TABLE = CHECKOUT / "benchmarks" / "speed.jsonl"


def run(name, monkeypatch, rounds=2):
    monkeypatch.setenv("PYTHONPATH", str(pathlib.Path(toy_works.__file__).parent))
    work = toy_works.WORKS[name]
    return contest.run_work("toy_works", name, work, rounds, 0.01, 1, yardsticks={})


def test_contenders_do_the_work_in_turn(monkeypatch):
    samples = run("equal", monkeypatch)
    assert list(samples) == ["first", "second"]
    for sample in samples.values():
        assert len(sample["seconds"]) == 2
        assert all(0 < seconds < 0.01 for seconds in sample["seconds"])
    assert samples["first"]["bytes"] >= 0
    assert samples["second"]["bytes"] is None  # of a tuned allocator


def test_contenders_without_room_beside_each_other_come_one_at_a_time(monkeypatch):
    started = []

    class Process(contest.Process):
        def __init__(self, *arguments):
            started.append(self)
            super().__init__(*arguments)

        def close(self):
            started.remove(self)
            super().close()

        def ask(self, command):
            assert started == [self]
            return super().ask(command)

    monkeypatch.setattr(contest, "Process", Process)
    samples = run("apart", monkeypatch)
    assert {key: len(s["seconds"]) for key, s in samples.items()} == {
        "first": 2,
        "second": 2,
    }


def test_a_contender_with_other_results_is_refused(monkeypatch):
    with pytest.raises(ValueError, match="second must give the results of the first"):
        run("different", monkeypatch)


def test_other_results_are_allowed_where_they_are_declared(monkeypatch):
    assert len(run("other results", monkeypatch)) == 2


def test_a_contender_that_fails_says_what_it_printed(monkeypatch):
    with pytest.raises(RuntimeError, match="no step"):
        run("failing", monkeypatch)


def test_a_contender_whose_backend_is_missing_is_left_out(monkeypatch):
    assert list(run("missing", monkeypatch)) == ["first"]


def make_records(**seconds):
    samples = {
        name: {"seconds": [value, 9 * value, value], "bytes": None}
        for name, value in seconds.items()
    }
    work = toy_works.WORKS["equal"]
    return records.make_records("equal", work, samples, (10.0, 1.0), {})


def test_records_hold_medians_ratios_and_the_floor():
    first, second = make_records(first=2.0, second=1.0)
    assert (first["seconds"], second["seconds"], second["slowest"]) == (2.0, 1.0, 9.0)
    assert (first["ratio"], second["ratio"], second["peer"]) == (1.0, 0.5, "first")
    assert first["floor"] == 0.5  # 5 operations at 10 a second


def test_ratios_that_have_grown_are_found():
    earlier = make_records(first=2.0, second=1.0)
    better = make_records(first=4.0, second=2.0)
    lines, num_compared = records.find_regressions(better, earlier)
    assert not lines and num_compared == 1
    (line,), _ = records.find_regressions(make_records(first=2.0, second=1.3), earlier)
    assert line == "equal, second: 0.65 times first, before 0.50 times"


def test_new_contenders_are_no_regression():
    earlier = make_records(first=2.0)
    other = make_records(first=2.0, second=9.0)
    assert records.find_regressions(other, earlier) == ([], 0)


def test_records_of_one_work_are_replaced_alone(tmp_path):
    path = tmp_path / "speed.jsonl"
    speed.write_records(path, "other", [{"work": "other"}])
    speed.write_records(path, "equal", [{"work": "equal", "seconds": 1}])
    speed.write_records(path, "equal", [{"work": "equal", "seconds": 2}])
    expected = [{"work": "other"}, {"work": "equal", "seconds": 2}]
    assert records.read_records(path) == expected


def test_the_machine_is_described_so_that_json_can_hold_it():
    description = json.loads(json.dumps(machine.describe_machine(2)))
    assert description["threads"] == 2
    assert {"python", "keras", "numpy"} <= set(description["versions"])


def test_names_of_works_are_unique():
    found = speed.find_works(["*"])
    names = [name for _, name, _ in found]
    assert len(names) == len(set(names)) > 20
    assert {module.removeprefix("works.") for module, _, _ in found} == set(
        works.MODULES
    )


def test_the_tables_of_the_documentation_are_those_of_the_records():
    rows = records.read_records(TABLE)
    page = (CHECKOUT / "docs" / "performance.md").read_text(encoding="utf-8")
    names = {record["work"] for record in rows}
    titles = {name: work.title for _, name, work in speed.find_works(["*"])}
    assert names <= set(titles)
    for name in names:
        of_work = [record for record in rows if record["work"] == name]
        assert records.make_table(titles[name], of_work) in page, name
    tables = re.findall(r"^\| \| ms \|", page, flags=re.MULTILINE)
    assert len(tables) == len(names)


@pytest.mark.skipif(
    not importlib.util.find_spec("torch"), reason="PyTorch is not installed"
)
@pytest.mark.parametrize("num_positions", [None, 7])
def test_the_peer_is_the_same_model(num_positions):
    from works import pretraining

    sizes = {"vocabulary_size": 53, "dim": 32, "batch": 3, "length": 11}
    sizes["num_positions"] = num_positions
    peer, own = (
        pretraining.make_torch(**sizes),
        pretraining.make_keras(jit=False, **sizes),
    )
    assert float(peer()["loss"]) == pytest.approx(float(own()["loss"]), rel=1e-5)
    for _ in range(2):  # Adam makes steps of one size of gradients that are rounding
        assert float(peer()["loss"]) == pytest.approx(float(own()["loss"]), rel=1e-4)


def test_the_page_has_the_table_of_the_gpu():
    lines = (CHECKOUT / "benchmarks" / "gpu.jsonl").read_text("utf-8").splitlines()
    table = "\n".join(gpu.make_table([json.loads(line) for line in lines]))
    assert table in (CHECKOUT / "docs" / "performance.md").read_text("utf-8")


def test_contenders_on_a_gpu_are_of_one_framework():
    names = ["messages_mean_2048", "pretraining_recipe"]
    found = {name: work for _, name, work in speed.find_works(names)}
    messages = found["messages_mean_2048"]
    assert list(gpu.contenders_of(messages, "jax")) == ["in blocks, JAX", "dense, JAX"]
    assert set(gpu.contenders_of(messages, "torch")) == {
        "PyTorch dense",
        "PyTorch fused softmax",
    }
    assert list(gpu.contenders_of(found["pretraining_recipe"], "torch")) == []
