"""
Mini-batches on MNIST: seven numbers of clusters, and accuracy
==============================================================

A known report clusters MNIST's 60,000 training images with mini-batches, for
seven numbers of clusters from 10 to 400, names every cluster by its majority
digit, and reads the digits of the test images from that. It claims 99.3 % at
256 clusters and 90 % at 400, which does not come out again: accuracy rises with
every cluster more. This is the whole study::

    python examples/mnist_minibatch.py

One sweep fits all models, three for each number of clusters, on shared reads.
"""

# %%
# The data, in a store whose rows are mixed: mini-batches want them so.

from __future__ import annotations

import tempfile
from pathlib import Path

import _common
import numpy as np
from matplotlib.figure import Figure

import streamkm
import streamkm.metrics
from streamkm.plots.centers import draw_centers

parser = _common.make_parser(__doc__)
parser.add_argument("--clusters", default="10,16,36,64,144,256,400")
parser.add_argument("--repeats", type=int, default=3)
parser.add_argument("--rows", type=int, default=20_000, help="of the digits that stand in")
arguments = parser.parse_args()
numbers = [int(word) for word in arguments.clusters.split(",")]
train = _common.find_mnist(arguments.data, "train")
test = _common.find_mnist(arguments.data, "test") if train else None
scale = 255.0**2 if train else 1.0
folder = tempfile.TemporaryDirectory()
store = streamkm.convert(
    train or f"digits:{arguments.rows}?seed=0", Path(folder.name) / "train.zarr", shuffle=True
)
test = test or f"digits:{arguments.rows // 6}?seed=1"
print(f"{store.shape[0]} images to fit, {streamkm.open_source(test).shape[0]} to test")

# %%
# All models in one sweep. Each has the bits that it has when it is fitted alone,
# and all are judged in one more pass. Every cluster takes the majority digit of
# its training images; on the test images that map is only applied, not fitted.

with _common.timed() as fit:
    found = streamkm.sweep(
        store,
        numbers,
        algorithm="minibatch",
        repeats=arguments.repeats,
        random_state=0,
        test=test,
    )
print(f"{len(found.models)} models in {fit.seconds:.1f} s")
NAMES = {
    "inertia": "inertia",
    "homogeneity": "homogeneity",
    "majority_accuracy": "accuracy, train",
    "test_accuracy": "accuracy, test",
}
measures: dict[int, dict[str, list[float]]] = {k: {} for k in numbers}
for row in found.table:
    for name, words in NAMES.items():
        value = row[name] / scale if name == "inertia" else row[name]
        measures[row["n_clusters"]].setdefault(words, []).append(value)

# %%
# The known ranges are those of scikit-learn's MiniBatchKMeans, three seeds.

KNOWN = {
    10: "2.373e+06 – 2.380e+06  .465 – .479  .563 – .584  .567 – .591",
    16: "2.203e+06 – 2.214e+06  .550 – .564  .636 – .656  .644 – .664",
    36: "1.955e+06 – 1.956e+06  .674 – .691  .751 – .777  .761 – .785",
    64: "1.800e+06 – 1.803e+06  .745 – .754  .819 – .827  .823 – .834",
    144: "1.622e+06  .805 – .807  .870 – .872  .878 – .881",
    256: "1.505e+06 – 1.506e+06  .836 – .846  .893 – .899  .900 – .903",
    400: "1.417e+06 – 1.421e+06  .865 – .869  .911 – .916  .915 – .919",
}
names = tuple(NAMES.values())
rows = []
for k in numbers:
    known = KNOWN.get(k, "").split("  ") if train else [""]
    rows.append([k, "known", *(known if len(known) == 4 else ["–"] * 4)])
    ours = measures[k]
    forms = (".3e", ".3f", ".3f", ".3f")
    texts = [_common.span(ours[n], f).replace("0.", ".") for n, f in zip(names, forms, strict=True)]
    rows.append(["", "ours", *texts])
_common.show_table(["K", "", *names], rows)

# %%
# The measures against the number of clusters, ours as points on the known ranges.


def ends(text: str) -> list[float]:
    """Return both ends of a range."""
    values = [float(word) for word in text.split(" – ")]
    return [values[0], values[-1]]


figure = Figure(figsize=(9, 3.6), layout="constrained", dpi=100)
for column, (axes, names_here) in enumerate(
    zip(figure.subplots(1, 2), (names[:1], names[1:]), strict=True)
):
    colors = (_common.INK,) if column == 0 else (_common.GREEN, _common.BLUE, _common.ORANGE)
    for name, color in zip(names_here, colors, strict=True):
        medians = [np.median(measures[k][name]) for k in numbers]
        axes.plot(numbers, medians, "o-", color=color, markersize=4, linewidth=1.4, label=name)
        if train and set(numbers) <= set(KNOWN):
            known_here = [ends(KNOWN[k].split("  ")[names.index(name)]) for k in numbers]
            axes.fill_between(numbers, *np.transpose(known_here), color=color, alpha=0.25)
    axes.set_xscale("log")
    axes.set_xticks(numbers, [str(k) for k in numbers])
    axes.minorticks_off()
    axes.set_xlabel("clusters")
    axes.set_title("inertia" if column == 0 else "against the digits", fontsize=11)
    _common.plain(axes)
axes.legend(frameon=False, loc="lower right")
if train:
    figure.suptitle(
        "Lines: ours, medians. Bands: the known ranges", fontsize=10, color=_common.FAINT
    )
_common.save(figure, arguments.out, "mnist-minibatch.png")

# %%
# The centers of one model: 36 of them, as in the report.

k = min(numbers, key=lambda number: abs(number - 36))
model = found.best(k)
digit = streamkm.metrics.contingency(model, store).table.argmax(axis=1)
order = np.lexsort((-model.cluster_sizes_, digit))
titles = [f"{digit[i]} · {model.cluster_sizes_[i]:,}" for i in order]
title = f"{k} centers · majority digit and images"
figure = draw_centers(model.cluster_centers_[order], model.sample_shape_, titles, title)
_common.save(figure, arguments.out, "mnist-minibatch-centers.png")
folder.cleanup()
