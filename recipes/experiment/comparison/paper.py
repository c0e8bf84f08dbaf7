"""The paper's results, in percent: Tables 1, 2 and 3 of Yang et al., 2018.

Of larger models, trained on all of train: they stand beside ours and are no goal of
small runs. Uniform graphs are "uniformly sampled affinity matrices" there, which may
have been random; ours are 1/n.
"""

_PERCENT = {
    "imdb": {
        "none": {"accuracy": "88.51"},
        "uniform, embeddings": {"accuracy": "88.57"},
        "learned, embeddings": {"accuracy": "89.16"},
    },
    "nli dev_matched": {
        "none": {"accuracy": "77.14"},
        "uniform, embeddings": {"accuracy": "77.26"},
        "learned, embeddings": {"accuracy": "78.32"},
    },
    "nli dev_mismatched": {
        "none": {"accuracy": "77.40"},
        "uniform, embeddings": {"accuracy": "77.50"},
        "learned, embeddings": {"accuracy": "78.00"},
    },
    "squad": {
        "none": {"exact_match": "69.33", "f1": "78.73"},
        "uniform, embeddings": {"exact_match": "69.48", "f1": "78.82"},
        "learned, embeddings": {"exact_match": "70.84", "f1": "79.90"},
        "learned, rnn_states": {"exact_match": "70.95", "f1": "79.95"},
    },
    "squad elmo": {
        "none": {"exact_match": "74.75", "f1": "82.95"},
        "uniform, embeddings": {"exact_match": "75.14", "f1": "83.28"},
        "learned, embeddings": {"exact_match": "76.00", "f1": "84.13"},
        "learned, rnn_states": {"exact_match": "75.59", "f1": "83.62"},
    },
    "cifar10 18": {
        "none": {"accuracy": "90.93 +- 0.33"},
        "uniform, pixels": {"accuracy": "91.07 +- 0.24"},
        "learned, pixels": {"accuracy": "91.55 +- 0.23"},
    },
    "cifar10 34": {
        "none": {"accuracy": "91.42 +- 0.17"},
        "learned, pixels": {"accuracy": "91.70 +- 0.09"},
    },
}

# Table 2, of graphs on embeddings, in percent.
ABLATIONS = {
    "imdb": {
        "glomo": 89.16,
        "sparse": 88.96,
        "hierarchical": 88.71,
        "unit-level": 88.49,
        "sequence": 88.96,
        "uniform": 88.57,
        "none": 88.51,
    },
    "nli dev_matched": {
        "glomo": 78.32,
        "sparse": 78.07,
        "hierarchical": 77.87,
        "unit-level": 77.58,
        "sequence": 78.11,
        "uniform": 77.26,
        "none": 77.14,
    },
    "squad f1": {
        "glomo": 79.90,
        "decouple": 79.56,
        "sparse": 79.34,
        "hierarchical": 79.23,
        "unit-level": 78.66,
        "sequence": 79.29,
        "uniform": 78.82,
        "none": 78.73,
    },
}


def percent_of(run):
    """Return the paper's results of the task of a run.

    Args:
        run: dict, the record of a run.

    Returns:
        Dict by arm and site (`learned, embeddings`; `none`) of dicts by metric of
        strings. Empty for toys, and for features that the paper does not have.
    """
    settings = run["settings"]
    if _is_toy(settings):
        return {}
    features, _, more = settings.get("features", "vectors:").partition("+")
    suffix = {"nli": "test", "cifar10": "depth"}.get(run["task"])
    name = run["task"] + (f" {settings[suffix]}" if suffix else "")
    if features.startswith("elmo:") and not more:
        name += " elmo"
    elif not features.startswith("vectors:"):
        return {}
    return _PERCENT.get(name, {})


def ablations_of(name, run):
    """Return the paper's column of Table 2, a dict by row of floats.

    Args:
        name: str, of `ABLATIONS`.
        run: dict, the record of a run beside whose score it stands.

    Returns:
        Dict. Empty for toys, and for another part of MultiNLI.
    """
    settings = run["settings"]
    is_other = name.startswith("nli") and name != f"nli {settings.get('test')}"
    return {} if _is_toy(settings) or is_other else ABLATIONS[name]


def _is_toy(settings):
    return settings.get("data", "toy") in ("toy", "shapes")
