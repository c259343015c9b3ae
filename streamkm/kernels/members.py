"""The members of every cluster: how many they are, where their mean lies, how far they spread.

Sums are taken of what is left of a row without its cluster's center, so that
neither a common offset nor a tight cluster costs a digit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from streamkm.kernels.binned_sum import BinnedSum
from streamkm.kernels.exact_sum import ExactSum, float_grid, integer_grid
from streamkm.kernels.lloyd import Inertia
from streamkm.kernels.tile import is_exact_integer
from streamkm.kernels.view import View
from streamkm.typing import F64, I32, I64


@dataclass(frozen=True, slots=True)
class MemberMoments:
    """What is known of the members of each cluster, as plain numbers.

    Parameters
    ----------
    centers
        The centers that the rest is about, shape (n_clusters, n_features).
    counts
        Rows of each cluster, shape (n_clusters,).
    offsets
        Mean of each cluster's rows less its center, shape (n_clusters,
        n_features); zero where there are none.
    spread
        Sum of the squared distances of its rows to its center, shape
        (n_clusters,).
    """

    centers: F64
    counts: I64
    offsets: F64
    spread: F64

    def reordered(self, order: I64) -> MemberMoments:
        """Return the same with cluster `order[i]` as cluster `i`."""
        return MemberMoments(
            self.centers[order], self.counts[order], self.offsets[order], self.spread[order]
        )


@dataclass(frozen=True, slots=True)
class Members:
    """The same as order-free sums over any set of rows; every row counts once.

    Parameters
    ----------
    counts
        Rows of each cluster, shape (n_clusters,).
    sums
        Sum of its rows less its center, shape (n_clusters, n_features); of the
        rows as they are where the data is of small integers.
    spread
        Sum of squared distances to its center, one feature a cluster.
    """

    counts: I64
    sums: ExactSum
    spread: BinnedSum

    @classmethod
    def merge_all(cls, parts: Sequence[Members]) -> Members:
        """Add them all."""
        return cls(
            np.sum([part.counts for part in parts], axis=0),
            ExactSum.merge_all([part.sums for part in parts]),
            BinnedSum.merge_all([part.spread for part in parts]),
        )

    def moments(self, centers: F64) -> MemberMoments:
        """Finish: plain numbers about the centers that the sums were taken with."""
        mass = np.maximum(self.counts, 1)[:, None]
        if len(self.sums.limbs) == 1:  # integers: their nearness to the center is exact too
            whole = np.clip(np.rint(centers), -(2.0**32), 2.0**32).astype(np.int64)
            rest = (self.sums.limbs[0] - self.counts[:, None] * whole).astype(np.float64)
            offsets = rest / mass - (centers - whole)
        else:
            offsets = self.sums.value() / mass
        offsets[self.counts == 0] = 0.0
        return MemberMoments(centers, self.counts, offsets, self.spread.value())


@dataclass(frozen=True, slots=True)
class Closing:
    """What a closing pass finds of a model: its inertia, and its members where wanted."""

    inertia: Inertia
    members: Members | None

    @classmethod
    def merge_all(cls, parts: Sequence[Closing]) -> Closing:
        """Add them all."""
        members = [part.members for part in parts if part.members is not None]
        return cls(
            Inertia.merge_all([part.inertia for part in parts]),
            Members.merge_all(members) if members else None,
        )


def members_grid(dtype: np.dtype[Any], centers: F64, low: F64, high: F64, view: View) -> I32:
    """Return the grid of sums of rows less their centers.

    Parameters
    ----------
    dtype
        Of the rows.
    centers
        Shape (n_clusters, n_features).
    low, high
        Range of the rows as they are seen, by feature, shape (n_features,); not
        needed where they are at unit length.
    view
        How they are seen.
    """
    if is_exact_integer(dtype) and view.keeps_values:
        return integer_grid(centers.shape[1])
    if view.is_unit:
        low, high = np.full(centers.shape[1], -1.0), np.full(centers.shape[1], 1.0)
    reach = np.maximum(high, centers.max(axis=0)) - np.minimum(low, centers.min(axis=0))
    return float_grid(reach)
