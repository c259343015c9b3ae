"""What a contestant's process is told, and the rows as it asks for them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from streamkm.typing import F32, F64, Rows

READ_BYTES: Final = 64 << 20


@dataclass(frozen=True, slots=True)
class Crew:
    """Who runs streamkm's tasks, and under what limit.

    Parameters
    ----------
    executor
        A name, or None for threads.
    scheduler, scheduler_file
        Of a running Dask cluster.
    workers
        Of a local Dask cluster, made for the contest.
    memory_limit_bytes
        Of streamkm; None for its default.
    """

    executor: str | None = None
    scheduler: str | None = None
    scheduler_file: str | None = None
    workers: int | None = None
    memory_limit_bytes: int | None = None

    @property
    def is_cluster(self) -> bool:
        """Whether Dask workers run the tasks."""
        return any(
            value is not None for value in (self.scheduler, self.scheduler_file, self.workers)
        )


@dataclass(frozen=True, slots=True)
class Task:
    """What a contestant's process is told.

    Parameters
    ----------
    maker, way
        As the contestant says.
    array
        .npy file of the rows, to be loaded; None where they stay where they are.
    source
        Where they are.
    start
        .npy file of the first centers.
    measure
        What is measured.
    crew
        Who runs streamkm's tasks.
    """

    maker: str
    way: str
    array: str | None
    source: str | None
    start: str
    measure: str
    crew: Crew

    def to_json(self) -> str:
        """Return it as one line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Task:
        """Read such a line."""
        values = json.loads(text)
        return cls(**{**values, "crew": Crew(**values["crew"])})

    def centers(self) -> F64:
        """Return the first centers."""
        return np.asarray(np.load(self.start), np.float64)

    def rows(self) -> Rows:
        """Return all rows in memory, in the data's own dtype."""
        if self.array is not None:
            return np.asarray(np.load(self.array))
        return self._collected(None)

    def float32_rows(self) -> F32:
        """Return all rows in memory as float32, as the peers take them."""
        if self.array is None:
            return np.asarray(self._collected("float32"), np.float32)
        return np.ascontiguousarray(np.load(self.array), np.float32)

    def _collected(self, dtype: str | None) -> Rows:
        from streamkm.cluster.rows import as_rows

        rows = as_rows(self.source)
        out: Rows = np.empty(rows.shape, dtype or rows.dtype)
        step = max(READ_BYTES // (rows.shape[1] * rows.dtype.itemsize), 1)
        for first in range(0, len(out), step):
            last = min(first + step, len(out))
            out[first:last] = rows.read(first, last)
        return out


@dataclass(frozen=True, slots=True)
class Fitted:
    """What a fit gives.

    Parameters
    ----------
    n_iter
        Iterations that it took.
    centers
        Shape (n_clusters, n_features).
    bytes_read
        Stored bytes that came from the store; None where nobody counts them.
    """

    n_iter: int
    centers: Any
    bytes_read: int | None = None


Fit = Callable[[int], Fitted]  # of the most iterations
