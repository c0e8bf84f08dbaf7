"""Data sets of tensorflow-datasets, which is imported when one is asked for."""


def find_builder(name):
    """Return the builder of a data set, which is neither downloaded nor prepared yet.

    Args:
        name: string as tensorflow-datasets writes it, `imdb_reviews` or `glue/mnli`.

    Raises:
        ImportError: without tensorflow-datasets.
        ValueError: for a name that it does not know.
    """
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise ImportError(
            f"The data set 'tfds:{name}' needs tensorflow-datasets: "
            'pip install "tensorflow-datasets"'
        ) from error

    try:
        return tfds.builder(name)
    # AssertionError: of an unknown version.
    except (AssertionError, tfds.core.DatasetNotFoundError, ValueError) as error:
        reason = str(error).partition("\n")[0]  # what follows lists hundreds of names
        raise ValueError(
            f"tensorflow-datasets has no data set {name!r} ({reason}) "
            "See https://www.tensorflow.org/datasets/catalog for the names, "
            "or give the path of files of your own."
        ) from error
