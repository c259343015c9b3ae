"""A store and a source behind it: same protocol, more rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamkm.data.dataset import Dataset
from streamkm.tasks.base import refuse_bad_values
from streamkm.typing import ColumnSource, Rows, RowSource, SourceInfo

Read = Callable[[int, int], NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Appended:
    """Rows of a store and, behind them, those of a source.

    Parameters
    ----------
    old
        The store: it gives name and sample shape.
    new, classes
        What is appended, and its labels where the store has some.
    """

    old: Dataset
    new: RowSource
    classes: ColumnSource | None

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows in all, and of features."""
        n_rows, n_features = self.old.shape
        return n_rows + self.new.shape[0], n_features

    @property
    def dtype(self) -> np.dtype[Any]:
        """That of both."""
        return self.old.dtype

    @property
    def info(self) -> SourceInfo:
        """The store's name; the new source's way of reading."""
        info, n_old = self.new.info, self.old.shape[0]
        return replace(
            info,
            name=self.old.spec.source,
            sample_shape=self.old.spec.sample_shape,
            parts=tuple(n_old + part for part in info.parts),
        )

    @property
    def labels(self) -> ColumnSource | None:
        """Labels of both, where the store has some."""
        if self.old.labels is None or self.classes is None:
            return None
        return _AppendedColumn(self.old.labels, self.classes)

    def read(self, start: int, stop: int) -> Rows:
        """Rows `start` to `stop`; bad new rows are named by their numbers in the new source."""

        def read_new(first: int, last: int) -> Rows:
            rows = self.new.read(first, last)
            refuse_bad_values(rows, first, self.new.info.feature_names)
            return rows

        return _joined(self.old.shape[0], self.old.read, read_new, start, stop)


@dataclass(frozen=True, slots=True)
class _AppendedColumn:
    old: ColumnSource
    new: ColumnSource

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.old.shape[0] + self.new.shape[0],)

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.old.dtype

    def read(self, start: int, stop: int) -> NDArray[Any]:
        return _joined(self.old.shape[0], self.old.read, self.new.read, start, stop)


def _joined(n_old: int, old: Read, new: Read, start: int, stop: int) -> NDArray[Any]:
    if stop <= n_old:
        return np.asarray(old(start, stop))
    if start >= n_old:
        return np.asarray(new(start - n_old, stop - n_old))
    return np.concatenate([old(start, n_old), new(0, stop - n_old)])
