"""The plainest labeler: every row belongs to its nearest center."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streamkm.kernels.assign import assign
from streamkm.kernels.centers import prepare
from streamkm.kernels.frame import Frame
from streamkm.kernels.seeding import distances
from streamkm.typing import F64, I32, Rows


@dataclass(frozen=True, slots=True)
class Nearest:
    """Labels rows with their nearest centers.

    Parameters
    ----------
    centers
        Shape (n_clusters, n_features).
    frame
        Where distances are measured from.
    """

    centers: F64
    frame: Frame

    @property
    def n_clusters(self) -> int:
        """Number of centers."""
        return len(self.centers)

    def assign(self, rows: Rows) -> tuple[I32, F64]:
        """Return labels and squared distances; O(n_rows * n_features * n_clusters)."""
        return assign(rows, prepare(self.centers, self.frame))

    def points(self, rows: Rows) -> Rows:
        """Return the rows themselves."""
        return rows

    @property
    def at_points(self) -> Nearest:
        """Itself."""
        return self

    def distances(self, rows: Rows) -> F64:
        """Euclidean distances, or 1 - cosine, shape (n_rows, n_clusters)."""
        sq_dist = distances(rows, self.centers, self.frame.view).T
        return sq_dist / 2.0 if self.frame.is_cosine else np.sqrt(sq_dist)
