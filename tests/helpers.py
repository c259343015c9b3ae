"""What several tests share: byte-for-byte comparison, data, costs, measured commands."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from numpy.typing import NDArray

# Of a test whose workers are killed or whose cluster ends.
quiet = pytest.mark.filterwarnings(
    "default::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)


def tree(folder: Path) -> dict[str, bytes]:
    """Every file under a folder, by its relative name."""
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def heavy_tailed(n_rows: int, n_features: int, seed: int = 0) -> NDArray[np.float32]:
    """Log-normal float32 of either sign: plain float64 sums of it follow their order."""
    rng = np.random.default_rng(seed)
    values = rng.lognormal(0.0, 3.0, (n_rows, n_features))
    return (values * rng.choice([-1.0, 1.0], values.shape)).astype(np.float32)


@dataclass
class Measured:
    """What a command printed, returned, and took."""

    status: int
    out: str
    err: str
    peak_bytes: int
    workers_peak_bytes: int


def run_measured(words: list[str], cwd: Path, timeout_s: float = 280.0) -> Measured:
    """Run `streamkm WORDS`, sampling the memory of its whole process tree."""
    command = [sys.executable, "-m", "streamkm", *words]
    with (
        open(cwd / "out.txt", "w+") as out,
        open(cwd / "err.txt", "w+") as err,
        subprocess.Popen(command, cwd=cwd, stdout=out, stderr=err) as process,
    ):
        watched = psutil.Process(process.pid)
        peak, workers_peak, begin = 0, 0, time.monotonic()
        while process.poll() is None:
            own, workers = _resident(watched)
            peak, workers_peak = max(peak, own + workers), max(workers_peak, workers)
            if time.monotonic() - begin > timeout_s:
                process.kill()
                raise TimeoutError(words)
            time.sleep(0.01)
        out.seek(0)
        err.seek(0)
        return Measured(process.returncode, out.read(), err.read(), peak, workers_peak)


def _resident(process: psutil.Process) -> tuple[int, int]:
    """Resident memory of a process, and of its children."""
    own = workers = 0
    try:
        own = process.memory_info().rss
        workers = sum(child.memory_info().rss for child in process.children(recursive=True))
    except psutil.Error:
        pass
    return own, workers


def run_command(
    words: list[str], cwd: Path, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run `streamkm WORDS` and return what it printed."""
    return subprocess.run(
        [sys.executable, "-m", "streamkm", *words],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
        env={**os.environ, **environment},
    )


def cost(rows: Any, centers: Any, weights: Any = None) -> float:
    """By NumPy: the weighted sum of squared distances to the nearest centers."""
    nearest = np.full(len(rows), np.inf)
    for center in centers:
        nearest = np.minimum(nearest, ((rows.astype(np.float64) - center) ** 2).sum(axis=1))
    return float(nearest.sum() if weights is None else (nearest * weights).sum())


def with_outliers(
    rng: np.random.Generator, n_rows: int = 20_000, n_clusters: int = 8, n_features: int = 5
) -> NDArray[np.float32]:
    """Blobs, and fifty rows far outside."""
    centers = rng.uniform(-20, 20, (n_clusters, n_features))
    X = centers[rng.integers(n_clusters, size=n_rows)] + rng.normal(size=(n_rows, n_features))
    X[rng.choice(n_rows, 50, replace=False)] = rng.uniform(-300, 300, (50, n_features))
    return X.astype(np.float32)


def sets_of_centers(
    X: Any, rng: np.random.Generator, n_sets: int = 100, most: int = 8
) -> Iterator[NDArray[np.float64]]:
    """Data points, Gaussians, outliers, and uniform draws from the box."""
    far = X[np.argsort(((X - X.mean(axis=0)) ** 2).sum(axis=1))[-50:]]
    for i in range(n_sets):
        k = int(rng.integers(1, most + 1))
        yield (
            X[rng.choice(len(X), k, replace=False)],
            rng.normal(X.mean(axis=0), X.std(axis=0), (k, X.shape[1])),
            far[rng.choice(50, k, replace=False)],
            rng.uniform(X.min(axis=0), X.max(axis=0), (k, X.shape[1])),
        )[i % 4].astype(np.float64)


def bits(made: Any) -> tuple[bytes, bytes]:
    """All that two coresets must agree in."""
    return made.rows.tobytes(), made.weights.tobytes()


class Killed(BaseException):
    """Stands for SIGKILL: nothing may catch it."""
