"""The rows of the tables: the paper's Table 2, score rules and objectives of ours."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Row:
    """One ablation.

    Attributes:
        describes: str, what it changes.
        options: tuple of str, of `pretrain_text.py`.
        arm: str, of the tasks. Other arms than `learned` have no pretraining.
    """

    describes: str
    options: tuple = ()
    arm: str = "learned"

    @property
    def is_pretrained(self):
        return self.arm == "learned"


FIRST = "glomo"  # which all others are compared with
ROWS = {
    FIRST: Row("1.5-entmax, distances, classes of units as targets"),
    "decouple": Row("keys and queries from the features", ("--graphs", "coupled")),
    "sparse": Row("squares without ReLU", ("--graphs", "square")),
    "hierarchical": Row("one graph layer", ("--num-graph-layers", "1")),
    "unit-level": Row(
        "the next sentence from the mean of one", ("--objective", "sentences")
    ),
    "sequence": Row("the next unit alone", ("--context-length", "1")),
    "uniform": Row("1/n for every unit, not pretrained", arm="uniform"),
    "none": Row("no graph", arm="none"),
    "local": Row("the neighbours, not pretrained", arm="local"),
    "mean": Row("threshold: mean of the scores", ("--threshold", "mean")),
    "scalar": Row("threshold: a trained bias", ("--threshold", "scalar")),
    "query": Row("threshold: linear in the query", ("--threshold", "query")),
    "zero": Row("threshold: zero", ("--threshold", "none")),
    "softmax": Row("softmax", ("--graphs", "softmax")),
    "positions": Row("no numbers of distances", ("--position-bias", "0")),
    "classes": Row("units as targets", ("--num-classes", "0", "--num-sampled", "512")),
    "paper": Row(
        "a trained bias, no distances, units as targets",
        ("--threshold", "scalar", "--position-bias", "0")
        + ("--num-classes", "0", "--num-sampled", "512"),
    ),
}
