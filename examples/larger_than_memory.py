"""
Larger than memory, on a laptop
===============================

A gibibyte of digits, clustered under a limit of 512 MiB: converted once, then
fitted, labeled and judged in passes that read a few blocks at a time::

    python examples/larger_than_memory.py

The rows are computed from scikit-learn's 1797 digits, so nothing is downloaded;
any file that ``streamkm convert`` reads goes in the same way.
"""

# %%
# A limit counts what a call adds to the process. The meter samples what the
# whole process really holds.

from __future__ import annotations

import tempfile
from pathlib import Path

import _common
import numpy as np

import streamkm
from streamkm.plots.centers import draw_centers
from streamkm.runtime.memory import PeakMeter, format_bytes

parser = _common.make_parser(__doc__)
parser.add_argument("--rows", type=int, default=4_400_000)
parser.add_argument("--limit", default="512 MiB")
arguments = parser.parse_args()
folder = tempfile.TemporaryDirectory()
place = Path(folder.name)
steps = []

# %%
# Convert: blocks of rows go into chunks of a Zarr store, several at a time.

with PeakMeter() as peak, _common.timed() as took:
    store = streamkm.convert(
        f"digits:{arguments.rows}?seed=0",
        place / "digits.zarr",
        chunk_rows=1 << 15,
        memory_limit=arguments.limit,
    )
steps.append(("convert", took.seconds, peak.peak_bytes))

# %%
# Fit: what fits beside the blocks in flight stays decoded between the passes,
# the rest is read again.

with PeakMeter() as peak, _common.timed() as took:
    model = streamkm.KMeans(
        10, n_init=2, max_iter=10, random_state=0, memory_limit=arguments.limit
    ).fit(store)
steps.append(("fit", took.seconds, peak.peak_bytes))

# %%
# Label: the labels are streamed to a file, since they too grow with the rows.

with PeakMeter() as peak, _common.timed() as took:
    model.predict(store, out=place / "labels.npy")
steps.append(("label", took.seconds, peak.peak_bytes))

labels = np.load(place / "labels.npy", mmap_mode="r")
assert np.array_equal(np.bincount(labels, minlength=10), model.cluster_sizes_)
raw = store.shape[0] * store.shape[1] * store.dtype.itemsize
print(f"{store.shape[0]:,} rows, {format_bytes(raw)} decoded; limit {arguments.limit}")
_common.show_table(
    ["step", "seconds", "peak of the process"],
    [[name, f"{seconds:.1f}", format_bytes(size)] for name, seconds, size in steps],
)

# %%
# The centers, named by the majority of their labels.

digits = np.asarray(store.labels.read(0, min(store.shape[0], 100_000)))
table = np.zeros((10, 10), int)
np.add.at(table, (labels[: len(digits)], digits), 1)
order = np.argsort(table.argmax(axis=1), kind="stable")
titles = [f"{table[k].argmax()} · {table[k].max() / max(table[k].sum(), 1):.0%}" for k in order]
title = f"Ten centers of {store.shape[0]:,} digits · majority and its share"
figure = draw_centers(model.cluster_centers_[order], model.sample_shape_, titles, title)
_common.save(figure, arguments.out, "larger-than-memory.png")
del labels  # it maps a file of the folder
folder.cleanup()
