"""Small reads at the cost of one read of the block around them."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from streamkm.data.wrapped import WrappedSource
from streamkm.typing import ColumnSource, Rows, RowSource


class AlignedSource(WrappedSource):
    """Reads whole blocks of another source and keeps, in each thread, the last one.

    Ranges that are asked for in ascending order cost every block once; the
    blocks are the same in every pass, so that a cache underneath finds them.

    Parameters
    ----------
    source
        Where the rows, or numbers a row, come from.
    block_rows
        Rows of a block.
    """

    def __init__(self, source: RowSource | ColumnSource, block_rows: int) -> None:
        super().__init__(source)  # type: ignore[arg-type] # a column is read like rows
        self.block_rows = block_rows
        self._last = threading.local()

    def read(self, start: int, stop: int) -> Rows:
        """Rows `start` to `stop`; a copy only where they lie in several blocks."""
        first, last = start // self.block_rows, (stop - 1) // self.block_rows
        parts = []
        for index in range(first, last + 1):
            offset = index * self.block_rows
            rows = self._block(index)
            parts.append(rows[max(start - offset, 0) : stop - offset])
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def read_into(self, start: int, out: Rows) -> None:
        """Fill `out` with the rows from `start`; no more than one block is in memory beside it."""
        stop = start + len(out)
        for index in range(start // self.block_rows, -(-stop // self.block_rows)):
            first = max(index * self.block_rows, start)
            last = min((index + 1) * self.block_rows, stop)
            out[first - start : last - start] = self.read(first, last)

    def _block(self, index: int) -> Rows:
        index_there, rows = getattr(self._last, "block", (-1, None))
        if index_there != index or rows is None:
            start = index * self.block_rows
            self._last.block = (-1, None)  # freed before the next one is read
            rows = self.source.read(start, min(start + self.block_rows, self.shape[0]))
            self._last.block = (index, rows)
        return rows

    def __reduce__(self) -> tuple[Any, ...]:
        return (AlignedSource, (self.source, self.block_rows))
