"""Sums of rows of which something is kept: changes, where their labels are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from streamkm.kernels.accumulate import LloydAccumulator, SumsAccumulator
from streamkm.kernels.assign import label_rows
from streamkm.kernels.bounds import assign_moved
from streamkm.kernels.kept_rows import KeptPass
from streamkm.kernels.lloyd import Grids, PartialSums
from streamkm.kernels.shadows import Looks, assign_seen
from streamkm.typing import F64, Rows


@dataclass(frozen=True, slots=True)
class KeptSums:
    """Sums of all rows, taken apart.

    Parameters
    ----------
    whole
        Sums of the rows of which nothing is kept; None where there were none.
    change
        What the others add to their sums of the pass before; None likewise.
    n_moved
        Rows of the latter with another label than before.
    looks
        Rows of which a subspace was asked, and of how many in vain.
    """

    whole: PartialSums | None
    change: PartialSums | None
    n_moved: int
    looks: Looks = (0, 0)

    @classmethod
    def merge_all(cls, parts: Sequence[KeptSums]) -> KeptSums:
        """Add them all."""
        return cls(
            merged([part.whole for part in parts]),
            merged([part.change for part in parts]),
            sum(part.n_moved for part in parts),
            (sum(part.looks[0] for part in parts), sum(part.looks[1] for part in parts)),
        )


def merged(parts: Sequence[PartialSums | None]) -> PartialSums | None:
    """Add those that there are; one alone is returned as it is."""
    found = [part for part in parts if part is not None]
    return PartialSums.merge_all(found) if len(found) > 1 else next(iter(found), None)


class KeptAccumulator:
    """Labels blocks of rows and adds them, as changes where their labels are kept."""

    def __init__(self, passed: KeptPass, grids: Grids) -> None:
        self.passed, self.grids = passed, grids
        self.whole: LloydAccumulator | None = None
        self.change: SumsAccumulator | None = None
        self.n_moved = 0
        self.looks: Looks = (0, 0)

    def add(self, start: int, rows: Rows, weights: F64 | None) -> None:
        """Add a block whose first row is row `start` of the data."""
        n = min(max(len(self.passed.rows.labels) - start, 0), len(rows))
        if n > 0:
            self._bring_up(start, rows[:n], None if weights is None else weights[:n])
        if n < len(rows):
            if self.whole is None:
                self.whole = LloydAccumulator(self.passed.centers, self.grids)
            self.whole.add(rows[n:], None if weights is None else weights[n:])

    def _bring_up(self, start: int, rows: Rows, weights: F64 | None) -> None:
        centers = self.passed.centers
        if self.change is None:
            self.change = SumsAccumulator(len(centers.exact), self.grids, centers.frame)
        known = self.passed.rows.part(start, start + len(rows))
        labels = known[0]
        is_first = bool(labels[0] < 0 and (labels < 0).all())
        shadow, motion = self.passed.shadow, self.passed.motion
        seen = self.passed.rows.seen
        if shadow is not None and motion is not None and seen is not None and not is_first:
            here = seen[start : start + len(rows)]
            found, looks = assign_seen(rows, centers, motion, known, shadow, here)
            (moved, before, n_bad), (asked, in_vain) = found, self.looks
            self.looks = asked + looks[0], in_vain + looks[1]
        elif self.passed.rows.n_groups:
            moved, before, n_bad = assign_moved(rows, centers, motion, known)
        else:
            old = labels.copy()
            label_rows(rows, centers, labels)
            moved = np.flatnonzero(old != labels)
            before, n_bad = old[moved], int(np.count_nonzero(labels < 0))
        self.change.n_bad += n_bad
        self.n_moved += len(moved)
        if is_first:
            self.change.add_labeled(rows, weights, labels)
        else:
            self.change.move(rows, weights, moved, before, labels)

    def result(self) -> KeptSums:
        """Return what was added so far."""
        whole, change = self.whole, self.change
        return KeptSums(
            None if whole is None else whole.result(),
            None if change is None else change.result(),
            self.n_moved,
            self.looks,
        )
