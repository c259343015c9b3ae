"""Cluster moons and rings with KMeans and with SpectralClustering.

k-means cuts the plane into cells around its centers, so it cannot part shapes
that wind about each other. Spectral clustering follows them:

    python examples/shapes.py shapes.png
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.datasets import make_circles, make_moons
from sklearn.metrics import adjusted_rand_score

from streamkm import KMeans, SpectralClustering

N_ROWS = 20_000
DRAWN = 2_000
COLORS = np.array(["#0072b2", "#e69f00"])  # blue and orange of Okabe & Ito
MARKERS = ("o", "^")
INK = "#222222"


def make_shapes() -> dict[str, tuple[NDArray[Any], NDArray[Any]]]:
    """Return rows and true labels of each shape."""
    return {
        "moons": make_moons(N_ROWS, noise=0.07, random_state=0),
        "rings": make_circles(N_ROWS, factor=0.45, noise=0.06, random_state=0),
    }


def main() -> None:
    """Print how well each finds the shapes, and draw the labels."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("picture", help="a new .png file")
    arguments = parser.parse_args()
    models = (KMeans(2, n_init=4, random_state=0), SpectralClustering(2, random_state=0))
    figure = Figure(figsize=(7.5, 6), layout="constrained", dpi=100)
    grid = figure.subplots(2, 2, height_ratios=(0.6, 1))
    for line, (shape, (rows, truth)) in zip(grid, make_shapes().items(), strict=True):
        for axes, model in zip(line, models, strict=True):
            labels = model.fit_predict(rows)
            agreement = round(adjusted_rand_score(truth, labels), 3) + 0.0  # never -0.0
            name = type(model).__name__
            print(f"{shape}  {name:20} adjusted Rand index {agreement:.3f}")
            assert (agreement > 0.95) == (name == "SpectralClustering")
            for cluster in np.unique(labels):
                x, y = rows[:DRAWN][labels[:DRAWN] == cluster].T
                axes.scatter(x, y, s=7, c=COLORS[cluster], marker=MARKERS[cluster], linewidths=0)
            axes.set_title(f"{name}, {shape}: {agreement:.2f}", fontsize=11, color=INK)
            axes.set_aspect("equal")
            axes.set_axis_off()
    figure.suptitle(
        "Adjusted Rand index against the true shapes: 1 is perfect, 0 is chance",
        fontsize=10, color=INK,
    )  # fmt: skip
    figure.savefig(arguments.picture)


if __name__ == "__main__":
    main()
