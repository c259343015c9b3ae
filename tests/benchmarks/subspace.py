"""Fits that look at rows in a subspace near the centers, beside those by bounds alone: same bits.

Run as `python -m tests.benchmarks.subspace`; prints a Markdown table of seconds.
"""

from __future__ import annotations

import warnings
from statistics import median

import numpy as np

from streamkm import KMeans
from streamkm.sources import open_source
from tests.benchmarks.shared import data, head, row, timed

N_ROUNDS = 5
MAX_ITER = 300


def rows_of(*files: str) -> np.ndarray:
    sources = [open_source(str(data() / file)) for file in files]
    return np.concatenate([source.read(0, source.shape[0]) for source in sources])


def main() -> None:
    warnings.simplefilter("ignore")
    cifar = rows_of("cifar10/data_batch_1.bin", "cifar10/data_batch_2.bin")
    mnist = rows_of("mnist/train-images-idx3-ubyte.gz")
    noise = np.random.default_rng(0).normal(size=(20_000, 768)).astype("f4")
    head("data", "K", "passes", "bounds alone", "and a subspace", "times as fast", "range")
    for name, rows, k in (
        ("CIFAR-10, 20,000", cifar, 3), ("CIFAR-10, 20,000", cifar, 10),
        ("CIFAR-10, 20,000", cifar, 100), ("MNIST", mnist, 64), ("MNIST", mnist, 256),
        ("noise, 20,000 × 768, 20 iterations", noise, 100),
    ):  # fmt: skip
        start = rows[np.random.default_rng(0).choice(len(rows), k, replace=False)]
        bounded = "yinyang" if k > 20 else "hamerly"
        most = 20 if rows is noise else MAX_ITER
        found: dict[str, list[float]] = {bounded: [], "auto": []}
        models = {}
        for _ in range(N_ROUNDS + 1):
            for algorithm, seconds in found.items():
                model = KMeans(k, init=start.astype(np.float64), tol=0, max_iter=most,
                               algorithm=algorithm)  # fmt: skip
                models[algorithm], spent = timed(lambda m=model: m.fit(rows))  # type: ignore[misc]
                seconds.append(spent)
        assert models["auto"].labels_.tobytes() == models[bounded].labels_.tobytes()
        before, after = found[bounded][1:], found["auto"][1:]
        ratios = [a / b for a, b in zip(before, after, strict=True)]
        row(
            name, k, models["auto"].n_iter_, f"{median(before):.2f}", f"{median(after):.2f}",
            f"{median(ratios):.2f}", f"{min(ratios):.2f} to {max(ratios):.2f}",
        )  # fmt: skip


if __name__ == "__main__":
    main()
