"""A pass over a store three times the memory limit, beside what its parts take alone.

Run as `python -m tests.benchmarks.out_of_core [limits] [peers]`; prints Markdown tables. The
store is 6.7 GB of float32; before a cold pass it is dropped from the page cache.
"""

from __future__ import annotations

import json
import mmap
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import streamkm
from streamkm.runtime.memory import PeakMeter, format_bytes
from tests.benchmarks.engine import do_nothing
from tests.benchmarks.shared import drop, head, row, run

N_ROWS, N_FEATURES, K = 17_000_000, 100, 10
LIMIT = "2GiB"
N_PASSES = 4  # the first is left out


def blocks() -> Iterator[np.ndarray]:
    """Yield rows with two decimals, in clusters."""
    rng = np.random.default_rng(0)
    centers = rng.uniform(-3, 3, (K, N_FEATURES)).astype(np.float32)
    for _ in range(N_ROWS // 1_000_000):
        near = centers[rng.integers(K, size=1_000_000)]
        yield (near + rng.standard_normal(near.shape, np.float32)).round(2)


def start_of(store: str) -> np.ndarray:
    return streamkm.open_dataset(store).read(0, K).astype(float)


def clocked(work: Any) -> tuple[float, float]:
    """Return the seconds that went by, and those of the processors."""
    begin, busy = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - begin, time.process_time() - busy


def parts_of(store: str, is_cold: bool) -> dict[str, float]:
    """Measure passes, and what each would take if it only waited, only read, only computed."""
    from streamkm.cluster import passes as passes_module

    plan_memory = passes_module.plan_memory
    passes_module.plan_memory = lambda *a, **b: replace(plan_memory(*a, **b), cache_bytes=0)
    found: dict[str, list[float]] = {"pass": [], "io": [], "reading": [], "computing": []}
    run_pass = passes_module.Passes.run

    def watched(passes: Any, task: Any, context: Any, **words: Any) -> Any:
        if words["stage"] != "assign":
            return run_pass(passes, task, context, **words)
        source = passes.source.source  # nothing is kept
        path, executor = Path(store), passes.executor
        plain = replace(context, source=source)

        def once(fn: Any) -> tuple[float, float]:
            if is_cold:
                drop(path)
            return clocked(lambda: executor.map_merge(fn, passes.groups, plain))

        results: list[Any] = []
        if is_cold:
            drop(path)
        seconds, _ = clocked(lambda: results.append(run_pass(passes, task, context, **words)))
        found["pass"].append(seconds)
        if is_cold:
            drop(path)
        found["io"].append(clocked(lambda: read_files(path))[0])
        found["reading"].append(once(do_nothing)[1])
        group = passes.groups[0]
        rows = source.read(group.start, group.stop)
        at_hand = replace(context, source=AtHand(rows, group.start))
        _, busy = clocked(lambda: task(group, at_hand))
        found["computing"].append(busy * passes.source.shape[0] / group.n_rows)
        return results[0]

    passes_module.Passes.run = watched
    streamkm.KMeans(
        K, init=start_of(store), n_init=1, tol=0, max_iter=N_PASSES, algorithm="lloyd",
        executor="threads", memory_limit=LIMIT,
    ).fit(store)  # fmt: skip
    passes_module.Passes.run, passes_module.plan_memory = run_pass, plan_memory
    return {name: float(np.median(values[1:])) for name, values in found.items()}


class AtHand:
    """Rows of one group in memory."""

    def __init__(self, rows: Any, first: int) -> None:
        self.rows, self.first, self.shape, self.dtype = rows, first, rows.shape, rows.dtype

    def read(self, start: int, stop: int) -> Any:
        return self.rows[start - self.first : stop - self.first]


def read_files(path: Path) -> None:
    """Read the files of the rows with two threads, into memory that is used again."""
    from concurrent.futures import ThreadPoolExecutor

    files = [str(file) for file in (path / "X").rglob("*") if file.is_file()]
    files.sort(key=lambda file: (len(file), file))  # by row, as they lie on disk

    def read(mine: list[str]) -> None:
        memory = mmap.mmap(-1, 64 << 20)  # begins at a page, which is copied to fastest
        for file in mine:
            with open(file, "rb", buffering=0) as handle:
                while handle.readinto(memory):
                    pass

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(read, (files[::2], files[1::2])))


def limits() -> None:
    head("chunks", "page cache", "a pass, s", "I/O alone, s", "reading and decoding, CPU s",
         "computing, CPU s", "least, s", "over it")  # fmt: skip
    for codec in ("none", "lz4"):
        store = f"{codec}.zarr"
        streamkm.convert(blocks(), store, codec=codec)
        for is_cold in (False, True):
            found = parts_of(store, is_cold)
            least = max(found["io"], (found["reading"] + found["computing"]) / os.cpu_count())
            cells = [f"{value:.2f}" for value in (*found.values(), least, found["pass"] / least)]
            row(codec, "cold" if is_cold else "warm", *cells)


def ours(store: str) -> tuple[int, Any]:
    def fit(n: int) -> None:
        streamkm.KMeans(
            K, init=start_of(store), n_init=1, tol=0, max_iter=n, algorithm="lloyd",
            executor="threads", memory_limit=LIMIT,
        ).fit(store)  # fmt: skip

    return N_PASSES - 1, fit


def dask_ml(store: str) -> tuple[int, Any]:
    import dask.array as da
    from dask_ml.cluster import KMeans

    rows = da.from_zarr(store, component="X")

    def fit(n: int) -> None:
        KMeans(K, init=start_of(store), tol=0, max_iter=n).fit(rows)

    return N_PASSES - 1, fit


def partial_fit(store: str) -> tuple[int, Any]:
    import zarr
    from sklearn.cluster import MiniBatchKMeans

    rows = zarr.open_array(f"{store}/X")
    model = MiniBatchKMeans(K, init=start_of(store), n_init=1)

    def fit(n: int) -> None:
        for _ in range(n - 1):
            for begin in range(0, rows.shape[0], rows.chunks[0]):
                model.partial_fit(rows[begin : begin + rows.chunks[0]])

    return N_PASSES - 1, fit


WAYS = {"streamkm": ours, "dask-ml": dask_ml, "partial_fit": partial_fit}


def one(way: str, store: str) -> None:
    """Print the seconds of a pass, and the peak of memory of this process."""
    n_passes, fit = WAYS[way](store)
    with PeakMeter() as peak:
        fit(1)
        begin = time.perf_counter()
        fit(1)
        middle = time.perf_counter()
        fit(N_PASSES)
        seconds = (time.perf_counter() - middle - (middle - begin)) / n_passes
    print(json.dumps([seconds, peak.peak_bytes - peak.held_bytes]))


def peers() -> None:
    head("what", "chunks", "s a pass", "peak memory that it added")
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    for codec in ("none", "lz4"):
        streamkm.convert(blocks(), f"{codec}.zarr", codec=codec)
        for way in WAYS:
            words = [sys.executable, "-m", "tests.benchmarks.out_of_core", "one", way]
            ran = subprocess.run(
                [*words, f"{codec}.zarr"], capture_output=True, text=True, env=environment,
                check=False,
            )  # fmt: skip
            if ran.returncode:
                row(way, codec, "failed", ran.stderr.strip().splitlines()[-1])
                continue
            seconds, peak = json.loads(ran.stdout.splitlines()[-1])
            row(way, codec, f"{seconds:.2f}", format_bytes(peak))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    if sys.argv[1:2] == ["one"]:
        one(*sys.argv[2:])
    else:
        run({"limits": limits, "peers": peers}, sys.argv[1:])
