"""Two ways to start k-means on a thousand digits, K = 5 to 20.

A known report clusters 1000 MNIST images (100 of each digit, x / 255) from
data points and from Gaussian draws, and gives the mean distance of an image
to its nearest center. This prints that study beside ours:

    python examples/mnist_two_starts.py path/to/train-images-idx3-ubyte.gz
"""

from __future__ import annotations

import argparse

import numpy as np

import streamkm

REPORT = {
    "random": "6.50 6.42 6.39 6.28 6.23 6.17 6.13 6.07 6.01 6.01 5.95 5.92 5.90 5.87 5.837 5.839",
    "gaussian": "6.57 6.45 6.38 6.32 6.24 6.21 6.16 6.11 6.05 6.05 6.02 5.97 5.90 5.92 5.864 5.867",
}


def draw_images(path: str, seed: int, per_digit: int = 100) -> np.ndarray:
    """Draw images of each digit."""
    source = streamkm.open_source(path)
    assert source.labels is not None, "the labels' file must lie beside the images'"
    labels = source.labels.read(0, source.shape[0])
    draws = np.random.default_rng(seed)
    chosen = [draws.choice(np.flatnonzero(labels == d), per_digit, False) for d in range(10)]
    images = source.read(0, source.shape[0])[np.concatenate(chosen)]
    return (images / 255.0).astype(np.float32)


def mean_distance(images: np.ndarray, n_clusters: int, init: str, seed: int) -> tuple[float, int]:
    """Fit to convergence; return the mean distance to the nearest center, and the iterations."""
    model = streamkm.KMeans(n_clusters, init=init, tol=0, random_state=seed).fit(images)
    return float(model.transform(images).min(axis=1).mean()), model.n_iter_


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("images")
    parser.add_argument("--seeds", type=int, default=10)
    arguments = parser.parse_args()
    samples = [draw_images(arguments.images, seed) for seed in range(arguments.seeds)]
    print("        data points              Gaussian")
    print("  K   report  ours  iterations   report  ours  iterations")
    for row, n_clusters in enumerate(range(5, 21)):
        line = f"{n_clusters:3d}"
        for init, report in REPORT.items():
            found = [mean_distance(x, n_clusters, init, s) for s, x in enumerate(samples)]
            distance, n_iter = np.median(found, axis=0)
            line += f"   {float(report.split()[row]):6.3f} {distance:6.3f} {n_iter:8.0f}   "
        print(line)


if __name__ == "__main__":
    main()
