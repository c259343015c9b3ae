"""What is added up over rows to judge a clustering: one Mergeable, by cluster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamkm.kernels.binned_sum import BinnedSum, add_by_label
from streamkm.kernels.contingency import Coded, Contingency
from streamkm.kernels.moments import Moments, MomentsAccumulator
from streamkm.kernels.separation import Means
from streamkm.typing import F64, I32, I64, Rows

MERGE_AT: Final = 8  # tables that wait to be merged
# The sums, each by cluster. The first three are weighted.
TERMS: Final = (
    "weight",
    "inertia",  # squared distances to the center
    "distance",  # distances to the center
    "scatter",  # distances to the members' mean
    "within",  # squared distances to the members' mean
    "simplified",  # simplified silhouettes
    "silhouette",
)


@dataclass(frozen=True, slots=True)
class Judged:
    """Sums over any set of rows, and their clusters against classes.

    Parameters
    ----------
    counts
        Rows of each cluster, shape (n_clusters,).
    sums
        All `TERMS`, one after the other, of n_clusters features each.
    table
        None without classes.
    moments
        Of the weighted rows about the frame's shift; None without weights.
    """

    counts: I64
    sums: BinnedSum
    table: Contingency | None
    moments: Moments | None

    @classmethod
    def merge_all(cls, parts: Sequence[Judged]) -> Judged:
        """Add them all."""
        tables = [part.table for part in parts if part.table is not None]
        moments = [part.moments for part in parts if part.moments is not None]
        return cls(
            np.sum([part.counts for part in parts], axis=0),
            BinnedSum.merge_all([part.sums for part in parts]),
            Contingency.merge_all(tables) if tables else None,
            Moments.merge_all(moments) if moments else None,
        )

    def by_cluster(self, term: str) -> F64:
        """Return one of the `TERMS` by cluster, shape (n_clusters,)."""
        return self._of(term).value()

    def total(self, term: str) -> float:
        """Return one of the `TERMS` over all rows."""
        return float(self._of(term).joined().value()[0])

    def _of(self, term: str) -> BinnedSum:
        mine = slice(TERMS.index(term) * len(self.counts), None)
        end = len(self.counts)
        return BinnedSum(self.sums.limbs[:, mine][:, :end], self.sums.top[mine][:end])


class JudgeAccumulator:
    """Adds blocks of labeled rows to the sums of one model."""

    def __init__(self, means: Means, *, is_weighted: bool) -> None:
        n_clusters = len(means.counts)
        self.means = means
        self.counts = np.zeros(n_clusters, np.int64)
        self.sums = BinnedSum.zeros(len(TERMS) * n_clusters)
        self.tables: list[Contingency] = []
        self.moments: MomentsAccumulator | None = None
        if is_weighted:
            frame = means.frame
            self.moments = MomentsAccumulator(frame.shift, frame.view)

    def add(
        self, start: int, points: Rows, labels: I32, sq_dist: F64, weights: F64 | None,
        classes: Coded | None,
    ) -> None:  # fmt: skip
        """Add a block whose first row is row `start`; no label is negative."""
        n_clusters = len(self.counts)
        self.counts += np.bincount(labels, minlength=n_clusters)
        distance = np.sqrt(sq_dist)
        if weights is None:
            self._add("inertia", labels, sq_dist)
            self._add("distance", labels, distance)
        else:
            self._add("weight", labels, weights)
            self._add("inertia", labels, sq_dist * weights)
            self._add("distance", labels, distance * weights)
        if self.means.is_separable:
            self._separate(points, labels)
        if classes is not None:
            self.tables.append(classes.count(labels, n_clusters))
            if len(self.tables) == MERGE_AT:
                self.tables = [Contingency.merge_all(self.tables)]
        if self.moments is not None:
            self.moments.add(points, weights, start)

    def _separate(self, points: Rows, labels: I32) -> None:
        own, other, all_other = self.means.measure(points, labels)
        self._add("within", labels, own)
        self._add("scatter", labels, np.sqrt(own))
        counts = self.means.counts[labels]
        is_alone = counts <= 1
        simplified = _silhouette(np.sqrt(own), np.sqrt(other), is_alone)
        self._add("simplified", labels, simplified)
        own *= counts
        own += self.means.spread[labels]
        own /= np.maximum(counts - 1, 1)  # a row is not compared with itself
        self._add("silhouette", labels, _silhouette(own, all_other, is_alone))

    def _add(self, term: str, labels: I32, values: F64) -> None:
        first = TERMS.index(term) * len(self.counts)
        add_by_label(self.sums, values, labels + np.int32(first))

    def result(self) -> Judged:
        """Return what was added so far."""
        return Judged(
            self.counts,
            self.sums,
            Contingency.merge_all(self.tables) if self.tables else None,
            None if self.moments is None else self.moments.result(),
        )


def _silhouette(own: F64, other: F64, is_alone: NDArray[np.bool_]) -> F64:
    """Return (other - own) / max(own, other): 0 where both are, and for a row that is alone."""
    largest = np.maximum(own, other)
    found: F64 = np.divide(other - own, largest, out=np.zeros_like(own), where=largest > 0.0)
    found[is_alone] = 0.0
    return found
