"""The first program that a user runs: its text, its labels, and all of it, small."""

import numpy as np
import pytest
import quickstart
from experiment import python_source

SOURCE = """\
class A(Base):
    def run(self, x):  # a comment
        if (x):
            return print(len(x), f"{x} and {y}", x[0](1), *self.all())
"""


def test_source_becomes_units():
    units = python_source.source_units(SOURCE)
    assert " ".join(units) == (
        "class A ( Base ) : NEWLINE INDENT def run ( self , x ) : NEWLINE INDENT "
        "if ( x ) : NEWLINE INDENT "
        'return print ( len ( x ) , "..." , x [ 0 ] ( 0 ) , * self . all ( ) ) NEWLINE '
        "DEDENT DEDENT DEDENT"
    )


def test_calls_are_names_before_a_bracket_with_arguments():
    units = python_source.source_units(SOURCE)
    calls = python_source.find_calls(units)
    # No class, no definition, no keyword, no call of an element or without arguments.
    assert [units[place] for place in calls.callees] == ["len", "print"]
    end = len(units) - 1 - units[::-1].index(")")
    assert calls.closers.tolist() == [units.index("len") + 3, end]


def test_brackets_that_open_nothing_are_left_aside():
    calls = python_source.find_calls([")", "(", "x", ")", "f", "(", "x"])
    assert calls.callees.size == calls.closers.size == 0


def test_windows_of_the_library_hold_the_names_that_are_called():
    vocabulary, train, test = python_source.library_windows(200_000, 500, 32)
    assert len(vocabulary) <= 500
    for part in (train, test):
        assert part.unit_ids.shape == part.callees.shape
        assert part.unit_ids.shape[1] == 32
        rows, closers = np.nonzero(part.callees >= 0)
        assert len(rows) > 10
        callees = part.callees[rows, closers]
        bracket, opener = (vocabulary.units.index(unit) for unit in ")(")
        assert (part.unit_ids[rows, closers] == bracket).all()
        assert (part.unit_ids[rows, callees + 1] == opener).all()
        assert (callees < closers - 2).all()
        assert part.callees.min() == -1


def test_labels_are_the_frequent_functions():
    # Units: 2 is a bracket, 3 to 5 are names, 1 is unknown.
    ids = [[3, 9, 9, 2], [4, 9, 9, 2], [4, 9, 9, 2], [1, 9, 9, 2], [9, 9, 9, 9]]
    callees = np.full((5, 4), -1)
    callees[:4, 3] = 0
    windows = python_source.Windows(np.array(ids, "int32"), callees)
    chosen, labels, functions = quickstart.function_labels(windows, 9)
    assert functions[:2].tolist() == [4, 3]
    assert labels.shape == chosen.unit_ids.shape == (3, 4)
    assert labels[:, 3].tolist() == [
        {4: 0, 3: 1}[name] for name in chosen.unit_ids[:, 0]
    ]
    assert (labels[:, :3] == -1).all()
    fewer, _, _ = quickstart.function_labels(windows, 1, np.array([3]))
    assert fewer.unit_ids.tolist() == [[3, 9, 9, 2]]


def test_the_right_graph_reads_the_name():
    callees = np.full((2, quickstart.LENGTH), -1)
    callees[1, 7] = 3
    windows = python_source.Windows(np.ones_like(callees), callees)
    graphs = quickstart.arm_graphs("gold", None, windows)
    for graph in graphs.values():
        assert graph.shape == (2, 1, 1, quickstart.LENGTH, quickstart.LENGTH)
    assert np.argwhere(graphs["forward"]).tolist() == [[1, 0, 0, 7, 3]]
    assert not graphs["backward"].any()


def test_the_spread_of_seeds_is_that_of_a_sample():
    line = quickstart.result_line("none", [0.1, 0.2, 0.3])
    assert line == "  none        20.0% +- 10.0%  no graph: the line is left out"


def test_it_runs_from_the_beginning_to_the_end(tmp_path, monkeypatch, capsys, eagerly):
    fit = quickstart.GLoMoPretrainer.compile
    monkeypatch.setattr(
        quickstart.GLoMoPretrainer,
        "compile",
        lambda self, optimizer, jit_compile: fit(self, optimizer),
    )
    arguments = "--size smoke --epochs 1 --steps-per-epoch 1 --tagger-epochs 1 "
    arguments += "--windows 8 --max-bytes 200000 --output"
    quickstart.main([*arguments.split(), str(tmp_path)])
    shown = capsys.readouterr().out
    for arm in quickstart.ARMS:
        assert f"\n  {arm} " in shown
    assert "\n  chance " in shown and "\nDone in " in shown
    names = {path.name for path in tmp_path.iterdir()}
    assert {"preset", "loss.png", "brackets.png", "graphs_text_0_arcs.png"} <= names
    with pytest.raises(SystemExit):
        quickstart.main(["--seeds", "0"])
