"""The pass that looks for single members of clusters: the nearest, the farthest, or drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from streamkm.kernels.cluster_rows import ClusterRows
from streamkm.kernels.hashing import uniform_rows
from streamkm.tasks.base import PassResult, read_group, refuse_bad
from streamkm.typing import F64, Labeler, Rows, RowSource

MERGE_AT: Final = 8  # blocks whose rows wait to be merged


@dataclass(frozen=True, slots=True)
class MembersContext:
    """Context of `pick`.

    Parameters
    ----------
    source, model
        Rows, and what labels them.
    capacity
        The most rows of a cluster.
    sign
        1 for the nearest, -1 for the farthest; of no meaning with a key.
    key
        Key of the hash that rows are drawn by, or None.
    with_rows
        Whether the rows themselves are kept.
    """

    source: RowSource
    model: Labeler
    capacity: int
    sign: float
    key: np.uint64 | None
    with_rows: bool

    @property
    def partial_bytes(self) -> int:
        """Bytes of one task's result."""
        width = self.source.shape[1] * self.source.dtype.itemsize if self.with_rows else 0
        return self.model.n_clusters * self.capacity * (width + 32)


def pick(group: Any, context: MembersContext) -> PassResult:
    """Rows of every cluster with the smallest keys."""
    found: list[ClusterRows] = []

    def consume(start: int, rows: Rows, weights: F64 | None) -> None:
        labels, sq_dist = context.model.assign(rows)
        refuse_bad(labels, start)
        keys = context.sign * sq_dist
        if context.key is not None:
            keys = uniform_rows(context.key, start, start + len(rows))
        kept = rows if context.with_rows else rows[:, :0]
        found.append(ClusterRows.pick(context.capacity, labels, keys, sq_dist, start, kept))
        if len(found) == MERGE_AT:
            found[:] = [ClusterRows.merge_all(found)]

    stats = read_group(group, context, consume)
    return PassResult((ClusterRows.merge_all(found),), stats)
