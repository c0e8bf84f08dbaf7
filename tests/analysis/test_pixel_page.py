"""The page of the graphs of images: what it holds, and what a click shows."""

import numpy as np
import pytest
from browser import data_of
from browser import in_a_browser
from browser import in_browser

from glomo_keras.analysis import save_image_html

IMAGES = np.arange(2 * 2 * 3 * 3, dtype="uint8").reshape(2, 2, 3, 3)


def tiny_graphs():
    """One layer of two heads, of two images of 2 x 3 pixels."""
    forward, backward = np.zeros((2, 2, 1, 2, 6, 6))
    forward[0, 0, 1, 5, [0, 4]] = 0.25, 0.75
    backward[0, 0, 0, 0, 3] = 1
    return {"forward": forward, "backward": backward}


def test_a_page_holds_the_edges_of_every_pixel(tmp_path):
    data, page = data_of(save_image_html(tmp_path / "p.html", IMAGES, tiny_graphs()))
    assert (data["layers"], data["heads"]) == (1, 2)
    first, second = data["images"]
    assert first["pixels"] == list(range(18)) and second["pixels"][0] == 18
    assert first["forward"] == [[[[]] * 6, [[]] * 5 + [[0, 250, 4, 750]]]]
    assert first["backward"][0][0][0] == [3, 1000]
    assert "http" not in page


def test_rows_are_cut_at_the_strongest_senders(tmp_path):
    path = save_image_html(tmp_path / "p.html", IMAGES, tiny_graphs(), max_senders=1)
    assert data_of(path)[0]["images"][0]["forward"][0][1][5] == [4, 750]


@pytest.mark.parametrize(
    ("images", "graphs", "message"),
    [
        (IMAGES.astype(float), tiny_graphs(), "must be uint8"),
        (IMAGES[0], tiny_graphs(), "must be uint8"),
        (IMAGES, {"forward": np.zeros((2, 1, 2, 6, 6))}, "`forward` and `backward`"),
        (IMAGES[:1], tiny_graphs(), "for images of 2 x 3"),
        (IMAGES[:, :1], tiny_graphs(), "for images of 1 x 3"),
        (IMAGES, {d: -g for d, g in tiny_graphs().items()}, "finite weights"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_written(
    images, graphs, message, tmp_path
):
    with pytest.raises(ValueError, match=message):
        save_image_html(tmp_path / "p.html", images, graphs)
    assert not list(tmp_path.iterdir())


@in_a_browser
def test_a_click_and_the_keys_choose_a_pixel(tmp_path):
    path = save_image_html(tmp_path / "p.html", IMAGES, tiny_graphs())
    result = in_browser(
        path,
        """
        const image = document.querySelector("canvas.image");
        const titles = () => [...document.querySelectorAll("section")[0]
          .querySelectorAll("td canvas")].map(canvas => canvas.title);
        const click = (row, column) => {
          const box = image.getBoundingClientRect();
          image.dispatchEvent(new MouseEvent("click", {
            clientX: box.left + (column + 0.5) * box.width / 3,
            clientY: box.top + (row + 0.5) * box.height / 2}));
        };
        click(1, 2); result.push(info(), titles());
        set("direction", "backward"); result.push(titles());
        click(0, 1); result.push(titles());
        image.dispatchEvent(new KeyboardEvent("keydown", {key: "ArrowLeft"}));
        result.push(info(), titles());
        const panel = document.querySelector("td canvas").getContext("2d");
        const color = (row, column) => [...panel.getImageData(
          column * 8 + 4, row * 8 + 4, 1, 1).data].slice(0, 3);
        result.push(color(1, 0), color(1, 1));
        set("threshold", "0.5");
        result.push(document.getElementById("threshold-value").textContent);
        """,
    )
    nothing = "reads nothing"
    assert result[0] == "The pixel in row 2, column 3."
    assert result[1] == [nothing, "reads row 2, column 2 most: 0.750"]
    assert result[2] == result[3] == [nothing, nothing]
    assert result[4] == "The pixel in row 1, column 1."
    assert result[5] == ["reads row 2, column 1 most: 1.000", nothing]
    assert result[6][0] > 200 > result[7][0]  # orange, and grey
    assert result[8] == "0.500"
