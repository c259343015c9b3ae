"""
Ten centers of ten thousand digits, in twenty iterations
========================================================

The small classic: MNIST's 10,000 test images, ten clusters, twenty iterations
of Lloyd from random images, ten times over::

    python examples/ten_test_digits.py

How far do twenty iterations come, how often is a cluster's majority digit
right, and what does an iteration cost?
"""

# %%
# The images stay bytes; the known figures are for values from 0 to 1, so
# inertias are divided by 255².

from __future__ import annotations

import _common
import numpy as np

import streamkm
from streamkm.plots.centers import draw_centers

parser = _common.make_parser(__doc__)
parser.add_argument("--seeds", type=int, default=10)
parser.add_argument("--rows", type=int, default=2_000, help="of the digits that stand in")
arguments = parser.parse_args()
found = _common.find_mnist(arguments.data, "test")
source = found or f"digits:{arguments.rows}?seed=0"
scale = 255.0**2 if found else 1.0
images = streamkm.open_source(source)
digits = np.asarray(images.labels.read(0, images.shape[0]))
rows = images.read(0, images.shape[0])


def majority(labels: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the most frequent digit of each cluster, and how many images have it."""
    table = np.zeros((10, 10), int)
    np.add.at(table, (labels, digits), 1)
    return table.argmax(axis=1), table.max(axis=1).sum() / len(digits)


# %%
# Twenty iterations from each of ten seeds, each fit alone.

inertias, accuracies, seconds = [], [], []
for seed in range(arguments.seeds):
    model = streamkm.KMeans(10, init="random", max_iter=20, tol=0, random_state=seed).fit(source)
    inertias.append(model.inertia_ / scale)
    accuracies.append(majority(model.predict(rows))[1])
    seconds += [record["seconds"] for record in model.history_ if record["stage"] == "assign"]

# %%
# The same starts to the end, on shared passes: ten restarts in one fit.

with _common.timed() as together:
    full = streamkm.KMeans(
        10, init="random", n_init=arguments.seeds, max_iter=1000, tol=0, random_state=0
    ).fit(source)
names, accuracy = majority(full.predict(rows))

known = ("389502 – 391911", "0.561 – 0.627", "389380.65") if found else ("–",) * 3
_common.show_table(
    ["", "known", "ours"],
    [
        ["inertia after 20 iterations", known[0], _common.span(inertias, ".0f")],
        ["accuracy by majority digit", known[1], _common.span(accuracies, ".3f")],
        ["inertia, converged, best of all starts", known[2], f"{full.inertia_ / scale:.2f}"],
        ["seconds an iteration, median", "–", f"{np.median(seconds):.4f}"],
        ["seconds for all starts together", "–", f"{together.seconds:.1f}"],
    ],
)

# %%
# The ten centers of the best start, by majority digit.

order = np.lexsort((-full.cluster_sizes_, names))
titles = [f"{names[k]} · {full.cluster_sizes_[k]:,}" for k in order]
figure = draw_centers(
    full.cluster_centers_[order],
    full.sample_shape_,
    titles,
    f"Ten centers of {len(digits):,} images · majority digit and images",
)
_common.save(figure, arguments.out, "ten-test-digits.png")
