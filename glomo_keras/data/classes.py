"""Classes of units from the units beside them: targets that grammar decides."""

import pathlib

import numpy as np

from glomo_keras.checks import positive_integer
from glomo_keras.data.numpy_files import map_array
from glomo_keras.data.prepared import CLASSES_FILE
from glomo_keras.data.prepared import load_prepared
from glomo_keras.files import atomic_write

NUM_NEIGHBOURS = 500  # units whose places beside a unit are counted, by default
_POWER = 0.75  # of the counts of neighbours: frequent ones would decide all
_DIMENSIONS = 64  # of the space in which units are grouped
_ITERATIONS = 20
_CHUNK_UNITS = 4_000_000  # whose neighbours are counted at once


def unit_classes(
    ids,
    vocabulary_size,
    num_classes=500,
    num_alone=None,
    num_neighbours=NUM_NEIGHBOURS,
    seed=0,
):
    """Group units by the units that stand before and after them.

    The more frequent units have a class each. The others are points,

        log ratio[u, n] = log p(n beside u) / p(n)  if that is positive, else 0

    over the `num_neighbours` most frequent units n on either side, brought to few
    dimensions by a singular value decomposition, of length one, and grouped by k-means
    with a weight of sqrt(count). Words that can stand in for each other come together:
    colours, verbs in the past, names of months.

    `GLoMoPretrainer` predicts such classes in place of units: what comes next is then a
    question of grammar more than of topic, and the softmax is small.

    Args:
        ids: int array `(num_units,)`, ids by frequency, 0 at padding and 1 for unknown,
            as `prepare_corpus` writes them.
        vocabulary_size: int.
        num_classes: int, at most; a vocabulary that is smaller has a class a unit.
        num_alone: int or None, units that have a class each. `None` means a quarter
            of the classes.
        num_neighbours: int, units whose places beside a unit are counted.
        seed: int, of k-means.

    Returns:
        Int32 array `(vocabulary_size,)`, the class of every unit, from 0 to
        `num_classes - 1`. Class 0 is that of padding and of unknown units, the classes
        from 1 are those of the frequent units.

    Raises:
        ValueError: if an id is outside of the vocabulary, or a number out of its range.

    Example:

    >>> ids = np.array([2, 4, 3, 2, 5, 3, 2, 4, 3, 2, 5, 3, 2])
    >>> unit_classes(ids, 6, num_classes=4, num_alone=2).tolist()  # 4 and 5 are alike
    [0, 0, 1, 2, 3, 3]
    """
    vocabulary_size = positive_integer("vocabulary_size", vocabulary_size)
    num_neighbours = min(
        positive_integer("num_neighbours", num_neighbours), vocabulary_size
    )
    counts, beside = _count(ids, vocabulary_size, num_neighbours)
    return classes_of_counts(counts, beside, num_classes, num_alone, seed)


def neighbour_keys(ids, num_neighbours):
    """Return a number for every pair of a unit and a frequent unit beside it.

    Args:
        ids: int64 array `(num_units,)`.
        num_neighbours: int.

    Returns:
        Tuple of two int64 arrays of `unit * num_neighbours + neighbour`, for neighbours
        before a unit and after it. Padding is no neighbour.

    Example:

    >>> [keys.tolist() for keys in neighbour_keys(np.array([2, 9, 1]), 5)]
    [[47], [46]]
    """
    ids = np.asarray(ids, np.int64)
    first, second = ids[:-1], ids[1:]
    sides = []
    for unit, neighbour in ((second, first), (first, second)):
        is_chosen = (neighbour > 0) & (neighbour < num_neighbours)
        sides.append(unit[is_chosen] * num_neighbours + neighbour[is_chosen])
    return tuple(sides)


