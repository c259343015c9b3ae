"""Blocks of rows added to the members of clusters, labeled on the way where need be."""

from __future__ import annotations

import numpy as np

from streamkm.kernels.assign import assign_tile
from streamkm.kernels.binned_sum import BinnedSum, add_by_label
from streamkm.kernels.centers import CenterArrays, Centers
from streamkm.kernels.compiled import compiled, compiled_making
from streamkm.kernels.dots import ordered_dot
from streamkm.kernels.exact_sum import ExactSum
from streamkm.kernels.frame import FrameArrays
from streamkm.kernels.members import Members
from streamkm.kernels.open_sum import OpenSum, SumArrays, add_rows
from streamkm.kernels.panels import make_scratch
from streamkm.kernels.tile import readable, see_tile
from streamkm.typing import F32, F64, I32, Rows


class MembersAccumulator:
    """Adds blocks of rows to the members of one model's clusters."""

    def __init__(self, centers: Centers, exponents: I32) -> None:
        n_clusters = len(centers.exact)
        self.centers = centers
        self.counts = np.zeros(n_clusters, np.int64)
        self.sums = OpenSum(ExactSum.zeros(centers.exact.shape, exponents))
        self.spread = BinnedSum.zeros(n_clusters)

    def add(self, rows: Rows, labels: I32 | None = None) -> tuple[I32, F64]:
        """Add a block; return its labels and squared distances as `assign` does.

        Rows with a negative label are left out. Without `labels`, the nearest
        centers are looked for.
        """
        native, table = readable(rows)
        is_labeled = labels is not None
        found = np.empty(len(rows), np.int32) if labels is None else labels
        sq_dist = np.empty(len(rows))
        center = self.centers
        _members_block(
            native,
            table,
            center.frame.arrays(rows.dtype),
            center.arrays,
            is_labeled,
            found,
            sq_dist,
            self.sums.arrays,
        )
        kept = found if found.min(initial=0) >= 0 else found[found >= 0]
        self.counts += np.bincount(kept, minlength=len(self.counts))
        add_by_label(self.spread, sq_dist[found >= 0] if kept is not found else sq_dist, kept)
        return found, sq_dist

    def result(self) -> Members:
        """Return what was added so far."""
        return Members(self.counts, self.sums.close(), self.spread)


@compiled_making
def _members_block(
    rows: Rows,
    table: F32 | None,
    frame: FrameArrays,
    centers: CenterArrays,
    is_labeled: bool,
    labels: I32,
    sq_dist: F64,
    sums: SumArrays,
) -> None:  # pragma: no cover - compiled
    exact = centers[0]
    n_rows, n_features = len(rows), exact.shape[1]
    found = make_scratch(centers)
    step = len(found[0])
    tile = np.empty((step, n_features))
    none = np.empty(0)
    for start in range(0, n_rows, step):
        n = min(step, n_rows - start)
        part, out = labels[start : start + n], sq_dist[start : start + n]
        if not is_labeled:
            assign_tile(rows, start, n, table, frame, centers, found, labels, none)
        see_tile(rows, start, n, table, frame[2], tile)
        if len(sums[3]) == 1:
            add_rows(tile, n, part, sums)
            _leave_centers(tile, n, part, exact, out)
        else:
            _leave_centers(tile, n, part, exact, out)
            add_rows(tile, n, part, sums)


@compiled
def _leave_centers(
    tile: F64, n: int, labels: I32, exact: F64, sq_dist: F64
) -> None:  # pragma: no cover - compiled
    """Take the rows' centers off them, in place, and the squared lengths of what is left."""
    for i in range(n):
        if labels[i] < 0:
            sq_dist[i] = np.nan
            continue
        center = exact[labels[i]]
        for j in range(tile.shape[1]):
            tile[i, j] -= center[j]
        sq_dist[i] = ordered_dot(tile[i], tile[i])
