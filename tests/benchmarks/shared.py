"""What the benchmark scripts share: real data as stores, clocks, judges, and tables."""

from __future__ import annotations

import os
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import homogeneity_score

import streamkm

SEEDS = range(5)
SCALE = 255.0**2  # MNIST is judged at x / 255


def data() -> Path:
    return Path(os.environ["STREAMKM_DATA"])


def mnist() -> dict[str, Any]:
    """Stores of the training images: as they come, mixed, and sorted by digit; the test images."""
    folder = data() / "mnist"
    plain = streamkm.convert(str(folder / "train-images-idx3-ubyte.gz"), "plain.zarr")
    test = streamkm.convert(str(folder / "t10k-images-idx3-ubyte.gz"), "test.zarr")
    X, y = plain.read(0, 60000), np.asarray(plain.labels.read(0, 60000))
    order = np.argsort(y, kind="stable")
    return {
        "X": X,
        "y": y,
        "test": (test.read(0, 10000), np.asarray(test.labels.read(0, 10000))),
        "shuffled": streamkm.convert(X, "mixed.zarr", target=y, shuffle=True, seed=1),
        "unshuffled": plain,
        "sorted": streamkm.convert(X[order], "sorted.zarr", target=y[order]),
    }


def cifar() -> streamkm.Dataset:
    files = [str(data() / "cifar10" / f"data_batch_{i}.bin") for i in (1, 2)]
    rows = np.concatenate(
        [streamkm.convert(f, f"cifar{i}.zarr").read(0, 10000) for i, f in enumerate(files)]
    )
    return streamkm.convert(rows, "cifar.zarr", shuffle=True, seed=1)


def timed(fit: Callable[[], Any]) -> tuple[Any, float]:
    begin = time.perf_counter()
    model = fit()
    return model, time.perf_counter() - begin


def judged(model: Any, sets: dict[str, Any], scale: float = 1.0) -> list[float]:
    """Homogeneity, and accuracy on the training and test images by majority on the training set."""
    X, y = sets["X"], sets["y"]
    X_test, y_test = sets["test"]
    kind = np.float32 if scale != 1.0 else None
    labels = model.predict(X if kind is None else X.astype(kind) / scale)
    unseen = model.predict(X_test if kind is None else X_test.astype(kind) / scale)
    table = np.zeros((model.n_clusters, 10), np.int64)
    np.add.at(table, (labels, y), 1)
    digit = table.argmax(axis=1)
    return [
        homogeneity_score(y, labels),
        float(np.mean(digit[labels] == y)),
        float(np.mean(digit[unseen] == y_test)),
    ]


def run(parts: Mapping[str, Callable[[], None]], asked: list[str]) -> None:
    """Run some parts, or all, each in a folder of its own."""
    if "STREAMKM_DATA" in os.environ:
        os.environ["STREAMKM_DATA"] = str(data().absolute())
    warnings.simplefilter("ignore")
    for part in asked or parts:
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            print(f"\n## {part}", flush=True)
            parts[part]()
            os.chdir("/")


def drop(path: Path | str) -> None:
    """Drop the files under a path from the page cache."""
    for file in Path(path).rglob("*"):
        if file.is_file():
            with open(file, "rb") as handle:
                os.posix_fadvise(handle.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def row(*cells: Any) -> None:
    print("| " + " | ".join(str(c) for c in cells) + " |", flush=True)


def head(*names: str) -> None:
    print()
    row(*names)
    row(*["---"] * len(names))
