"""Counts of rows by cluster and class. Classes are any whole numbers, found as they come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streamkm.errors import SourceError
from streamkm.typing import I32, I64

MAX_CLASSES: Final = 1 << 16
MAX_CELLS: Final = 1 << 22  # clusters times classes: 32 MiB a table
MAX_SPAN: Final = 1 << 20  # of classes that are found by a table, not by sorting


@dataclass(frozen=True, slots=True)
class Contingency:
    """Rows of each cluster and class.

    Parameters
    ----------
    classes
        The classes that occur, ascending, shape (n_classes,), int64.
    table
        Shape (n_clusters, n_classes), int64.

    Raises
    ------
    SourceError
        If there are more classes than 65 536, or more cells than 4 194 304.
    """

    classes: I64
    table: I64

    @classmethod
    def merge_all(cls, parts: Sequence[Contingency]) -> Contingency:
        """Add them all; classes that one part has not met are those of the others."""
        classes = np.unique(np.concatenate([part.classes for part in parts]))
        n_clusters = len(parts[0].table)
        refuse_too_many(len(classes), n_clusters)
        table = np.zeros((n_clusters, len(classes)), np.int64)
        for part in parts:
            table[:, np.searchsorted(classes, part.classes)] += part.table
        return cls(classes, table)


@dataclass(frozen=True, slots=True)
class Coded:
    """The classes of one block: those that occur, and which of them each row has."""

    classes: I64
    codes: NDArray[np.intp]

    @classmethod
    def of(cls, values: NDArray[Any], start: int) -> Coded:
        """Read the classes of a block whose first row is row `start`.

        Raises
        ------
        SourceError
            If they are not whole numbers, or too many.
        """
        whole = _whole(values, start)
        low = int(whole.min())
        if int(whole.max()) - low < MAX_SPAN:
            shifted = whole - low
            is_there = np.zeros(int(shifted.max()) + 1, np.bool_)
            is_there[shifted] = True
            classes = np.flatnonzero(is_there) + low
            codes = (np.cumsum(is_there) - 1)[shifted]
        else:
            classes, codes = np.unique(whole, return_inverse=True)
        refuse_too_many(len(classes), 1)
        return cls(classes, codes)

    def count(self, labels: I32, n_clusters: int) -> Contingency:
        """Count the rows of the block."""
        n_classes = len(self.classes)
        refuse_too_many(n_classes, n_clusters)
        flat = labels.astype(np.int64) * n_classes + self.codes
        counts = np.bincount(flat, minlength=n_clusters * n_classes)
        return Contingency(self.classes, counts.reshape(n_clusters, n_classes).astype(np.int64))


def _whole(values: NDArray[Any], start: int) -> I64:
    if values.dtype.kind == "f":
        with np.errstate(invalid="ignore"):
            bad = np.flatnonzero(~((values == np.floor(values)) & (np.abs(values) < 2.0**53)))
    elif values.dtype == np.uint64:
        bad = np.flatnonzero(values >> np.uint64(63))
    else:
        bad = np.empty(0, np.int64)
    if len(bad):
        raise SourceError(
            f"labels must be whole numbers to be scored against, got {values[bad[0]]} at row "
            f"{start + bad[0]}"
        )
    return values.astype(np.int64)


def refuse_too_many(n_classes: int, n_clusters: int) -> None:
    """Refuse classes that are none, such as row numbers."""
    if n_classes > MAX_CLASSES:
        raise SourceError(
            f"labels of more than {MAX_CLASSES} different values are not classes; "
            "none are scored against"
        )
    if n_classes * n_clusters > MAX_CELLS:
        raise SourceError(
            f"{n_clusters} clusters by {n_classes} or more classes are too many to be counted: "
            f"at most {MAX_CELLS} pairs are"
        )
