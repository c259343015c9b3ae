"""Rows with the smallest keys: reservoirs, k-means|| draws and farthest rows are all that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from streamkm.typing import F64, I64, Rows


@dataclass(frozen=True, slots=True)
class SelectedRows:
    """At most `capacity` rows: those with the smallest keys, ties to the lowest row.

    Parameters
    ----------
    capacity
        The most rows that are kept.
    keys
        Ascending, shape (n,). A keyed hash of the row number makes a uniform
        reservoir; an exponential variate divided by a weight makes weighted
        draws without replacement (Efraimidis & Spirakis, Inf. Process. Lett.
        97, 2006); minus a distance makes the farthest rows.
    indices
        Row numbers, shape (n,).
    rows
        The rows, shape (n, n_features), in the data's own dtype.
    """

    capacity: int
    keys: F64
    indices: I64
    rows: Rows

    @classmethod
    def merge_all(cls, parts: Sequence[SelectedRows]) -> SelectedRows:
        """Keep the smallest keys of all parts."""
        first = parts[0]
        keys = np.concatenate([part.keys for part in parts])
        indices = np.concatenate([part.indices for part in parts])
        order = np.lexsort((indices, keys))[: first.capacity]
        # Rows are gathered part by part: concatenating them all would double the memory.
        rows = np.empty((len(order), first.rows.shape[1]), first.rows.dtype)
        begin = 0
        for part in parts:
            local = order - begin
            mine = (local >= 0) & (local < len(part.keys))
            rows[mine] = part.rows[local[mine]]
            begin += len(part.keys)
        return cls(first.capacity, keys[order], indices[order], rows)

    @classmethod
    def pick(cls, capacity: int, keys: F64, start: int, rows: Rows) -> SelectedRows:
        """Select from one block whose first row is row `start`; infinite keys never win."""
        usable = np.flatnonzero(np.isfinite(keys))[: None if capacity else 0]
        if len(usable) > capacity:
            # All that tie with the last are kept here, so that the sort below breaks the tie.
            bound = np.partition(keys[usable], capacity - 1)[capacity - 1]
            usable = usable[keys[usable] <= bound]
        order = usable[np.lexsort((usable, keys[usable]))][:capacity]
        return cls(capacity, keys[order], order + start, np.ascontiguousarray(rows[order]))

    @classmethod
    def nothing(cls, capacity: int, rows: Rows) -> SelectedRows:
        """Return the selection from no rows; `rows` gives the width and dtype."""
        return cls(capacity, np.empty(0), np.empty(0, np.int64), rows[:0].copy())

    def by_row(self) -> SelectedRows:
        """Return the same rows in the order of their numbers."""
        order = np.argsort(self.indices)
        return SelectedRows(self.capacity, self.keys[order], self.indices[order], self.rows[order])
