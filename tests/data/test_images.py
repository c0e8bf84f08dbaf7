"""Image sets by name and path."""

import tracemalloc
import zipfile

import numpy as np
import pytest

from glomo_keras import files
from glomo_keras.data import describe_images
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
        result = read_images(spec)
        np.testing.assert_array_equal(result.images, expected)
        assert result.labels.tolist() == [0, 1, 2, 3, 4]
    monkeypatch.setenv("GLOMO_DATA", str(folder.parent))
    result = read_images(folder.name, size=4, limit=3)
    np.testing.assert_array_equal(result.images, shrink(expected[:3], 4))
    assert result.labels.tolist() == [0, 1, 2]


def test_a_single_file_is_no_test(packed):
    folder, _ = packed
    spec = str(folder / "train_jpeg.npz")
    for read in (read_images, lambda *of: describe_images(of[0], of[1:])):
        with pytest.raises(ValueError, match="no test images.*train.npz` and `test"):
            read(spec, "test")


def test_arrays(images, tmp_path):
    np.savez(tmp_path / "test.npz", images=images)
    result = read_images(str(tmp_path), "test")
    np.testing.assert_array_equal(result.images, images)
    assert result.labels is None


def test_shrinking_takes_means(images):
    result = shrink(images, 4)
    expected = images[:, 2:4, 6:8].astype(float).mean(axis=(1, 2))
    np.testing.assert_array_equal(result[:, 1, 3], np.rint(expected))
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
    np.savez(tmp_path / "empty.npz", images=four[:0])
    with pytest.raises(ValueError, match="holds no image"):
        read_images(str(tmp_path / "empty.npz"))
    for wrong in (["shapes"], None):
        with pytest.raises(TypeError, match="`spec` must be one string"):
            read_images(wrong)
    with pytest.raises(TypeError, match="`size` must be a positive integer"):
        read_images("shapes", size=2.0)
    assert len(read_images("shapes", limit=np.int64(3)).images) == 3


FOUR = np.zeros((4, 2, 2, 3), "uint8")


@pytest.mark.parametrize(
    "arrays, message",
    [
        ({"images": np.array([[[[{}] * 3]]])}, "array of uint8 .* Received: object"),
        ({"images": FOUR.astype("float32")}, "array of uint8 .* Received: float32"),
        ({"images": FOUR[..., :2]}, r"width, 3\). Received: uint8 \(4, 2, 2, 2\)"),
        ({"images": FOUR, "labels": np.array([{}] * 4)}, "`labels` must be .* object"),
        ({"images": FOUR, "labels": np.ones(4)}, "`labels` must be .* integer"),
        ({"images": FOUR, "labels": FOUR}, r"`labels` must be .* \(count,\)"),
        ({"jpeg": FOUR[0, 0, 0], "offsets": np.array([0, 4])}, "`offsets` must rise"),
        ({"jpeg": FOUR[0, 0, 0], "offsets": np.array([-3, 0])}, "`offsets` must rise"),
        ({"jpeg": FOUR[0, 0, 0], "offsets": np.array([2, 1])}, "`offsets` must rise"),
        ({"jpeg": FOUR[0, 0, 0], "offsets": np.ones(0, int)}, "`offsets` must rise"),
        ({"jpeg": FOUR[0, 0, 0], "offsets": np.zeros(1, int)}, "holds no image"),
        ({"jpeg": FOUR[0, 0, 0], "offsets": np.array([0, 3])}, "image 0 is no JPEG"),
        ({"jpeg": FOUR[0, 0, 0], "offsets": np.array([0.0, 3])}, "`offsets` must be"),
    ],
)
def test_other_arrays_are_refused(tmp_path, arrays, message):
    np.savez(tmp_path / "other.npz", **arrays)
    with pytest.raises(ValueError, match=f"other.npz.*{message}"):
        read_images(str(tmp_path / "other.npz"))


def archive_of(path, header, content):
    """An .npz file of one array, `images`, with a header of one's own."""
    member = b"\x93NUMPY\x01\0" + len(header).to_bytes(2, "little") + header + content
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("images.npy", member)


