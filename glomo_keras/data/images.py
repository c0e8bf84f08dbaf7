"""Image sets by name or path: arrays of pixels, and labels where there are some."""

import typing

import numpy as np

from glomo_keras.checks import check_positive_integers
from glomo_keras.data.numpy_files import open_arrays
from glomo_keras.data.shapes import draw_shapes
from glomo_keras.data.text_files import describe_source
from glomo_keras.data.text_files import find_files
from glomo_keras.data.tfds_sets import find_builder
from glomo_keras.files import check_growth
from glomo_keras.strings import check_string_list

_TFDS_SPLITS = {"test": ("test", "validation")}


class ImageSet(typing.NamedTuple):
    """Images of one size.

    Attributes:
        images: uint8 array `(num_images, height, width, 3)`.
        labels: int32 array `(num_images,)`, or `None`.
    """

    images: np.ndarray
    labels: np.ndarray | None


def read_images(spec, split="train", size=None, limit=None):
    """Read a set of colour images.

    Args:
        spec: string. `shapes`: drawn squares, discs, rings and crosses, a toy;
            `tfds:NAME`: a data set of tensorflow-datasets, such as `tfds:cifar10` or
            `tfds:downsampled_imagenet/32x32`; or a path, here or under `GLOMO_DATA`:
            an `.npz` file, which is all of `"train"`, or a folder with
            `SPLIT_jpeg.npz` or `SPLIT.npz`. Such a file holds `images`, or JPEG files
            end to end in `jpeg`, the i-th between `offsets[i]` and `offsets[i + 1]`;
            and `labels`.
        split: `"train"` or `"test"`; of a set that has none of that name, its
            validation part.
        size: int or `None`, height and width. Larger images are shrunk by means of
            whole blocks of pixels, so that it must divide their size.
        limit: int or `None`, read no more than the first so many.

    Returns:
        An `ImageSet`.

    Raises:
        FileNotFoundError: if there is no such file.
        ImportError: for `tfds:` without tensorflow-datasets.
        ValueError: if a file is damaged, would take memory out of all proportion, or
            does not hold images of one size and a label for each; if a single file is
            to be `"test"`; if `size` does not divide the size of the images; or for
            another split, size or limit.
        TypeError: if `spec` is no string, or `size` or `limit` no integer.

    Example:

    >>> read_images("shapes", size=16, limit=5).images.shape
    (5, 16, 16, 3)
    """
    check_positive_integers(or_none=True, size=size, limit=limit)
    if not isinstance(spec, str):
        raise TypeError(f"`spec` must be one string. Received: {spec!r:.80}.")
    if split not in ("train", "test"):
        raise ValueError(f'`split` must be "train" or "test". Received: {split!r}.')
    if spec == "shapes":
        images, labels = draw_shapes(
            limit or 1_000, seed=("train", "test").index(split)
        )
    elif spec.startswith("tfds:"):
        images, labels = _read_tfds(spec.removeprefix("tfds:"), split, limit)
    else:
        images, labels = _read_file(_image_file(spec, split), limit)
    if size is not None:
        images = shrink(images, size)
    return ImageSet(images, None if labels is None else labels.astype("int32"))


def describe_images(spec, splits=("train",)):
    """Return what identifies sets of images, to tell whether arrays of them are stale.

    Args:
        spec: string, see `read_images`.
        splits: tuple of strings.

    Returns:
        List of dicts for JSON, a file or data set each; empty for drawn images.

    Raises:
        ValueError: if `splits` is one string.

    Example:

    >>> describe_images("shapes")
    []
    """
    check_string_list("splits", splits)
    if spec == "shapes":
        return []
    if spec.startswith("tfds:"):
        return [{"name": find_builder(spec.removeprefix("tfds:")).info.full_name}]
    return [describe_source(_image_file(spec, split)) for split in splits]


