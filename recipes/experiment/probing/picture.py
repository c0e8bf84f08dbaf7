"""A picture of which head finds which relation."""

import numpy as np

from glomo_keras.files import atomic_write


def draw(result, path):
    """Draw the shares of arcs that heads find, relations in rows.

    Args:
        result: dict, see `experiment.probing.probe.probe`.
        path: path of the picture.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    rows = result["relations"]
    heads = list(rows[0]["by_head"])
    shares = 100 * np.array([[row["by_head"][head] for head in heads] for row in rows])
    size = 2.5 + 0.32 * len(heads), 1.5 + 0.25 * len(rows)
    figure, axes = pyplot.subplots(figsize=size, layout="constrained")
    image = axes.imshow(shares, cmap="viridis", vmin=0, vmax=100, aspect="auto")
    for row, place in enumerate(shares.argmax(axis=1).tolist()):
        color = "black" if shares[row, place] > 60 else "white"
        label = f"{shares[row, place]:.0f}"
        axes.text(place, row, label, ha="center", va="center", color=color, fontsize=8)
    axes.set_xticks(range(len(heads)), heads, rotation=90, fontsize=8)
    axes.set_yticks(range(len(rows)), [row["relation"] for row in rows], fontsize=8)
    axes.set_xlabel("head: direction layer.number")
    figure.colorbar(image, label="arcs found, percent (the best in numbers)")
    with atomic_write(path) as temporary:
        figure.savefig(temporary, dpi=110, format="png")
    pyplot.close(figure)
