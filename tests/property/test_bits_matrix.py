"""DESIGN's first promise as a matrix: every algorithm on every kind of data, by every road.

The roads: one thread and one chunk; threads, other chunks and a small limit; a
cluster; beside other models on shared passes; stopped in the middle and gone on
with elsewhere. `tests/contract/test_algorithm_laws.py` has processes and SIGKILL.
"""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np
import pytest

import streamkm
from streamkm.cluster import ALGORITHMS
from streamkm.runtime import make_executor
from streamkm.runtime.dask_cluster import DistributedExecutor
from streamkm.runtime.events import GroupDone, PassStarted
from streamkm.sweeping.sweep import SWEPT
from tests.contract.test_algorithm_laws import ROWS, bits, settings
from tests.helpers import heavy_tailed

N_ROWS = 6000
KINDS = ("uint8", "heavy tails", "weighted", "cosine")

pytestmark = pytest.mark.filterwarnings(
    "default::ResourceWarning",
    "ignore::pytest.PytestUnraisableExceptionWarning",
    "ignore:a step of batch_size",
    "ignore:Sending large graph",
)


class Stop(BaseException):
    """What ends a fit at once, like a kill."""


@pytest.fixture(scope="module", params=KINDS)
def data(request, tmp_path_factory):
    """Stores of the same rows in two chunkings, their weights, and the metric."""
    folder = tmp_path_factory.mktemp("data")
    rows = heavy_tailed(N_ROWS, 6)
    if request.param == "uint8":
        rows = np.random.default_rng(1).integers(0, 256, (N_ROWS, 12), np.uint8)
    for chunk_rows in (N_ROWS, 611):
        streamkm.convert(rows, folder / f"{chunk_rows}.zarr", chunk_rows=chunk_rows)
    weights = None
    if request.param == "weighted":
        weights = np.random.default_rng(0).lognormal(0.0, 2.0, N_ROWS)
    metric = {"metric": "cosine"} if request.param == "cosine" else {}
    return str(folder / f"{N_ROWS}.zarr"), str(folder / "611.zarr"), weights, metric


@pytest.fixture(params=[row.name for row in ALGORITHMS])
def make(request, data):
    """Make a model of an algorithm for this kind of data."""
    name, metric = request.param, data[3]
    if metric and "metric" not in ROWS[name].load()().get_params():
        pytest.skip("it knows one metric")

    def made(**more):
        return ROWS[name].load()(**settings(name), **metric, **more)

    made.algorithm = name
    return made


@contextmanager
def stopped(after):
    """An executor that ends the fit in the middle of a pass."""
    executor, left = make_executor("threads", 2), [after]

    def listen(event):
        left[0] -= isinstance(event, PassStarted)
        if left[0] < 0 and isinstance(event, GroupDone):
            raise Stop

    executor.listener = listen
    with pytest.raises(Stop):
        yield executor


def test_one_result_by_every_road(make, data, client):
    one, many, weights, metric = data
    given = {"sample_weight": weights}
    whole = make(executor="serial").fit(one, **given)
    expected = bits(whole, one)
    threads = make(executor=make_executor("threads", 3), memory_limit="512MiB").fit(many, **given)
    assert bits(threads, many) == expected
    cluster = make(executor=DistributedExecutor(client=client)).fit(many, **given)
    assert bits(cluster, one) == expected
    n_passes = len(whole.history_)
    for at in {1, n_passes // 2, n_passes - 1}:
        with stopped(at) as executor:
            make(executor=executor, run_dir=f"run{at}").fit(many, **given)
        gone_on = streamkm.resume(f"run{at}", sample_weight=weights, executor="serial")
        assert bits(gone_on, one) == expected
    if make.algorithm in SWEPT and not metric:
        wanted = settings(make.algorithm)
        k, seed = wanted.pop("n_clusters"), wanted.pop("random_state")
        swept = streamkm.sweep(many, [k - 2, k], algorithm=make.algorithm, repeats=1,
                               random_state=seed, sample_weight=weights, **wanted)  # fmt: skip
        assert bits(swept.models[1], one) == expected
