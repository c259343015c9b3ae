"""One number a row: labels and weights, in memory or in stored records."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamkm.errors import SourceError


@dataclass(frozen=True, eq=False)
class MemoryColumn:
    """An array of shape (n_rows,) that the caller holds.

    Raises
    ------
    SourceError
        If it is not one number a row.
    """

    values: NDArray[Any]

    def __post_init__(self) -> None:
        if self.values.ndim != 1 or self.values.dtype.kind not in "buif":
            raise SourceError(
                f"expected one number a row, got shape {self.values.shape} {self.values.dtype}"
            )

    @property
    def shape(self) -> tuple[int, ...]:
        """(n_rows,)."""
        return tuple(self.values.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The array's dtype."""
        return self.values.dtype

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """View of the values of rows `start` to `stop`."""
        return self.values[start:stop]


@dataclass(frozen=True)
class RecordColumn:
    """One place of each stored record, such as the label in front of a picture.

    Parameters
    ----------
    records
        Reads records `start` to `stop`, shape (n, width).
    n_rows, dtype
        How many there are, and of what.
    place
        Which of the width.
    """

    records: Callable[[int, int], NDArray[Any]]
    n_rows: int
    dtype: np.dtype[Any]
    place: int = 0

    @property
    def shape(self) -> tuple[int, ...]:
        """(n_rows,)."""
        return (self.n_rows,)

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Values of records `start` to `stop`."""
        return self.records(start, stop)[:, self.place]
