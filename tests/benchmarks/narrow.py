"""What a row costs in one thread: labeled, labeled and added to its cluster's sum, added alone.

Run as `python -m tests.benchmarks.narrow`; prints a Markdown table in nanoseconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from streamkm.kernels.accumulate import LloydAccumulator, SumsAccumulator
from streamkm.kernels.assign import label_rows
from streamkm.kernels.centers import prepare
from streamkm.kernels.exact_sum import float_grid
from streamkm.kernels.frame import Frame
from streamkm.kernels.lloyd import Grids
from tests.benchmarks.shared import head, row

SHAPES = ((2_000_000, 2, 2), (2_000_000, 2, 10), (1_000_000, 8, 10), (1_000_000, 16, 10),
          (300_000, 64, 100))  # fmt: skip
N_ROUNDS = 5


def least(work: Callable[[], Any]) -> float:
    """Return the seconds of the fastest round, one before them left out."""
    found = []
    for _ in range(N_ROUNDS + 1):
        begin = time.perf_counter()
        work()
        found.append(time.perf_counter() - begin)
    return min(found[1:])


def main() -> None:
    rng = np.random.default_rng(0)
    head("rows, features, clusters", "labeled", "labeled and added", "added")
    for n_rows, n_features, k in SHAPES:
        rows = rng.normal(size=(n_rows, n_features)) + rng.integers(0, 10, (n_rows, 1))
        rows = rows.astype("f4")
        reach = np.abs(rows).max(axis=0).astype(np.float64)
        frame = Frame.about(rows[:256].mean(axis=0).astype(np.float64), float(reach.max()))
        centers, grids = prepare(rows[:k].astype(np.float64), frame), Grids(float_grid(reach), None)
        labels = np.empty(n_rows, np.int32)
        whole, sums = LloydAccumulator(centers, grids), SumsAccumulator(k, grids, frame)
        seconds = (
            least(lambda: label_rows(rows, centers, labels)),
            least(lambda: whole.add(rows, None)),
            least(lambda: sums.add_labeled(rows, None, labels)),
        )
        row(f"{n_rows:,} × {n_features}, {k}", *(f"{1e9 * s / n_rows:.1f}" for s in seconds))


if __name__ == "__main__":
    main()
