"""Mini-batches against scikit-learn's and against Lloyd on real data: medians of five seeds.

Run as `python -m tests.benchmarks.streaming [minibatch] [nested]` with
STREAMKM_DATA set; prints Markdown tables.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from sklearn.cluster import MiniBatchKMeans as PeerMiniBatch
from sklearn.cluster import kmeans_plusplus

import streamkm
from tests.benchmarks.shared import SCALE, SEEDS, cifar, head, judged, mnist, row, run, timed

UPPER = {
    10: 2.380e6,
    16: 2.214e6,
    36: 1.956e6,
    64: 1.803e6,
    144: 1.622e6,
    256: 1.506e6,
    400: 1.421e6,
}
LOWER = {  # homogeneity, accuracy on the training and on the test images
    10: (0.465, 0.563, 0.567), 16: (0.550, 0.636, 0.644), 36: (0.674, 0.751, 0.761),
    64: (0.745, 0.819, 0.823), 144: (0.805, 0.870, 0.878), 256: (0.836, 0.893, 0.900),
    400: (0.865, 0.911, 0.915),
}  # fmt: skip


def minibatch() -> None:
    sets = mnist()
    head(
        "K",
        "rows",
        "inertia",
        "of figure's upper end",
        "homogeneity",
        "accuracy",
        "test accuracy",
        "steps",
        "s",
        "holds",
    )
    floats = sets["X"].astype(np.float32) / 255
    for k, bounds in LOWER.items():
        for name in ("shuffled", "unshuffled", "sorted", "scikit-learn"):
            found = []
            for seed in SEEDS:
                if name == "scikit-learn":
                    model, s = timed(
                        lambda seed=seed: PeerMiniBatch(k, n_init=1, random_state=seed).fit(floats)
                    )
                    found.append([model.inertia_, *judged(model, sets, 255), model.n_steps_, s])
                    continue
                fresh = streamkm.MiniBatchKMeans(k, random_state=seed, shuffle_buffer=6000)
                model, s = timed(lambda f=fresh, n=name: f.fit(sets[n]))
                found.append([model.inertia_ / SCALE, *judged(model, sets), model.n_steps_, s])
            inertia, homogeneity, train, test, steps, s = np.median(found, axis=0)
            holds = inertia <= 1.01 * UPPER[k] and all(
                value >= bound - 0.015
                for value, bound in zip((homogeneity, train, test), bounds, strict=True)
            )
            row(k, name, f"{inertia:.4g}", f"{inertia / UPPER[k]:.4f}", f"{homogeneity:.3f}",
                f"{train:.3f}",
                f"{test:.3f}", int(steps), f"{s:.2f}", "yes" if holds else "no")  # fmt: skip


def starts(X: Any, k: int, seed: int) -> Any:
    chosen = np.random.default_rng(seed).choice(len(X), 8192, replace=False)
    return kmeans_plusplus(X[chosen].astype(np.float64), k, random_state=seed)[0]


def nested() -> None:
    sets = mnist()
    stores = {"MNIST": sets["shuffled"], "CIFAR-10": cifar()}
    head(
        "data",
        "K",
        "Lloyd: inertia",
        "passes",
        "s",
        "nested: inertia over Lloyd's",
        "row visits / n",
        "s",
        "time over Lloyd's",
    )
    for data_name, store in stores.items():
        X = store.read(0, store.shape[0])
        for k in (64, 256):
            found = []
            for seed in SEEDS:
                start = starts(X, k, seed)
                lloyd, slow = timed(
                    lambda: streamkm.KMeans(k, init=start, algorithm="lloyd").fit(store)
                )
                model, fast = timed(
                    lambda: streamkm.MiniBatchKMeans(k, init=start, batches="nested").fit(store)
                )
                visits = sum(r["n_rows"] for r in model.history_) / len(X)
                found.append(
                    [
                        lloyd.inertia_,
                        lloyd.n_iter_,
                        slow,
                        model.inertia_ / lloyd.inertia_,
                        visits,
                        fast,
                        fast / slow,
                    ]
                )
            a, b, c, d, e, f, g = np.median(found, axis=0)
            row(
                data_name,
                k,
                f"{a:.5g}",
                int(b),
                f"{c:.1f}",
                f"{d:.4f}",
                f"{e:.1f}",
                f"{f:.1f}",
                f"{g:.3f}",
            )


if __name__ == "__main__":
    run({"minibatch": minibatch, "nested": nested}, sys.argv[1:])
