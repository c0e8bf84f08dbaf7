"""A piece of work, and the contenders that do it."""

from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field


@dataclass(frozen=True)
class Contender:
    """A way to do some work.

    Attributes:
        make: function of the sizes of the work that returns a step: a function without
            arguments that does the work once and returns a dict of its results.
        backend: `"tensorflow"`, `"jax"` or `"torch"`.
        tuned: bool, whether the allocator keeps large blocks: see `TUNED` in
            `contest.py`.
        options: dict of further arguments of `make`.
        is_peer: bool, whether it is what the library is compared with.
        same_results: bool, whether its results must be those of the first contender.
    """

    make: Callable
    backend: str
    tuned: bool = False
    options: dict = field(default_factory=dict)
    is_peer: bool = False
    same_results: bool = True


@dataclass(frozen=True)
class Work:
    """Work that contenders do in turn.

    Attributes:
        title: string, the work in words.
        sizes: dict, arguments of `Contender.make`.
        contenders: dict of `Contender` by name, what is compared with first.
        operations: float, additions and multiplications that the work cannot do
            without, most of them in products of matrices.
        num_bytes: float, bytes that it cannot but read or write.
        tolerance: float, relative to the largest, of results.
        apart: bool, whether contenders are started anew for every sample, since there
            is no room for all of them side by side.
    """

    title: str
    sizes: dict
    contenders: dict
    operations: float
    num_bytes: float = 0.0
    tolerance: float = 1e-4
    apart: bool = False
