"""SuperKMeans (approximate) beside exact Lloyd, to the same inertia.

Run as `python -m tests.benchmarks.superkmeans [low_rank] [mnist]`; prints a Markdown table.
"""

from __future__ import annotations

import sys
import time

import numpy as np

import streamkm
from tests.benchmarks.shared import head, mnist, row, run

ROUNDS = 3


def inertia_of(X: np.ndarray, centers: np.ndarray) -> float:
    model = streamkm.KMeans.from_centers(centers.astype(np.float64))
    return -float(model.score(X))


def theirs(X: np.ndarray, k: int) -> tuple[float, np.ndarray]:
    from superkmeans import SuperKMeans

    begin = time.perf_counter()
    centers = SuperKMeans(n_clusters=k, dimensionality=X.shape[1], verbose=False).train(X)
    return time.perf_counter() - begin, np.asarray(centers).reshape(k, -1)


def compare(name: str, X: np.ndarray, k: int) -> None:
    start = X[np.random.default_rng(0).choice(len(X), k, replace=False)].astype(np.float64)
    settings = {"init": start, "n_init": 1, "tol": 0, "max_iter": 60}
    streamkm.KMeans(k, **settings | {"max_iter": 2}).fit(X)  # compiled
    for _ in range(ROUNDS):
        seconds, centers = theirs(X, k)
        reached = inertia_of(X, centers)
        begin = time.perf_counter()
        model = streamkm.KMeans(k, **settings).fit(X)
        whole = time.perf_counter() - begin
        records = [r for r in model.history_ if r["stage"] == "assign"]
        overhead = whole - sum(r["seconds"] for r in records)
        took = overhead + np.cumsum([r["seconds"] for r in records])
        inertia = [r["inertia"][0] for r in records]
        there = next((i for i, value in enumerate(inertia) if value <= reached), None)
        ours = "not in 60" if there is None else f"{took[there]:.1f} ({there + 1} iterations)"
        row(name, k, f"{seconds:.1f}", f"{reached:.6g}", ours, f"{inertia[-1]:.6g}", f"{whole:.1f}")


def columns() -> None:
    head("data", "K", "SuperKMeans s", "its inertia", "ours to it, s", "ours at the end", "s")


def low_rank() -> None:
    """Rows of unit length near a subspace of 64 dimensions, as embeddings are."""
    columns()
    rng = np.random.default_rng(0)
    axes = rng.standard_normal((64, 768)) * np.linspace(1.0, 0.1, 64)[:, None]
    middles = rng.standard_normal((400, 64))
    X = (middles[rng.integers(400, size=200_000)] + rng.standard_normal((200_000, 64))) @ axes
    X += 0.1 * rng.standard_normal(X.shape)
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    compare("low rank, 200000 x 768", X.astype(np.float32), 1000)


def digits() -> None:
    columns()
    compare("MNIST", mnist()["X"].astype(np.float32), 256)


if __name__ == "__main__":
    run({"low_rank": low_rank, "mnist": digits}, sys.argv[1:])
