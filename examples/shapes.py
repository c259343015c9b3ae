"""
Moons and rings: shapes that k-means cannot part
================================================

k-means cuts the plane into cells around its centers, so it cannot part shapes
that wind about each other. Spectral clustering follows them: a graph through
landmarks, embedded, and k-means on the embedding::

    python examples/shapes.py
"""

# %%
# Two moons and two rings, with noise.

from __future__ import annotations

import _common
from matplotlib.figure import Figure
from sklearn.datasets import make_circles, make_moons
from sklearn.metrics import adjusted_rand_score

from streamkm import KMeans, SpectralClustering

parser = _common.make_parser(__doc__)
parser.add_argument("--rows", type=int, default=20_000)
arguments = parser.parse_args()
shapes = {
    "moons": make_moons(arguments.rows, noise=0.07, random_state=0),
    "rings": make_circles(arguments.rows, factor=0.45, noise=0.06, random_state=0),
}

# %%
# Both clusterings of both, judged by the adjusted Rand index against the true
# shapes: 1 is perfect, 0 is chance.

models = (KMeans(2, n_init=4, random_state=0), SpectralClustering(2, random_state=0))
labels = {
    (shape, type(model).__name__): model.fit_predict(rows)
    for shape, (rows, _) in shapes.items()
    for model in models
}
agreement = {
    (shape, name): round(adjusted_rand_score(shapes[shape][1], found), 3) + 0.0  # never -0.0
    for (shape, name), found in labels.items()
}
_common.show_table(
    ["shape", "algorithm", "adjusted Rand index"],
    [[*place, f"{value:.3f}"] for place, value in agreement.items()],
)
assert all(
    (value > 0.95) == (name == "SpectralClustering") for (_, name), value in agreement.items()
)

# %%
# A tenth of the rows, by their labels.

COLORS = (_common.BLUE, "#e69f00")
MARKERS = ("o", "^")
figure = Figure(figsize=(7.5, 6), layout="constrained", dpi=100)
grid = figure.subplots(2, 2, height_ratios=(0.6, 1))
for axes, ((shape, name), found) in zip(grid.ravel(), labels.items(), strict=True):
    rows = shapes[shape][0][::10]
    for cluster in (0, 1):
        x, y = rows[found[::10] == cluster].T
        axes.scatter(x, y, s=7, c=COLORS[cluster], marker=MARKERS[cluster], linewidths=0)
    axes.set_title(f"{name}, {shape}: {agreement[shape, name]:.2f}", fontsize=11, color=_common.INK)
    axes.set_aspect("equal")
    axes.set_axis_off()
title = "Adjusted Rand index against the true shapes: 1 is perfect, 0 is chance"
figure.suptitle(title, fontsize=10, color=_common.INK)
_common.save(figure, arguments.out, "shapes.png")
