"""Active-set Lloyd beside the best that could be: full passes, and seconds out of core.

Run as `python -m tests.benchmarks.active_set [passes] [seconds] [workers]` with
STREAMKM_DATA set; prints Markdown tables. A cache of a share of the rows
stands for a memory limit; before every pass the store is dropped from the
page cache, which is not timed.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace

import numpy as np
from distributed import Client, LocalCluster

import streamkm
from streamkm.cluster import passes as passes_module
from tests.benchmarks.shared import cifar, drop, head, mnist, row, run

SHARES = (0.1, 0.25)
ROUNDS = 5
plan_memory = passes_module.plan_memory
announce = passes_module.Passes.announce
dropping = [0.0]  # seconds so far


def blobs() -> streamkm.Dataset:
    rng = np.random.default_rng(0)
    centers = rng.uniform(-10, 10, (64, 16))
    rows = centers[rng.integers(64, size=500000)] + rng.standard_normal((500000, 16))
    return streamkm.convert(rows.astype(np.float32), "blobs.zarr")


def cached(share: float, X) -> None:
    """Let every fit have this share of the bytes of its rows for all that it holds of them."""

    def plan(limit, *args, **more):
        return replace(plan_memory(limit, *args, **more), cache_bytes=int(share * X.nbytes))

    passes_module.plan_memory = plan


def cold(passes, *words) -> None:
    """Drop the files of a store before a pass over it."""
    path = getattr(getattr(passes.source, "source", passes.source), "path", None)
    begin = time.perf_counter()
    if path:
        drop(path)
    dropping[0] += time.perf_counter() - begin
    announce(passes, *words)


def start_of(X, n_clusters):
    return X[np.random.default_rng(0).choice(len(X), n_clusters, replace=False)].astype(float)


def model(store, start, algorithm):
    return streamkm.KMeans(
        len(start), init=start, n_init=1, tol=0, max_iter=300, algorithm=algorithm
    ).fit(store)


def seconds_of(store, start, algorithm) -> float:
    """Seconds of a fit, less those of dropping the store."""
    begin, before = time.perf_counter(), dropping[0]
    model(store, start, algorithm)
    return time.perf_counter() - begin - (dropping[0] - before)


def full_passes(fitted) -> int:
    n_rows = fitted.cluster_sizes_.sum()
    stages = ("assign", "close")
    return sum(r["stage"] in stages and r["n_rows"] == n_rows for r in fitted.history_)


def sq_dist(X, C):
    return (X**2).sum(1)[:, None] + (C**2).sum(1) - 2 * X @ C.T


def trajectory(X, start):
    """The centers of every pass of plain Lloyd in float64."""
    centers, found = start, [start]
    while len(found) < 300:
        labels = np.concatenate([sq_dist(x, centers).argmin(1) for x in np.array_split(X, 20)])
        sums = np.zeros_like(centers)
        np.add.at(sums, labels, X)
        counts = np.bincount(labels, minlength=len(centers))[:, None]
        after = np.where(counts > 0, sums / np.maximum(counts, 1), centers)
        if np.array_equal(after, centers):
            break
        centers = after
        found.append(centers)
    return found


def best_possible(X, centers, share: float) -> int:
    """Full passes, if at each the rows that will change soonest were known, and held."""
    n_held, now, count = int(share * len(X)), 0, 0
    while now < len(centers):
        count += 1
        parts = [np.sort(np.maximum(sq_dist(x, centers[now]), 0), 1) for x in np.array_split(X, 20)]
        near = np.sqrt(np.concatenate([part[:, :2] for part in parts]))
        labels = np.concatenate([sq_dist(x, centers[now]).argmin(1) for x in np.array_split(X, 20)])
        room, lasts = near[:, 1] - near[:, 0], np.full(len(X), len(centers))
        for later in range(len(centers) - 1, now, -1):
            moved = np.sqrt(((centers[later] - centers[now]) ** 2).sum(1))
            others = np.array([np.delete(moved, k).max() for k in range(len(moved))])
            lasts[room <= (moved + others)[labels]] = later
        now = int(np.partition(lasts, n_held)[n_held])
    return count


def cases(k_of):
    sets = {"MNIST": lambda: mnist()["unshuffled"], "CIFAR-10": cifar, "blobs": blobs}
    for name, numbers in k_of.items():
        store = sets[name]()
        X = store.read(0, store.shape[0])
        for k in numbers:
            yield name, k, store, X


def passes() -> None:
    head("data", "K", "rows held", "iterations", "full passes", "the best possible", "over it")
    for name, k, store, X in cases({"CIFAR-10": (3, 10), "MNIST": (10,), "blobs": (64,)}):
        start = start_of(X, k)
        centers = trajectory(X.astype(np.float64), start)
        for share in SHARES:
            cached(share, X)
            fitted = model(store, start, "auto")
            ours = full_passes(fitted)
            best = best_possible(X.astype(np.float64), centers, share)
            row(name, k, f"{share:.0%}", fitted.n_iter_, ours, best, f"{ours / best:.2f}")


def seconds() -> None:
    passes_module.Passes.announce = cold
    head("data", "K", "rows held", "plain Lloyd s", "auto s", "times as fast", "range")
    for name, k, store, X in cases({"CIFAR-10": (3, 10), "MNIST": (64, 256)}):
        start = start_of(X, k)
        cached(0.1, X)
        took = []
        for algorithm in ("lloyd", "auto"):
            model(store, start, algorithm)  # compiled
        for _ in range(ROUNDS):
            took.append([seconds_of(store, start, a) for a in ("lloyd", "auto")])
        plain, auto = np.array(took).T
        ratio = plain / auto
        row(
            name, k, "10%", f"{np.median(plain):.2f}", f"{np.median(auto):.2f}",
            f"{np.median(ratio):.2f}", f"{ratio.min():.2f} to {ratio.max():.2f}",
        )  # fmt: skip


def workers() -> None:
    """Seconds on two worker processes, which hold rows each for itself."""
    passes_module.Passes.announce = cold
    head(
        "data", "K", "rows held", "plain Lloyd s", "auto s", "times as fast", "range", "full passes"
    )
    with LocalCluster(n_workers=2, threads_per_worker=1) as cluster, Client(cluster):
        for name, k, store, X in cases({"CIFAR-10": (3, 10)}):
            start = start_of(X, k)
            cached(0.1 / 2, X)  # of each
            model(store, start, "auto")  # compiled
            took = [[seconds_of(store, start, a) for a in ("lloyd", "auto")] for _ in range(ROUNDS)]
            plain, auto = np.array(took).T
            ratio = plain / auto
            row(
                name, k, "10%", f"{np.median(plain):.2f}", f"{np.median(auto):.2f}",
                f"{np.median(ratio):.2f}", f"{ratio.min():.2f} to {ratio.max():.2f}",
                full_passes(model(store, start, "auto")),
            )  # fmt: skip


if __name__ == "__main__":
    run({"passes": passes, "seconds": seconds, "workers": workers}, sys.argv[1:])
