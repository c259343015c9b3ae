"""What is measured: a shape, a source, or a preset of several."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

from streamkm.errors import SourceError

Measure = Literal["pass", "convergence"]
Preset = Literal["one-pass", "convergence"]
Dtype = Literal["uint8", "int16", "float16", "float32", "float64"]

QUICK_ROWS: Final = 20_000
QUICK_CLUSTERS: Final = 64


@dataclass(frozen=True, slots=True)
class Case:
    """Rows, a number of clusters, and what is measured on them.

    Parameters
    ----------
    n_clusters
        Number of clusters.
    measures
        "pass": seconds of one pass; "convergence": seconds until the centers
        repeat.
    name
        What people call the rows; empty for noise.
    source
        Where the rows come from, as `convert` takes it; None for noise of a shape.
    more
        Further sources, whose rows follow; only where all are loaded.
    n_rows, n_features, dtype
        The shape of the noise; of a source, the most rows that are taken (0 for all).
    is_loaded
        Whether streamkm too gets the rows as an array in memory; else it gets
        the source as it is, and streams it.
    """

    n_clusters: int
    measures: tuple[Measure, ...]
    name: str = ""
    source: str | None = None
    more: tuple[str, ...] = ()
    n_rows: int = 0
    n_features: int = 0
    dtype: str = "float32"
    is_loaded: bool = True


# Rows, features, dtype, clusters: few centers and many, narrow rows and wide.
ONE_PASS: Final = (
    (60_000, 784, "uint8", 10),
    (50_000, 3072, "uint8", 3),
    (1_000_000, 16, "float32", 10),
    (1_000_000, 64, "float32", 100),
    (60_000, 784, "float32", 256),
    (200_000, 768, "float32", 1000),
    (100_000, 128, "float32", 4096),
)
# Name, sources (files: in the folder of the data), numbers of clusters.
CONVERGENCE: Final = (
    ("CIFAR-10", ("cifar10/data_batch_1.bin", "cifar10/data_batch_2.bin"), (3, 10, 100)),
    ("MNIST", ("mnist/train-images-idx3-ubyte.gz",), (64, 256)),
    ("separated blobs", ("blobs:500000x16?centers=64&std=1&seed=0",), (64,)),
    ("overlapping blobs", ("blobs:500000x16?centers=64&std=4&seed=0",), (64,)),
)


def preset(name: Preset, data: Path | None) -> tuple[tuple[Case, ...], tuple[str, ...]]:
    """Return the cases of a preset, and what is left out because its data is not there.

    Parameters
    ----------
    name
        "one-pass" or "convergence".
    data
        Folder that holds mnist/ and cifar10/.
    """
    if name == "one-pass":
        return tuple(shaped(*row, ("pass",)) for row in ONE_PASS), ()
    cases: list[Case] = []
    missing = []
    for title, sources, numbers in CONVERGENCE:
        where = []
        for source in sources:
            if source.startswith("blobs:"):
                where.append(source)
            elif data is not None and (data / source).is_file():
                where.append(str(data / source))
        if len(where) < len(sources):
            missing.append(f"{title}: --data names no folder with {' and '.join(sources)}")
            continue
        first, *more = where
        cases += [Case(k, ("convergence",), title, first, tuple(more)) for k in numbers]
    return tuple(cases), tuple(missing)


def shaped(
    n_rows: int, n_features: int, dtype: str, n_clusters: int, measures: tuple[Measure, ...]
) -> Case:
    """Return a case of noise.

    Raises
    ------
    SourceError
        If there are fewer rows than clusters, or nothing at all.
    """
    for name, value in (("rows", n_rows), ("features", n_features), ("n-clusters", n_clusters)):
        if value < 1:
            raise SourceError(f"--{name} must be at least 1, got {value}")
    if n_rows < n_clusters:
        raise SourceError(f"--rows {n_rows} should be >= n_clusters={n_clusters}")
    return Case(n_clusters, measures, n_rows=n_rows, n_features=n_features, dtype=dtype)


def quick(case: Case) -> Case:
    """Return a case of the same kind that takes seconds: it shows that all works, no more."""
    n_rows = min(case.n_rows or QUICK_ROWS, QUICK_ROWS)
    n_clusters = min(case.n_clusters, QUICK_CLUSTERS)
    return replace(case, n_rows=n_rows, n_clusters=n_clusters, is_loaded=True)


def title_of(name: str, shape: tuple[int, int], dtype: str, n_clusters: int) -> str:
    """Return what a case is called: `MNIST 60000 × 784 uint8, K = 64`."""
    words = [name] if name else []
    return f"{' '.join([*words, f'{shape[0]} × {shape[1]} {dtype}'])}, K = {n_clusters}"
