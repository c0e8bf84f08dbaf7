"""Image sets by name and path."""

import numpy as np
import pytest

from glomo_keras.data import draw_shapes
from glomo_keras.data import read_images
from glomo_keras.data import shrink

tf = pytest.importorskip("tensorflow")


@pytest.fixture
def images(random):
    return random.integers(0, 256, (5, 8, 8, 3)).astype("uint8")


@pytest.fixture
def packed(images, tmp_path):
    files = [tf.io.encode_jpeg(image, quality=100).numpy() for image in images]
    offsets = np.cumsum([0, *map(len, files)])
    np.savez(
        tmp_path / "train_jpeg.npz",
        jpeg=np.frombuffer(b"".join(files), "uint8"),
        offsets=offsets,
        labels=np.arange(5, dtype="uint8"),
    )
    decoded = [
        tf.io.decode_jpeg(file, dct_method="INTEGER_ACCURATE").numpy() for file in files
    ]
    return tmp_path, np.stack(decoded)


def test_packed_jpegs(packed, monkeypatch):
    folder, expected = packed
    for spec in (str(folder), str(folder / "train_jpeg.npz")):
        found = read_images(spec)
        np.testing.assert_array_equal(found.images, expected)
        assert found.labels.tolist() == [0, 1, 2, 3, 4]
    monkeypatch.setenv("GLOMO_DATA", str(folder.parent))
    found = read_images(folder.name, size=4, limit=3)
    np.testing.assert_array_equal(found.images, shrink(expected[:3], 4))
    assert found.labels.tolist() == [0, 1, 2]


def test_arrays(images, tmp_path):
    np.savez(tmp_path / "test.npz", images=images)
    found = read_images(str(tmp_path), "test")
    np.testing.assert_array_equal(found.images, images)
    assert found.labels is None


def test_shrinking_takes_means(images):
    found = shrink(images, 4)
    expected = images[:, 2:4, 6:8].astype(float).mean(axis=(1, 2))
    np.testing.assert_array_equal(found[:, 1, 3], np.rint(expected))
    assert shrink(images, 8) is images
    with pytest.raises(ValueError, match="multiple of `size`.*size=3 for images of 8"):
        shrink(images, 3)


def test_shapes_are_drawn_alike_by_the_same_seed():
    images, labels = draw_shapes(40, seed=3)
    again, _ = draw_shapes(40, seed=3)
    np.testing.assert_array_equal(images, again)
    assert set(labels) == {0, 1, 2, 3}
    assert (read_images("shapes").images != read_images("shapes", "test").images).any()


def test_what_is_missing_or_wrong_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere/train_jpeg.npz.*tfds:cifar10"):
        read_images("nowhere")
    np.savez(tmp_path / "other.npz", pictures=np.ones(3))
    with pytest.raises(ValueError, match="must hold `images`.*pictures"):
        read_images(str(tmp_path / "other.npz"))
    np.savez(tmp_path / "grey.npz", images=np.ones((2, 4, 4), "uint8"))
    for wrong in ({"split": "valid"}, {"size": 0}, {"limit": 0}):
        with pytest.raises(ValueError, match=f"`{list(wrong)[0]}` must be"):
            read_images("shapes", **wrong)
    four = np.zeros((4, 2, 2, 3), "uint8")
    np.savez(tmp_path / "few.npz", images=four, labels=np.zeros(3, "int32"))
    with pytest.raises(ValueError, match="3 labels for 4 images"):
        read_images(str(tmp_path / "few.npz"))
    with pytest.raises(ValueError, match=r"\(count, height, width, 3\).*\(2, 4, 4\)"):
        read_images(str(tmp_path / "grey.npz"))


def test_tensorflow_datasets(images):
    tfds = pytest.importorskip("tensorflow_datasets")
    with tfds.testing.mock_data(num_examples=4):
        found = read_images("tfds:cifar10", "test", size=16)
        assert found.images.shape == (4, 16, 16, 3) and found.labels.shape == (4,)
        # Its parts are train and validation; mock images are of any size.
        with pytest.raises(ValueError, match="images of one size"):
            read_images("tfds:downsampled_imagenet/32x32", "test")
        found = read_images("tfds:downsampled_imagenet/32x32", "test", limit=1)
        assert len(found.images) == 1 and found.labels is None
