"""Work that takes no time, for the tests of the harness."""

import numpy as np
from harness.work import Contender
from harness.work import Work


def make_sum(size, factor=1.0):
    numbers = np.arange(size)
    return lambda: {"sum": factor * numbers.sum()}


def fail(size):
    raise ValueError("no step")


def make_work(apart=False, **contenders):
    return Work("A sum", {"size": 5}, contenders, operations=5.0, apart=apart)


FIRST = Contender(make_sum, "numpy", is_peer=True)
WORKS = {
    "equal": make_work(first=FIRST, second=Contender(make_sum, "numpy", tuned=True)),
    "apart": make_work(apart=True, first=FIRST, second=Contender(make_sum, "numpy")),
    "different": make_work(
        first=FIRST, second=Contender(make_sum, "numpy", options={"factor": 1.1})
    ),
    "other results": make_work(
        first=FIRST,
        second=Contender(
            make_sum, "numpy", options={"factor": 1.1}, same_results=False
        ),
    ),
    "failing": make_work(first=FIRST, second=Contender(fail, "numpy")),
    "missing": make_work(first=FIRST, second=Contender(make_sum, "no_such_backend")),
}
