"""A corpus of two files, and its shards."""

import pytest
from sharded_corpus import SETTINGS
from sharded_corpus import make_documents
from sharded_corpus import prepare


@pytest.fixture(scope="session")
def documents():
    """The texts of both sources."""
    return [make_documents(0, 83), make_documents(1, 31)]


@pytest.fixture(scope="session")
def spec(documents, tmp_path_factory):
    folder = tmp_path_factory.mktemp("texts")
    paths = []
    for number, texts in enumerate(documents):
        paths.append(folder / f"{number}.txt")
        paths[-1].write_text("\n\n".join(texts))
    return f"files:{paths[0]},{paths[1]}"


@pytest.fixture(scope="session")
def shards(spec, tmp_path_factory):
    """The folder of shards that one process has written without a break."""
    folder = tmp_path_factory.mktemp("shards")
    prepare(spec, folder, **SETTINGS)
    return folder
