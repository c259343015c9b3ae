"""A few rows of every cluster: those with the smallest keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from streamkm.kernels.compiled import compiled
from streamkm.typing import F64, I32, I64, Rows


@dataclass(frozen=True, slots=True)
class ClusterRows:
    """At most `capacity` rows of each cluster, ties to the lowest row number.

    Parameters
    ----------
    capacity
        The most rows of a cluster that are kept.
    labels
        Their clusters, ascending, shape (n,).
    keys
        What they are chosen by, ascending in each cluster, shape (n,).
    indices
        Row numbers, shape (n,).
    distances
        Shape (n,).
    rows
        The rows, shape (n, n_features), or (n, 0) where they are not wanted.
    """

    capacity: int
    labels: I32
    keys: F64
    indices: I64
    distances: F64
    rows: Rows

    @classmethod
    def merge_all(cls, parts: Sequence[ClusterRows]) -> ClusterRows:
        """Keep the smallest keys of all parts, cluster by cluster."""
        first = parts[0]
        labels, keys, indices, distances = (
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("labels", "keys", "indices", "distances")
        )
        order = _smallest(first.capacity, labels, keys, indices)
        # Rows are gathered part by part: concatenating them all would double the memory.
        rows = np.empty((len(order), first.rows.shape[1]), first.rows.dtype)
        begin = 0
        for part in parts:
            local = order - begin
            mine = (local >= 0) & (local < len(part.keys))
            rows[mine] = part.rows[local[mine]]
            begin += len(part.keys)
        return cls(
            first.capacity, labels[order], keys[order], indices[order], distances[order], rows
        )

    @classmethod
    def pick(
        cls, capacity: int, labels: I32, keys: F64, distances: F64, start: int, rows: Rows
    ) -> ClusterRows:
        """Select from one block whose first row is row `start`; no label is negative."""
        n_clusters = int(labels.max(initial=-1)) + 1
        places = np.full((n_clusters, capacity), -1)
        _pick(labels, keys, np.full((n_clusters, capacity), np.inf), places)
        kept = places[places >= 0]
        return cls(
            capacity, labels[kept], keys[kept], kept + start, distances[kept],
            np.ascontiguousarray(rows[kept]),
        )  # fmt: skip


@compiled
def _pick(labels: I32, keys: F64, least: F64, places: I64) -> None:  # pragma: no cover - compiled
    """Fill in the smallest keys of each cluster and where they are, by insertion."""
    last = least.shape[1] - 1
    for i in range(len(keys)):
        mine, key = least[labels[i]], keys[i]
        if key < mine[last]:  # a later row that ties comes behind
            at = last
            while at > 0 and key < mine[at - 1]:
                mine[at] = mine[at - 1]
                places[labels[i], at] = places[labels[i], at - 1]
                at -= 1
            mine[at] = key
            places[labels[i], at] = i


def _smallest(capacity: int, labels: I32, keys: F64, numbers: I64) -> I64:
    """Return the places of the rows that are kept, by cluster and by key."""
    order = np.lexsort((numbers, keys, labels))
    ordered = labels[order]
    begins = np.searchsorted(ordered, ordered)  # where each row's cluster begins
    kept: I64 = order[np.arange(len(order)) - begins < capacity]
    return kept
