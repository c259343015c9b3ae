"""
A stream whose clusters jump, with a half-life and without
==========================================================

Eight clusters in two features. After a million rows all centers jump. Two
mini-batch models take in the same batches; one of them forgets::

    python examples/drifting_stream.py
"""

# %%
# The stream: clusters of one size with a standard deviation of one, whose
# centers stand at least six apart, and are drawn anew at the jump.

from __future__ import annotations

import _common
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from streamkm import MiniBatchKMeans

F64 = NDArray[np.float64]

parser = _common.make_parser(__doc__)
parser.add_argument("--jump", type=int, default=1_000_000, help="rows before the centers jump")
parser.add_argument("--half-life", type=int, default=100_000, help="rows")
arguments = parser.parse_args()
jump, half_life = arguments.jump, arguments.half_life
after = 4 * half_life  # rows that follow the jump
N_CLUSTERS, BATCH_ROWS = 8, 5_000
FOUND = 0.5  # standard deviations


def place_centers(draws: np.random.Generator) -> F64:
    """Draw centers that stand at least six standard deviations apart."""
    while True:
        centers = draws.uniform(-20, 20, (N_CLUSTERS, 2))
        gaps = np.linalg.norm(centers[:, None] - centers, axis=2)
        if gaps[np.triu_indices(N_CLUSTERS, 1)].min() > 6:
            return centers


def worst_distance(centers: F64, model: MiniBatchKMeans) -> float:
    """Return how far the worst true center is from its nearest model center."""
    gaps = np.linalg.norm(centers[:, None] - model.cluster_centers_, axis=2)
    return float(gaps.min(axis=1).max())


# %%
# Both models take in every batch. After each one: how far is the worst true
# center from the nearest center of the model?

forgets, keeps = f"half_life={half_life:_}", "no half-life"
models = {
    name: MiniBatchKMeans(
        N_CLUSTERS, half_life=value, random_state=0, compute_labels=False, executor="serial"
    )
    for name, value in ((forgets, half_life), (keeps, None))
}
distances: dict[str, list[float]] = {name: [] for name in models}
draws = np.random.default_rng(0)
for n_rows in (jump, after):
    centers = place_centers(draws)
    for _ in range(n_rows // BATCH_ROWS):
        rows = centers[draws.integers(N_CLUSTERS, size=BATCH_ROWS)]
        rows = rows + draws.normal(size=(BATCH_ROWS, 2))
        for name, model in models.items():
            model.partial_fit(rows)
            distances[name].append(worst_distance(centers, model))

settled = jump + 2 * half_life
lines = []
for words, n_rows in (
    ("before the jump", jump),
    ("one batch after", jump + BATCH_ROWS),
    ("two half-lives after", settled),
    ("at the end", jump + after),
):
    found = [distances[name][n_rows // BATCH_ROWS - 1] for name in models]
    lines.append([words, *(f"{value:.3f}" for value in found)])
_common.show_table(["worst distance", *models], lines)
new = np.array(distances[forgets][jump // BATCH_ROWS :])
n_needed = (int(np.argmax(new < FOUND)) + 1) * BATCH_ROWS
print(f"with a half-life, all new centers were found after {n_needed} rows")
assert distances[forgets][settled // BATCH_ROWS - 1] < FOUND

# %%
# The distances over the stream, and where the models stand at its end.

LOOKS = {forgets: (_common.BLUE, "o"), keeps: (_common.ORANGE, "X")}
figure = Figure(figsize=(10, 4.4), layout="constrained", dpi=100)
left, right = figure.subplots(1, 2, width_ratios=(1.5, 1))
for name, values in distances.items():
    millions = np.arange(1, len(values) + 1) * BATCH_ROWS / 1e6
    left.plot(millions, values, color=LOOKS[name][0], linewidth=1.8)
    place = (-4, 9 if values[-1] > FOUND else -20)
    left.annotate(
        name, (millions[-1], values[-1]), place, textcoords="offset points", ha="right",
        color=LOOKS[name][0],
    )  # fmt: skip
left.axhline(FOUND, color=_common.FAINT, linewidth=0.8, linestyle=":")
near = {"textcoords": "offset points", "color": _common.FAINT}
left.annotate("found: below 0.5", (0, FOUND), (4, 4), **near)
for n_rows, words, side in (
    (jump, "the centers\njump", -1),
    (settled, "two half-\nlives later", 1),
):
    left.axvline(n_rows / 1e6, color=_common.FAINT, linewidth=0.8, linestyle="--")
    ha = "right" if side < 0 else "left"
    left.annotate(words, (n_rows / 1e6, 40), (4 * side, 0), ha=ha, va="center", **near)
left.set_yscale("log")
left.set_ylim(0.002, 80)
left.set_xlim(0, (jump + after) / 1e6)
left.set_yticks([0.01, 0.1, 1, 10], ["0.01", "0.1", "1", "10"])
left.set_xlabel("rows so far, in millions")
left.set_ylabel("standard deviations")
title = "The worst true center to its nearest model center"
left.set_title(title, fontsize=11, color=_common.INK)
_common.plain(left)

right.scatter(*rows[:2000].T, s=3, color="#cccccc", linewidths=0, label="new rows")
for name, model in models.items():
    color, marker = LOOKS[name]
    x, y = model.cluster_centers_.T
    right.scatter(x, y, s=75, color=color, marker=marker, edgecolors="white", label=name)
right.set_aspect("equal", "datalim")
right.set_xticks([])
right.set_yticks([])
right.spines[:].set_visible(False)
right.set_title("The new rows and both models at the end", fontsize=11, color=_common.INK)
place = {"loc": "outside lower right", "ncols": 3, "frameon": False}
marks = figure.legend(*right.get_legend_handles_labels(), **place)
marks.legend_handles[0].set_sizes([30])
_common.save(figure, arguments.out, "drifting-stream.png")
