"""What the engine costs: a pass that does nothing, and two worker processes beside two runs.

Run as `python -m tests.benchmarks.engine [overhead] [workers]`; prints Markdown tables.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

import streamkm
from streamkm.cluster.passes import Passes
from streamkm.data.layout import plan_groups
from streamkm.runtime import make_executor
from streamkm.runtime.clusters import local_cluster
from streamkm.tasks.base import PassResult, read_group
from streamkm.typing import SourceInfo
from tests.benchmarks.shared import head, row, run

ROUNDS = 5
CHUNK_BYTES = 16 << 20
BLOCK_ROWS = 1 << 12
CLUSTER_BYTES = 2 << 30
EMPTY = np.zeros((BLOCK_ROWS, 1), np.float32)


@dataclass(frozen=True)
class Nothing:
    """Rows that cost nothing to read."""

    n_rows: int
    dtype: ClassVar[np.dtype] = np.dtype(np.float32)
    info: ClassVar[SourceInfo] = SourceInfo("nothing")
    labels: ClassVar[None] = None

    @property
    def shape(self):
        return self.n_rows, 1

    def read(self, start, stop):
        return EMPTY[: stop - start]


@dataclass(frozen=True)
class Context:
    source: Nothing


@dataclass(frozen=True)
class NoSum:
    @staticmethod
    def merge_all(parts):
        return parts[0]


def do_nothing(group: Any, context: Any) -> PassResult:
    stats = read_group(group, context, lambda *block: None)
    return PassResult((NoSum(),), stats)


def overhead() -> None:
    """Seconds of a pass over blocks of 16 MiB, were they free to read and to add."""
    head("executor", "blocks", "groups", "ms of the first pass", "of a later one", "range")

    def measure(name: str, executor: Any, n_blocks: int) -> None:
        source = Nothing(n_blocks * BLOCK_ROWS)
        context, passes = Context(source), Passes(source, None, executor, "2GiB", 1)
        groups = plan_groups(source.n_rows, CHUNK_BYTES // BLOCK_ROWS, BLOCK_ROWS)
        passes.groups = groups
        took = []
        for _ in range(2 * ROUNDS + 1):
            begin = time.perf_counter()
            passes.work(do_nothing, groups, context)
            took.append(1e3 * (time.perf_counter() - begin))
        row(name, f"{n_blocks:,}", len(groups), f"{took[0]:.0f}", f"{np.median(took[1:]):.0f}",
            f"{min(took[1:]):.0f} to {max(took[1:]):.0f}")  # fmt: skip

    for n_blocks in (10_000, 100_000):
        measure("threads", make_executor("threads"), n_blocks)
    with local_cluster(2, CLUSTER_BYTES) as executor:
        measure("two workers", executor, 10_000)


def pass_seconds(store: str, k: str, n_passes: str) -> None:
    """Fit on one thread, and print the seconds of each pass."""
    from streamkm.runtime.dask_executor import ThreadsExecutor

    found = fitted_pass_seconds(store, int(k), int(n_passes), ThreadsExecutor(1), "512MiB")
    print(json.dumps(found))


def fitted_pass_seconds(
    store: str, k: int, n_passes: int, executor: Any, limit: str
) -> list[float]:
    """Return the seconds of each pass but the first, under a limit that keeps no blocks."""
    start = streamkm.open_dataset(store).read(0, k).astype(float)
    model = streamkm.KMeans(
        k, init=start, n_init=1, tol=0, max_iter=n_passes, algorithm="lloyd", executor=executor,
        memory_limit=limit,
    ).fit(store)  # fmt: skip
    return [record["seconds"] for record in model.history_ if record["stage"] == "assign"][1:]


def normal_blocks(n_rows: int) -> Iterator[np.ndarray]:
    """Yield rows of 96 float32 with two decimals, which zstd halves."""
    rng = np.random.default_rng(0)
    for _ in range(n_rows // 1_000_000):
        yield rng.standard_normal((1_000_000, 96), np.float32).round(2)


def workers() -> None:
    """Rows a second of two workers on one fit, and of two fits on a thread each."""
    n_rows = 6_000_000
    streamkm.convert(normal_blocks(n_rows), "compute.zarr", codec="none")
    streamkm.convert(normal_blocks(n_rows), "decode.zarr", codec="zstd")
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    head("store", "K", "two workers, rows/s", "two runs, rows/s", "ratio", "range")
    for store, k, n_passes in (("compute.zarr", 100, 4), ("decode.zarr", 2, 4)):
        shared, apart = [], []
        for _ in range(ROUNDS):
            with local_cluster(2, CLUSTER_BYTES) as executor:
                seconds = fitted_pass_seconds(store, k, n_passes, executor, "1GiB")
            shared.append(n_rows / np.median(seconds))
            words = [sys.executable, "-m", "tests.benchmarks.engine", "one"]
            words += [store, str(k), str(n_passes)]
            runs = [
                subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment)
                for _ in range(2)
            ]
            found = [json.loads(alone.communicate()[0]) for alone in runs]
            apart.append(sum(n_rows / np.median(seconds) for seconds in found))
        ratio = np.array(shared) / apart
        row(
            store.removesuffix(".zarr"), k, f"{np.median(shared):,.0f}", f"{np.median(apart):,.0f}",
            f"{np.median(ratio):.2f}", f"{ratio.min():.2f} to {ratio.max():.2f}",
        )  # fmt: skip


if __name__ == "__main__":
    from tests.benchmarks import engine  # noqa: PLW0406 - the name that workers know

    if sys.argv[1:2] == ["one"]:
        pass_seconds(*sys.argv[2:])
    else:
        run({"overhead": engine.overhead, "workers": engine.workers}, sys.argv[1:])