def classes_of_counts(counts, beside, num_classes=500, num_alone=None, seed=0):
    """Group units by counts of what stands beside them; see `unit_classes`.

    Args:
        counts: int array `(vocabulary_size,)`, of units.
        beside: int array `(2, vocabulary_size, num_neighbours)`, of units with the
            frequent ones before and after them.
        num_classes, num_alone, seed: see `unit_classes`.

    Returns:
        Int32 array `(vocabulary_size,)`.

    Raises:
        ValueError: if a number is out of its range.
    """
    vocabulary_size = len(counts)
    num_classes = positive_integer("num_classes", num_classes)
    num_alone = positive_integer("num_alone", num_alone, or_none=True)
    if num_alone is None:
        num_alone = max(1, num_classes // 4)
    if num_alone > num_classes - 2:
        raise ValueError(
            "`num_classes` must leave room for the unknown unit, for the units with a "
            f"class each and for one class more. Received: num_classes={num_classes}, "
            f"num_alone={num_alone}."
        )
    classes = np.zeros(vocabulary_size, np.int32)
    if vocabulary_size - 1 <= num_classes:
        classes[2:] = np.arange(1, vocabulary_size - 1)
        return classes
    points = _points(np.asarray(counts), beside)
    grouped = slice(2 + num_alone, vocabulary_size)
    classes[2 : 2 + num_alone] = np.arange(1, num_alone + 1)
    groups = _k_means(
        points[grouped],
        np.sqrt(counts[grouped]),
        num_classes - 1 - num_alone,
        np.random.default_rng(seed),
    )
    classes[grouped] = 1 + num_alone + groups
    return classes


def prepared_classes(directory, num_classes=500, log=print):
    r"""Load the classes of the units of a prepared corpus, which are made if missing.

    They lie beside its arrays, in `classes_<num_classes>.npy`.

    Args:
        directory: path of what `prepare_corpus` wrote.
        num_classes: int, see `unit_classes`.
        log: function that takes lines of progress.

    Returns:
        Int32 array `(vocabulary_size,)`.

    Raises:
        FileNotFoundError: if the directory holds no finished preparation.
        ValueError: if the file of the classes is damaged, or `num_classes` too small.

    Example:

    >>> import pathlib, tempfile
    >>> from glomo_keras.data import prepare_corpus
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "text.txt").write_text("One text.\n\nAnother, of other words.")
    >>> _ = prepare_corpus(f"files:{folder / 'text.txt'}", folder, log=str)
    >>> int(prepared_classes(folder, 5, log=str).max())
    4
    """
    corpus = load_prepared(directory)
    size = len(corpus.units)
    return kept_classes(
        directory,
        size,
        num_classes,
        lambda: unit_classes(corpus.train_ids, size, num_classes),
        log,
    )


def kept_classes(directory, vocabulary_size, num_classes, make, log=print):
    """Load the classes of units from a folder, in which they are made if missing.

    Args:
        directory: path.
        vocabulary_size: int.
        num_classes: int.
        make: function without arguments that returns the classes.
        log: function that takes lines of progress.

    Returns:
        Int32 array `(vocabulary_size,)`.

    Raises:
        ValueError: if the file is damaged, or of another vocabulary.
    """
    path = pathlib.Path(directory) / CLASSES_FILE.format(num_classes)
    if not path.exists():
        log(f"Units are grouped into {num_classes} classes.")
        classes = make()
        with atomic_write(path) as temporary:
            np.save(temporary, classes)
    classes = np.array(map_array(path, np.integer, ("vocabulary_size",)))
    if len(classes) != vocabulary_size:
        raise ValueError(
            f"{path} must have a class for each of the {vocabulary_size:,} units. It "
            f"has {len(classes):,}. Remove it: it is made again."
        )
    return classes


def _count(ids, vocabulary_size, num_neighbours):
    """Return the counts of all units, and of those beside them."""
    counts = np.zeros(vocabulary_size, np.int64)
    beside = np.zeros((2, vocabulary_size * num_neighbours), np.int64)
    for start in range(0, len(ids), _CHUNK_UNITS):
        chunk = np.asarray(ids[start : start + _CHUNK_UNITS + 1], np.int64)
        if chunk.min() < 0 or chunk.max() >= vocabulary_size:
            raise ValueError(
                f"`ids` must be from 0 to {vocabulary_size - 1}, the last of the "
                f"vocabulary. Received: {chunk.min()} to {chunk.max()}."
            )
        counts += np.bincount(chunk[:_CHUNK_UNITS], minlength=vocabulary_size)
        for side, keys in enumerate(neighbour_keys(chunk, num_neighbours)):
            beside[side] += np.bincount(keys, minlength=beside.shape[1])
    return counts, beside.reshape(2, vocabulary_size, num_neighbours)


def _points(counts, beside):
    """Return a point for every unit."""
    ratios = np.concatenate([_log_ratios(side) for side in beside], axis=1)
    # The singular vectors of a tall matrix are eigenvectors of a small one.
    weighted = ratios * np.sqrt(counts / max(1, counts.sum()))[:, None]
    values, vectors = np.linalg.eigh(weighted.T @ weighted)
    points = ratios @ vectors[:, np.argsort(-values)[:_DIMENSIONS]]
    lengths = np.linalg.norm(points, axis=1, keepdims=True)
    return (points / np.maximum(lengths, 1e-12)).astype(np.float32)


def _log_ratios(beside):
    """Return by how much more often a neighbour stands beside a unit than expected."""
    beside = beside.astype(np.float32)
    of_units = beside.sum(axis=1, keepdims=True)
    of_neighbours = beside.sum(axis=0, keepdims=True) ** _POWER
    of_neighbours /= max(1e-12, of_neighbours.sum())
    expected = of_units * of_neighbours
    with np.errstate(divide="ignore"):
        ratios = np.log(beside / np.maximum(expected, 1e-12))
    return np.maximum(ratios, 0.0)


def _k_means(points, weights, num_groups, random):
    """Return the group of every point; points and centres have length one."""
    num_groups = min(num_groups, len(points))
    weights = np.maximum(weights, 1e-6)
    # Centres that are drawn far from each other (k-means++).
    centres = [points[random.choice(len(points), p=weights / weights.sum())]]
    nearest = np.full(len(points), np.inf)
    for _ in range(num_groups - 1):
        nearest = np.minimum(nearest, np.maximum(0.0, 1.0 - points @ centres[-1]))
        chances = nearest * weights
        if not chances.sum():
            break
        centres.append(points[random.choice(len(points), p=chances / chances.sum())])
    centres = np.stack(centres)
    for _ in range(_ITERATIONS):
        groups = np.argmax(points @ centres.T, axis=1)
        sums = np.zeros_like(centres)
        np.add.at(sums, groups, points * weights[:, None])
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        centres = np.where(lengths > 0, sums / np.maximum(lengths, 1e-12), centres)
    return np.argmax(points @ centres.T, axis=1).astype(np.int32)
