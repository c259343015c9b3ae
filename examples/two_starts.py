"""
Two ways to start: K = 5 to 20 on a thousand digits
===================================================

A known report clusters 1000 MNIST images (100 of each digit, x / 255) from data
points and from Gaussian draws, and gives J_clust, the mean distance of an image
to its nearest center, for K = 5 to 20. Here is that study, with the report's
figures beside the medians over several draws of images::

    python examples/two_starts.py
"""

# %%
# A hundred images of each digit, drawn anew for every seed.

from __future__ import annotations

import _common
import numpy as np
from matplotlib.figure import Figure

import streamkm

parser = _common.make_parser(__doc__)
parser.add_argument("--seeds", type=int, default=10)
parser.add_argument("--most", type=int, default=20, help="the largest K")
arguments = parser.parse_args()
found = _common.find_mnist(arguments.data)
source = streamkm.open_source(found or "digits:6000?seed=0")
images = source.read(0, source.shape[0])
digits = np.asarray(source.labels.read(0, source.shape[0]))


def draw_images(seed: int, per_digit: int = 100) -> np.ndarray:
    """Draw images of each digit."""
    draws = np.random.default_rng(seed)
    chosen = [draws.choice(np.flatnonzero(digits == d), per_digit, False) for d in range(10)]
    return (images[np.concatenate(chosen)] / (255.0 if found else 1.0)).astype(np.float32)


# %%
# Every fit goes on until its centers repeat. From Gaussian draws (each feature's
# mean and standard deviation) some centers are far from all images: they lose
# their rows, and are moved to the farthest row.

REPORT = {
    "random": "6.50 6.42 6.39 6.28 6.23 6.17 6.13 6.07 6.01 6.01 5.95 5.92 5.90 5.87 5.837 5.839",
    "gaussian": "6.57 6.45 6.38 6.32 6.24 6.21 6.16 6.11 6.05 6.05 6.02 5.97 5.90 5.92 5.864 5.867",
}
LOOKS = {"random": (_common.BLUE, "data points"), "gaussian": (_common.ORANGE, "Gaussian draws")}
numbers = list(range(5, arguments.most + 1))
samples = [draw_images(seed) for seed in range(arguments.seeds)]
results: dict[str, np.ndarray] = {}
for init in REPORT:
    values = np.empty((len(numbers), len(samples), 2))
    for i, k in enumerate(numbers):
        for seed, rows in enumerate(samples):
            model = streamkm.KMeans(k, init=init, tol=0, random_state=seed, executor="serial")
            model.fit(rows)
            values[i, seed] = model.transform(rows).min(axis=1).mean(), model.n_iter_
    results[init] = values

# %%
# The table. The report needed 19 iterations from data points and 24 from
# Gaussian draws at K = 20.

lines = []
for i, k in enumerate(numbers):
    line: list[object] = [k]
    for init, report in REPORT.items():
        distance, n_iter = np.median(results[init][i], axis=0)
        line += [report.split()[i] if found else "–", f"{distance:.3f}", f"{n_iter:.0f}"]
    lines.append(line)
head = [
    f"{name} {what}" for name in ("data:", "Gauss:") for what in ("known", "ours", "iterations")
]
_common.show_table(["K", *head], lines)

# %%
# The report's two plots: J_clust, and the iterations. Lines are medians, bands
# go from the least to the most; crosses are the report's.

figure = Figure(figsize=(9, 3.6), layout="constrained", dpi=100)
for axes, column, name in zip(
    figure.subplots(1, 2), (0, 1), ("J_clust", "iterations"), strict=True
):
    for init, (color, words) in LOOKS.items():
        values = results[init][..., column]
        axes.fill_between(numbers, values.min(1), values.max(1), color=color, alpha=0.15, lw=0)
        axes.plot(numbers, np.median(values, axis=1), color=color, linewidth=1.8, label=words)
        if column == 0 and found:
            known = [float(word) for word in REPORT[init].split()[: len(numbers)]]
            label = f"the report, {words}"
            axes.plot(numbers, known, "x", color=color, markersize=5, label=label)
    axes.set_xlabel("clusters")
    axes.set_xticks(numbers[::5])
    axes.set_title(name, fontsize=11, color=_common.INK)
    _common.plain(axes)
    if column == 0:
        axes.legend(frameon=False, fontsize=9)
    else:
        axes.set_ylim(0)
_common.save(figure, arguments.out, "two-starts.png")