@pytest.mark.parametrize(
    "header, message",
    [
        (
            b"{'descr': '|u1', 'fortran_order': False, 'shape': (%d, 9, 9, 3)}",
            "damaged",
        ),
        (b"{'descr': '|O', 'fortran_order': False, 'shape': (%d, 9, 9, 3)}", "object"),
        (
            b"{'descr': '|u1', 'fortran_order': False, 'shape': (-1, 2, 2, 3)}",
            "damaged",
        ),
        (b"{'descr': '|u1', 'fortran_order': False, 'shape': %d}", "no array of NumPy"),
        (b"print('executed')", "no array of NumPy"),
        (b"(" * 2000, "no array of NumPy"),
        (b"{'descr': '|u1'" + b" " * 20_000, "no array of NumPy"),
    ],
)
def test_what_a_header_promises_is_checked_before_memory_is_taken(
    tmp_path, header, message
):
    path = tmp_path / "huge.npz"
    archive_of(path, header.replace(b"%d", b"%d" % 2**50), bytes(48))
    tracemalloc.start()
    with pytest.raises(ValueError, match=f"huge.npz: `images`.*{message}"):
        read_images(str(path))
    assert tracemalloc.get_traced_memory()[1] < 2**24
    tracemalloc.stop()


@pytest.mark.parametrize("damage", [bytes, lambda data: data[:-60], lambda data: b"x"])
def test_files_that_are_no_archives_are_named(tmp_path, damage):
    path = tmp_path / "bad.npz"
    np.savez(path, images=np.arange(96, dtype="uint8").reshape(2, 4, 4, 3))
    data = bytearray(path.read_bytes())
    data[200] ^= 1  # its checksum does not fit
    path.write_bytes(damage(bytes(data)))
    with pytest.raises(ValueError, match="bad.npz.* is no .*, or is damaged"):
        read_images(str(path))
    np.save(tmp_path / "array.npy", FOUR)
    (tmp_path / "array.npy").rename(path)
    with pytest.raises(ValueError, match="bad.npz is no .npz file"):
        read_images(str(path))


def test_what_grows_out_of_proportion_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_SAFE_BYTES", 10_000)
    path = tmp_path / "bomb.npz"
    black = np.zeros((1, 300, 300, 3), "uint8")
    np.savez_compressed(path, images=black)
    with pytest.raises(ValueError, match="bomb.npz: `images` would unpack from"):
        read_images(str(path))
    np.savez(path, images=black)
    assert read_images(str(path)).images.shape == (1, 300, 300, 3)
    content = tf.io.encode_jpeg(black[0]).numpy()
    arrays = dict(jpeg=np.frombuffer(content, "uint8"), offsets=[0, len(content)])
    np.savez(path, **arrays)
    with pytest.raises(ValueError, match="bomb.npz, image 0 would unpack from"):
        read_images(str(path))


def test_tensorflow_datasets(images):
    tfds = pytest.importorskip("tensorflow_datasets")
    with tfds.testing.mock_data(num_examples=4):
        result = read_images("tfds:cifar10", "test", size=16)
        assert result.images.shape == (4, 16, 16, 3) and result.labels.shape == (4,)
        # Its parts are train and validation; mock images are of any size.
        with pytest.raises(ValueError, match="images of one size"):
            read_images("tfds:downsampled_imagenet/32x32", "test")
        with pytest.raises(ValueError, match="must have the feature 'image'.*'label'"):
            read_images("tfds:imdb_reviews", "test")
        with pytest.raises(ValueError, match=r"\(height, width, 3\).*\(28, 28, 1\)"):
            read_images("tfds:mnist", "test")
        result = read_images("tfds:downsampled_imagenet/32x32", "test", limit=1)
        assert len(result.images) == 1 and result.labels is None


@pytest.mark.parametrize("spec", ["shapes", "files:images.npz"])
def test_one_split_as_a_string_is_no_list(spec):
    with pytest.raises(ValueError, match="`splits` must be a list.* string: 'train'"):
        describe_images(spec, splits="train")
