"""Rows that several readers go through together: each is read once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


class Window:
    """Reads a source forwards and keeps what readers that lag behind still want.

    Ranges are asked for in ascending order of their starts; they may overlap
    and have any length.

    Parameters
    ----------
    source
        A RowSource or a ColumnSource.
    unit_rows
        Reads end at multiples of it: chunks, so that none is decoded twice.
    """

    def __init__(self, source: Any, unit_rows: int) -> None:
        self.source = source
        self.unit_rows = unit_rows
        self._parts: list[tuple[int, NDArray[Any]]] = []  # consecutive rows, by their start

    @property
    def shape(self) -> tuple[int, ...]:
        """The source's shape."""
        return tuple(self.source.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The source's dtype."""
        dtype: np.dtype[Any] = np.dtype(self.source.dtype)
        return dtype

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Rows `start` to `stop`; a copy only where they were read in several parts."""
        self._parts = [part for part in self._parts if part[0] + len(part[1]) > start]
        known = self._parts[-1][0] + len(self._parts[-1][1]) if self._parts else start
        if stop > known:
            edge = min(-(-stop // self.unit_rows) * self.unit_rows, self.shape[0])
            self._parts.append((known, self.source.read(known, edge)))
        found = [
            rows[max(start - first, 0) : stop - first]
            for first, rows in self._parts
            if first < stop
        ]
        return found[0] if len(found) == 1 else np.concatenate(found)
