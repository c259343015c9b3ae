"""Speed, as ratios in one run: what order-free sums cost, and a pass against scikit-learn.

Run with `pytest tests/benchmarks -n 0 --benchmark-enable`; in the ordinary
run each body is executed once, as a test.
"""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.cluster import KMeans as SklearnKMeans

from streamkm import KMeans
from streamkm.kernels.accumulate import LloydAccumulator
from streamkm.kernels.centers import prepare
from streamkm.kernels.exact_sum import integer_grid
from streamkm.kernels.lloyd import Grids
from streamkm.kernels.moments import MomentsAccumulator, first_shift

SHAPES = {
    "60000x784 uint8 K=10": (60_000, 784, 10, "u1"),
    "1e6x64 float32 K=100": (10**6, 64, 100, "f4"),
}


def make(shape, request):
    n_rows, n_features, n_clusters, dtype = shape
    if not request.config.getoption("--benchmark-enable"):
        n_rows = 2000  # in the ordinary run: only whether it runs
    rows = np.random.default_rng(0).normal(100, 30, (n_rows, n_features)).clip(0, 255).astype(dtype)
    return rows, rows[:n_clusters].astype(np.float64)


@pytest.mark.parametrize("sums", ["exact", "plain float64"])
def test_a_pass_with_exact_or_plain_sums(sums, benchmark, request):
    """One thread. Integers of 32 bits are added to float64 as they are: plain sums."""
    rows, centers = make(SHAPES["1e6x64 float32 K=100"], request)
    moments = MomentsAccumulator(first_shift(rows[:256]))
    moments.add(rows, None, 0)
    summary = moments.result().summary()
    grids = summary.grids(rows.dtype, is_weighted=False)
    if sums == "plain float64":
        rows, grids = rows.astype(np.int32), Grids(integer_grid(rows.shape[1]), None)
    made = LloydAccumulator(prepare(centers, summary.frame()), grids)
    benchmark.pedantic(made.add, (rows, None), rounds=9, warmup_rounds=1)
    assert made.result().counts.sum() % len(rows) == 0


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("library", ["streamkm", "scikit-learn"])
@pytest.mark.filterwarnings("ignore")
def test_twenty_iterations(library, shape, benchmark, request):
    """Both threads; scikit-learn gets float32, prepared outside the timer."""
    rows, centers = make(shape, request)
    settings = {"init": centers, "n_init": 1, "tol": 0, "max_iter": 20}
    if library == "streamkm":
        model = KMeans(len(centers), **settings)
    else:
        rows, model = rows.astype(np.float32), SklearnKMeans(len(centers), **settings)
    benchmark.pedantic(model.fit, (rows,), rounds=5, warmup_rounds=1)
    assert model.n_iter_ <= 20
