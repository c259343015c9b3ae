"""The rows and the first centers of a case, as files that every contestant's process opens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from streamkm.bench.cases import Case, title_of
from streamkm.cluster.rows import as_rows, pick
from streamkm.data.dataset import Dataset
from streamkm.errors import SourceError
from streamkm.typing import F64, I64, Rows, RowSource

BLOCK_BYTES: Final = 32 << 20
START_SEED: Final = 1


@dataclass(frozen=True, slots=True)
class Prepared:
    """A case whose files are there.

    Parameters
    ----------
    case
        What it is.
    title
        What it is called.
    rows
        To read the rows once more, for the judge.
    array
        .npy file of the rows; None where they stay where they are.
    start
        .npy file of the first centers.
    """

    case: Case
    title: str
    rows: RowSource
    array: str | None
    start: str


def prepare(case: Case, folder: Path) -> Prepared:
    """Write the rows that are to be loaded, and the first centers: distinct rows, by a fixed seed.

    Raises
    ------
    SourceError
        If the source cannot be read, or has fewer rows than clusters.
    """
    array: str | None = None
    if case.source is None:
        array = str(folder / "rows.npy")
        _write_noise(case, array)
        rows = as_rows(array)
    else:
        rows = as_rows(case.source)
        if case.is_loaded:
            array = str(folder / "rows.npy")
            _copy([rows, *(as_rows(source) for source in case.more)], case.n_rows, array)
            rows = as_rows(array)
    if rows.shape[0] < case.n_clusters:
        raise SourceError(f"n_samples={rows.shape[0]} should be >= n_clusters={case.n_clusters}.")
    start = str(folder / "start.npy")
    np.save(start, first_centers(rows, case.n_clusters))
    title = title_of(case.name, rows.shape, rows.dtype.name, case.n_clusters)
    return Prepared(case, title, rows, array, start)


def blocks(rows: RowSource) -> Iterator[Rows]:
    """Yield all rows in order, block by block."""
    n_rows, n_features = rows.shape
    step = max(BLOCK_BYTES // (n_features * 8), 1)
    for first in range(0, n_rows, step):
        yield rows.read(first, min(first + step, n_rows))


def first_centers(rows: RowSource, n_clusters: int) -> F64:
    """Return distinct rows, drawn by a fixed seed; fewer distinct ones are filled with others."""
    draws = np.random.default_rng(START_SEED)
    n_drawn = min(rows.shape[0], 2 * n_clusters + 8)
    if isinstance(rows, Dataset) and len(rows.sample()[1]) >= n_drawn:
        sample = rows.sample()[1]
        drawn = sample[draws.choice(len(sample), n_drawn, replace=False)]
    else:
        chosen: I64 = draws.choice(rows.shape[0], n_drawn, replace=False)
        drawn = pick(rows, chosen)
    firsts = np.unique(drawn, axis=0, return_index=True)[1]
    others = np.setdiff1d(np.arange(n_drawn), firsts)
    order = np.concatenate([np.sort(firsts), others])[:n_clusters]
    return np.asarray(drawn[order], np.float64)


def inertia_of(rows: RowSource, centers: F64) -> float:
    """Return the sum of squared distances to the nearest centers, in float64 by NumPy.

    The judge is neither contestant: only `centers` is theirs.
    """
    shift = centers.mean(axis=0)
    moved = centers - shift
    norms = (moved**2).sum(axis=1)
    total = 0.0
    for block in blocks(rows):
        values = block.astype(np.float64) - shift
        nearest = (norms - 2.0 * values @ moved.T).min(axis=1)
        total += float(np.maximum((values**2).sum(axis=1) + nearest, 0.0).sum())
    return total


def _write_noise(case: Case, path: str) -> None:
    """Write Gaussian noise: without clusters, twenty iterations do not end early."""
    shape = (case.n_rows, case.n_features)
    dtype = np.dtype(case.dtype)
    out = np.lib.format.open_memmap(path, "w+", dtype, shape)
    draws = np.random.default_rng(0)
    for part in _parts(out):
        values = draws.standard_normal(part.shape, np.float32)
        part[:] = values if dtype.kind == "f" else (30.0 * values + 100.0).clip(0, 255)
    out.flush()


def _copy(sources: Sequence[RowSource], n_rows: int, path: str) -> None:
    """Write the rows of sources one after the other: the first `n_rows`, or all for 0."""
    counts = [source.shape[0] for source in sources]
    most = min(n_rows or sum(counts), sum(counts))
    first_of = sources[0]
    out = np.lib.format.open_memmap(path, "w+", first_of.dtype, (most, first_of.shape[1]))
    begin = 0
    for source, count in zip(sources, counts, strict=True):
        first = 0
        for part in _parts(out[begin : begin + count]):
            part[:] = source.read(first, first + len(part))
            first += len(part)
        begin += count
    out.flush()


def _parts(out: Any) -> Iterator[Any]:
    step = max(BLOCK_BYTES // (out.shape[1] * 8), 1)
    for first in range(0, len(out), step):
        yield out[first : first + step]
