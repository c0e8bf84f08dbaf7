"""Files of images are read by what they hold; what is no image is named."""

import numpy as np
import pytest

from glomo_keras.data.image_files import read_square_image

image = pytest.importorskip("matplotlib.image")


@pytest.fixture
def colours():
    colours = np.zeros((7, 11, 3), "uint8")
    colours[:, :5] = (250, 20, 60)
    return colours


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a"])
@pytest.mark.parametrize("kind", ["jpg", "png"])
def test_the_name_of_a_file_decides_nothing(tmp_path, colours, name, kind):
    path = tmp_path / name
    image.imsave(path, colours, format=kind)
    pixels = read_square_image(str(path), 7)
    assert pixels.shape == (7, 7, 3)
    # The middle begins two pixels from the left; a JPEG is not exact.
    assert np.abs(pixels.astype(int) - colours[:, 2:9]).mean() < (20, 1)[kind == "png"]


def test_what_is_no_image_is_named(tmp_path, colours):
    path = tmp_path / "photo.png"
    image.imsave(path, colours)
    content = path.read_bytes()
    length = content.index(b"IDAT") - 4
    damaged_length = content[:length] + b"\0\0\0\1" + content[length + 4 :]
    for damaged in (b"", b"text", content[:50], damaged_length):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match="image file.*photo.png.*Convert"):
            read_square_image(path, 4)


def test_what_cannot_be_opened_is_an_error_of_files(tmp_path):
    for path in (tmp_path / "gone.png", tmp_path):
        with pytest.raises(OSError, match=str(path)):
            read_square_image(path, 4)