def shrink(images, size):
    """Shrink images to means of blocks of pixels.

    Args:
        images: uint8 array `(num_images, height, width, channels)`.
        size: int, height and width of the result.

    Returns:
        uint8 array `(num_images, size, size, channels)`.

    Raises:
        ValueError: if `size` does not divide height and width.

    Example:

    >>> shrink(np.array([[[[0], [1]], [[2], [5]]]], "uint8"), 1).tolist()
    [[[[2]]]]
    """
    check_positive_integers(size=size)
    count, height, width, channels = images.shape
    if height % size or width % size:
        raise ValueError(
            f"The size of the images must be a multiple of `size`. Received: size="
            f"{size} for images of {height} x {width}."
        )
    if height == width == size:
        return images
    blocks = (count, size, height // size, size, width // size, channels)
    shrunk = np.empty((count, size, size, channels), "uint8")
    for start in range(0, count, 1_000):  # floats of all images would be large
        part = images[start : start + 1_000].reshape(-1, *blocks[1:])
        shrunk[start : start + 1_000] = np.rint(part.mean(axis=(2, 4)))
    return shrunk


def _image_file(spec, split):
    names = [spec] if spec.endswith(".npz") else []
    if names and split != "train":  # the same images would stand for both
        raise ValueError(
            f"A single file has no {split} images. Received: {spec!r}. Give a folder "
            f"with `train.npz` and `{split}.npz`, or with both named `..._jpeg.npz`."
        )
    names += [f"{spec}/{split}_jpeg.npz", f"{spec}/{split}.npz"]
    for name in names:
        try:
            return find_files(name)[0]
        except FileNotFoundError:
            continue
    raise FileNotFoundError(
        f"No images at {spec!r}: none of {names} exists, here or under GLOMO_DATA. "
        "Give such a path, or let tensorflow-datasets fetch images, for instance "
        "tfds:cifar10."
    )


def _read_file(path, limit):
    with open_arrays(path) as arrays:
        names = set(arrays.names)
        if not {"images"} <= names and not {"jpeg", "offsets"} <= names:
            raise ValueError(
                f"{path} must hold `images`, or `jpeg` and `offsets`. It holds "
                f"{arrays.names}."
            )
        if "images" in names:
            layout = ("count", "height", "width", 3)
            images = arrays.read("images", np.uint8, layout)[:limit]
        else:
            jpeg = arrays.read("jpeg", np.uint8, ("num_bytes",))
            offsets = arrays.read("offsets", np.integer, ("count + 1",))
            images = _decode(jpeg, offsets, limit, path)
        labels = None
        if "labels" in names:
            labels = arrays.read("labels", np.integer, ("count",))[:limit]
    if not len(images):
        raise ValueError(f"{path} holds no image. Give a file with images.")
    if labels is not None and len(labels) != len(images):
        raise ValueError(
            f"{path} must hold a label for each image. Received: {len(labels)} labels "
            f"for {len(images)} images."
        )
    return images, labels


def _decode(jpeg, offsets, limit, path):
    import tensorflow as tf

    offsets = offsets[: None if limit is None else limit + 1].astype("int64")
    if (
        not len(offsets)
        or offsets[0] < 0
        or offsets[-1] > len(jpeg)
        or (np.diff(offsets) < 0).any()
    ):
        raise ValueError(
            f"{path}: `offsets` must rise from 0 to the {len(jpeg):,} bytes of `jpeg`. "
            f"Received: {offsets[:5].tolist()}..."
        )
    contents = [
        jpeg[start:limit].tobytes()
        for start, limit in zip(offsets[:-1], offsets[1:], strict=True)
    ]
    images = []
    for number, content in enumerate(contents):
        source = f"{path}, image {number}"
        try:
            shape = tf.io.extract_jpeg_shape(content).numpy()
            check_growth(source, int(np.prod(shape, dtype="int64")), len(content))
            # The default method of TensorFlow is off by up to 5 levels.
            image = tf.io.decode_jpeg(
                content, channels=3, dct_method="INTEGER_ACCURATE"
            )
        except tf.errors.InvalidArgumentError as error:
            raise ValueError(
                f"{source} is no JPEG file, or is damaged. Check `offsets`, or fetch "
                "the file again."
            ) from error
        images.append(image.numpy())
    return _stack(images, path) if images else np.zeros((0, 0, 0, 3), "uint8")


def _stack(images, source):
    sizes = sorted({image.shape for image in images})
    if len(sizes) != 1:
        raise ValueError(
            f"{source} must hold images of one size. Received the sizes {sizes[:5]}."
        )
    return np.stack(images)


def _read_tfds(name, split, limit):
    builder = find_builder(name)
    builder.download_and_prepare()
    wanted = _TFDS_SPLITS.get(split, (split,))
    known = builder.info.splits or wanted
    chosen = next((name for name in wanted if name in known), None)
    if chosen is None:
        raise ValueError(
            f"tfds:{name} has no part for {split!r}. It has {sorted(known)}."
        )
    if "image" not in builder.info.features:
        raise ValueError(
            f"tfds:{name} must have the feature 'image'. It has "
            f"{sorted(builder.info.features)}. Give a data set of images."
        )
    import tensorflow_datasets as tfds

    dataset = builder.as_dataset(split=chosen, shuffle_files=False)
    if limit is not None:
        dataset = dataset.take(limit)
    examples = list(tfds.as_numpy(dataset))
    labels = None
    if examples and "label" in examples[0]:
        labels = np.array([example["label"] for example in examples])
    images = _stack([example["image"] for example in examples], f"tfds:{name}")
    if images.ndim != 4 or images.shape[-1] != 3 or images.dtype != np.uint8:
        raise ValueError(
            f"tfds:{name} must hold uint8 images (height, width, 3). Received: "
            f"{images.dtype} {images.shape[1:]}."
        )
    return images, labels
