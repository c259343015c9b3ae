"""What is known of the rows before the first pass of a fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from streamkm.cluster.state import next_centers
from streamkm.kernels.lloyd import Grids, PartialSums
from streamkm.kernels.summary import Summary
from streamkm.kernels.tile import Frame, unit_rows
from streamkm.tasks.fit import FitContext
from streamkm.typing import F64, ColumnSource, Json, Rows, RowSource


@dataclass(frozen=True, slots=True)
class FitData:
    """What is known of the rows before the first Lloyd pass.

    Parameters
    ----------
    source, weights
        Rows and their weights.
    summary
        Moments, weighted.
    sample, sample_weight
        A uniform sample, shape (n, n_features), in row order, and its weights.
    is_unit
        Whether rows count at unit length, as they do in summary and sample.
    n_zero
        Rows of zeros, which have no direction; counted where `is_unit`.
    """

    source: RowSource
    weights: ColumnSource | None
    summary: Summary
    sample: Rows
    sample_weight: F64 | None
    is_unit: bool = False
    n_zero: int = 0

    @property
    def frame(self) -> Frame:
        """Where distances are measured from."""
        return replace(self.summary.frame(), is_unit=self.is_unit)

    @property
    def grids(self) -> Grids:
        """Grids of the sums."""
        dtype = np.dtype(np.float64) if self.is_unit else self.source.dtype
        return self.summary.grids(dtype, is_weighted=self.weights is not None)

    def seen(self, rows: Rows) -> Rows:
        """Return a few rows as distances are measured: of unit length, or as they are."""
        return unit_rows(rows) if self.is_unit else rows

    def projected(self, centers: F64, before: F64 | None = None) -> F64:
        """Return centers where they may be: on the sphere, or anywhere.

        One that is zero has no direction, and stays where it was `before`.
        """
        if not self.is_unit:
            return centers
        projected = unit_rows(centers)
        if before is not None:
            lost = ~projected.any(axis=1)
            projected[lost] = before[lost]
        return projected

    def moved(self, part: PartialSums, centers: F64) -> F64:
        """Return the centers after a Lloyd update; one without weight keeps its place."""
        return self.projected(next_centers(part, centers), centers)

    def context(self, models: Sequence[F64], **fields: Any) -> FitContext:
        """Return the context of a pass over these rows, or over `source` where that is given."""
        own: Json = {"source": self.source, "weights": self.weights}
        return FitContext(models=tuple(models), frame=self.frame, grids=self.grids, **own | fields)
