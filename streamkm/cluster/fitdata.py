"""What is known of the rows before the first pass of a fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from streamkm.cluster.state import next_centers
from streamkm.kernels.frame import Frame
from streamkm.kernels.lloyd import Grids, PartialSums
from streamkm.kernels.members import members_grid
from streamkm.kernels.summary import Summary
from streamkm.kernels.tile import seen_rows, unit_rows
from streamkm.kernels.view import AS_THEY_ARE, View
from streamkm.tasks.fit import FitContext
from streamkm.typing import F64, I32, ColumnSource, Json, Rows, RowSource


@dataclass(frozen=True)  # without slots: what every pass asks for is kept
class FitData:
    """What is known of the rows before the first Lloyd pass.

    Parameters
    ----------
    source, weights
        Rows and their weights.
    summary
        Moments, weighted, of the rows as they are seen.
    sample, sample_weight
        A uniform sample as it is seen, shape (n, n_used), in row order, and its
        weights; empty where none was asked for.
    view
        How rows are seen.
    is_cosine
        Whether centers lie on the sphere.
    n_zero
        Rows of zeros, which have no direction; counted where rows are at unit length.
    raw_sample
        The sample as it is in the data; the same array where it is seen so.
    """

    source: RowSource
    weights: ColumnSource | None
    summary: Summary
    sample: Rows
    sample_weight: F64 | None
    view: View = AS_THEY_ARE
    is_cosine: bool = False
    n_zero: int = 0
    raw_sample: Rows | None = None

    @cached_property
    def frame(self) -> Frame:
        """Where distances are measured from."""
        return replace(self.summary.frame(), view=self.view, is_cosine=self.is_cosine)

    @property
    def sample_frame(self) -> Frame:
        """The same for rows that are seen already, such as the sample's; lengths stay one."""
        return replace(self.frame, view=View(is_unit=self.view.is_unit))

    @cached_property
    def grids(self) -> Grids:
        """Grids of the sums."""
        dtype = self.source.dtype if self.view.keeps_values else np.dtype(np.float64)
        return self.summary.grids(dtype, is_weighted=self.weights is not None)

    def members_grid(self, centers: F64) -> I32:
        """Return the grid of sums over the members of these centers."""
        summary = self.summary
        return members_grid(self.source.dtype, centers, summary.minimum, summary.maximum, self.view)

    def seen(self, rows: Rows) -> Rows:
        """Return a few rows as distances are measured."""
        return seen_rows(rows, self.view)

    def as_centers(self, rows: Rows) -> Rows:
        """Return a few rows as centers that are still to be `projected`."""
        return seen_rows(rows, replace(self.view, is_unit=False) if self.is_cosine else self.view)

    def projected(self, centers: F64, before: F64 | None = None) -> F64:
        """Return centers where they may be: on the sphere, or anywhere.

        One that is zero has no direction, and stays where it was `before`.
        """
        if not self.is_cosine:
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
        """Return the context of a pass over these rows, or over what `fields` say instead."""
        own: Json = {"source": self.source, "weights": self.weights, "grids": self.grids}
        return FitContext(models=tuple(models), frame=self.frame, **own | fields)
