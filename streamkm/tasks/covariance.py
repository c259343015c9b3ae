"""The pass behind principal axes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from streamkm.kernels.covariance import CovarianceAccumulator, ProductGrid
from streamkm.tasks.base import PassResult, read_group, refuse_bad_values
from streamkm.typing import F64, ColumnSource, Rows, RowSource


@dataclass(frozen=True, slots=True)
class CovarianceContext:
    """Context of `covariance`."""

    source: RowSource
    weights: ColumnSource | None
    grid: ProductGrid

    @property
    def partial_bytes(self) -> int:
        """Bytes of one task's result."""
        return 16 * len(self.grid.mean) ** 2


def covariance(group: Any, context: CovarianceContext) -> PassResult:
    """Sums of products of features."""
    sums = CovarianceAccumulator(context.grid)

    def consume(start: int, rows: Rows, weights: F64 | None) -> None:
        refuse_bad_values(rows, start)
        sums.add(rows, weights)

    stats = read_group(group, context, consume)
    return PassResult((sums.result(),), stats)
