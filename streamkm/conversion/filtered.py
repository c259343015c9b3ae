"""A source without its bad rows: same protocol, fewer rows."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streamkm.data.aligned import AlignedSource
from streamkm.kernels.moments import find_bad_rows
from streamkm.typing import I64, ColumnSource, Rows, RowSource, SourceInfo

KEPT_MASKS: Final = 64
Read = Callable[[int, int], NDArray[Any]]


class FilteredSource:
    """Rows of another source that hold neither NaN nor infinity.

    Parameters
    ----------
    source
        Where the rows come from.
    classes
        Its labels, filtered alike.
    starts, n_bad
        First row of each block that was counted, and its bad rows.
    """

    def __init__(
        self, source: RowSource, classes: ColumnSource | None, starts: I64, n_bad: I64
    ) -> None:
        self.source = source
        self.classes = classes
        self.starts = starts.tolist()
        self.n_bad = n_bad
        ends = np.append(starts[1:], source.shape[0])
        self.good_before = np.concatenate([[0], np.cumsum(ends - starts - n_bad)]).tolist()
        self.ends = ends.tolist()
        self._masks: dict[int, NDArray[np.bool_]] = {}
        self._read = source.read
        self._read_class = classes.read if classes is not None else None
        if source.info.is_sequential:  # chunks meet inside blocks: do not go back for these
            rows = int(starts[1]) if len(starts) > 1 else source.shape[0]
            self._read = AlignedSource(source, rows).read
            if classes is not None:
                self._read_class = AlignedSource(classes, rows).read

    @property
    def shape(self) -> tuple[int, int]:
        """Number of good rows and of features."""
        return int(self.good_before[-1]), self.source.shape[1]

    @property
    def dtype(self) -> np.dtype[Any]:
        """The source's dtype."""
        return self.source.dtype

    @property
    def info(self) -> SourceInfo:
        """What the source says; its parts begin near where they did."""
        info = self.source.info
        parts = (self.good_before[bisect_right(self.starts, part) - 1] for part in info.parts)
        return replace(info, parts=tuple(parts))

    @property
    def labels(self) -> ColumnSource | None:
        """The source's labels, of the good rows."""
        if self.classes is None or self._read_class is None:
            return None
        return _FilteredColumn(self, self.classes.dtype, self._read_class)

    def read(self, start: int, stop: int) -> Rows:
        """Good rows `start` to `stop`."""
        return self.gather(start, stop, self._read)

    def gather(self, start: int, stop: int, read: Read) -> NDArray[Any]:
        """Read good rows block by block with `read(start, stop)`."""
        parts = []
        block = bisect_right(self.good_before, start) - 1
        while block < len(self.starts) and self.good_before[block] < stop:
            values = read(self.starts[block], self.ends[block])
            good = values[self._mask(block, values)]
            begin = self.good_before[block]
            parts.append(good[max(start - begin, 0) : stop - begin])
            block += 1
        return np.concatenate(parts)

    def _mask(self, block: int, values: NDArray[Any]) -> NDArray[np.bool_]:
        if not self.n_bad[block]:
            return np.ones(len(values), np.bool_)
        mask = self._masks.get(block)
        if mask is None:
            is_rows = values.ndim == 2
            rows = values if is_rows else self._read(self.starts[block], self.ends[block])
            mask = np.ones(len(rows), np.bool_)
            mask[find_bad_rows(rows)] = False
            if len(self._masks) >= KEPT_MASKS:
                self._masks.pop(next(iter(self._masks)), None)
            self._masks[block] = mask
        return mask


class _FilteredColumn:
    def __init__(self, rows: FilteredSource, dtype: np.dtype[Any], read: Read) -> None:
        self.rows = rows
        self.dtype = dtype
        self._read = read

    @property
    def shape(self) -> tuple[int, ...]:
        return self.rows.shape[:1]

    def read(self, start: int, stop: int) -> NDArray[Any]:
        return self.rows.gather(start, stop, self._read)
