"""The shipped predictor on real text, run by `make test-data`."""

import itertools
import os
import pathlib

import numpy as np
import pytest

from glomo_keras.analysis import graph_statistics
from glomo_keras.data import read_documents
from glomo_keras.export import TextGraphs

CORPUS = "wikipedia_good/valid.txt.gz"


@pytest.mark.data
def test_graphs_of_wikipedia_articles():
    if not (pathlib.Path(os.environ.get("GLOMO_DATA", "")) / CORPUS).exists():
        pytest.skip(f"GLOMO_DATA does not name a folder with {CORPUS}")
    texts = list(itertools.islice(read_documents(f"files:{CORPUS}"), 16))
    text_graphs = TextGraphs.from_preset("glomo_text_small_en")
    predictor = text_graphs.predictor
    batch = text_graphs.encode([text[:1_000] for text in texts])
    ids, mask = batch["unit_ids"].numpy(), batch["padding_mask"].numpy()
    assert np.mean(ids[mask] != 1) > 0.9
    graphs = predictor.predict({"unit_ids": ids, "padding_mask": mask}, verbose=0)
    for direction, of_direction in graphs.items():
        sums = of_direction.sum(-1)
        assert np.all((np.abs(sums - 1) < 1e-4) | (sums == 0))
        overall = graph_statistics(of_direction, mask, direction)["overall"]
        assert overall["dead_heads"] == 0
        assert overall["empty_rows"] < 0.02
        assert 0.3 < overall["density"] < 0.7
