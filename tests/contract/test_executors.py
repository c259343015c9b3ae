"""Every executor: the same merged value, fresh keys, errors that come through."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from streamkm.data.layout import plan_groups
from streamkm.errors import BadRowsError, ClusterError
from streamkm.kernels.moments import MomentsAccumulator, first_shift
from streamkm.runtime import EXECUTORS, make_executor
from streamkm.runtime.dask_executor import fan_in, pass_graph
from streamkm.runtime.serial import SerialExecutor
from streamkm.sources.array import MemorySource
from streamkm.tasks.convert import BadCounts, count_bad
from streamkm.tasks.fit import FitContext, close, lloyd
from tests.helpers import heavy_tailed


@pytest.fixture
def context() -> FitContext:
    rows = heavy_tailed(5000, 3)
    moments = MomentsAccumulator(first_shift(rows[:256]))
    moments.add(rows, None, 0)
    summary = moments.result().summary()
    grids = summary.grids(rows.dtype, is_weighted=False)
    centers = rows[:4].astype(np.float64)
    return FitContext(MemorySource(rows), None, (centers, centers[:2]), summary.frame(), grids)


def test_the_table_names_every_executor():
    assert list(EXECUTORS) == ["serial", "threads", "processes", "distributed"]
    with pytest.raises(ClusterError, match="unknown"):
        make_executor("magic")


def test_without_a_client_distributed_says_how_to_get_one():
    with pytest.raises(ClusterError, match="--scheduler"):
        make_executor("distributed")


@pytest.mark.parametrize("block_rows", [5000, 700, 64])
def test_the_merged_sums_are_those_of_the_serial_oracle(executor, context, block_rows):
    groups = plan_groups(5000, 12, block_rows)
    expected = SerialExecutor().map_merge(lloyd, plan_groups(5000, 12, 5000), context)
    found = executor.map_merge(lloyd, groups, context)
    for a, b in zip(found.parts, expected.parts, strict=True):
        assert a.sums.limbs.tobytes() == b.sums.limbs.tobytes()
        assert a.counts.tolist() == b.counts.tolist()
    assert found.stats.n_rows == 5000


def test_a_failing_task_fails_the_pass_with_its_own_error(executor, context):
    rows = np.ones((100, 3), np.float32)
    rows[42] = np.nan
    bad = FitContext(MemorySource(rows), None, context.models, context.frame, context.grids)
    with pytest.raises(BadRowsError, match="rows 42"):
        executor.map_merge(close, plan_groups(100, 12, 10), bad)


def test_progress_counts_every_row_once(executor, context):
    seen = []
    executor.listener = seen.append
    executor.map_merge(lloyd, plan_groups(5000, 12, 100), context)
    assert sum(event.n_rows for event in seen) == 5000


def test_keys_are_never_used_twice(context):
    groups = plan_groups(5000, 12, 100)
    graphs = [pass_graph(lloyd, groups, context)[0] for _ in range(3)]
    keys = [key for graph in graphs for key in graph]
    assert len(keys) == len(set(keys))


def test_names_on_the_dashboard_are_words(context):
    from dask.utils import key_split

    graph, _ = pass_graph(lloyd, plan_groups(5000, 12, 50), context)
    assert {key_split(key) for key in graph} == {
        "streamkm-context",
        "streamkm-lloyd",
        "streamkm-merge",
    }


@pytest.mark.parametrize(("size", "width"), [(10, 16), (1 << 21, 4), (1 << 25, 2)])
def test_large_parts_wait_in_smaller_numbers(size, width):
    assert fan_in(size) == width


def test_block_counts_merge_in_row_order():
    rows = np.ones((60, 2), np.float32)
    rows[[7, 33, 34]] = np.inf

    class Context:
        source = MemorySource(rows)

    parts = [count_bad(group, Context()) for group in plan_groups(60, 8, 10)]
    merged = BadCounts.merge_all([part.parts[0] for part in reversed(parts)])
    assert merged.starts.tolist() == [0, 10, 20, 30, 40, 50]
    assert merged.counts.tolist() == [1, 0, 0, 2, 0, 0]
    assert merged.first.tolist() == [7, 33, 34]


@pytest.fixture(scope="module")
def worker_modules() -> Iterator[list[str]]:
    made = make_executor("processes", 1)
    rows = np.ones((10, 3), np.float32)
    moments = MomentsAccumulator(first_shift(rows))
    moments.add(rows, None, 0)
    summary = moments.result().summary()
    grids = summary.grids(rows.dtype, is_weighted=False)
    context = FitContext(MemorySource(rows), None, (np.eye(3),), summary.frame(), grids)
    made.map_merge(lloyd, plan_groups(10, 12, 5), context)
    # A builtin, because a function of this file would bring pytest to the worker.
    yield made._pool.submit(eval, "list(__import__('sys').modules)").result()
    made.close()


def test_a_worker_stays_light(worker_modules):
    roots = {name.partition(".")[0] for name in worker_modules}
    assert not roots & {"sklearn", "matplotlib", "rich", "cyclopts"}
    assert not roots & {"pyarrow", "pandas", "PIL", "aiohttp", "s3fs"}  # formats not in use
