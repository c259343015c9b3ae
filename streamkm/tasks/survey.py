"""Moments and a uniform sample of the rows, in one pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamkm.kernels.hashing import uniform_rows
from streamkm.kernels.moments import MomentsAccumulator
from streamkm.kernels.narrowing import NarrowedMoments
from streamkm.kernels.select import SelectedRows
from streamkm.kernels.view import View
from streamkm.tasks.base import PassResult, read_group
from streamkm.typing import F64, ColumnSource, Rows, RowSource


@dataclass(frozen=True, slots=True)
class SurveyContext:
    """Context of `survey`: what the moments and the reservoir need.

    Where rows may be whole numbers from 0 to 255, `narrowed` gets all of them in bytes: they have
    no weights then, and are seen as they are.
    """

    source: RowSource
    weights: ColumnSource | None
    shift: F64
    sample_key: np.uint64
    sample_rows: int
    view: View  # what the moments are of; the sample is of rows as they are
    sample_share: float  # keys above it cannot be among the smallest; bounds the memory
    narrowed: NDArray[np.uint8] | None = None


def survey(group: Any, context: SurveyContext) -> PassResult:
    """Moments and a reservoir sample."""
    narrowed = context.narrowed
    moments: Any = (
        MomentsAccumulator(context.shift, context.view)
        if narrowed is None
        else NarrowedMoments(context.shift)
    )
    sample: list[SelectedRows] = []

    def consume(start: int, rows: Rows, weights: F64 | None) -> None:
        if narrowed is None:
            moments.add(rows, weights, start)
        else:
            moments.add(rows, narrowed[start : start + len(rows)])
        sample.append(sample_block(context, start, rows))

    stats = read_group(group, context, consume)
    return PassResult((moments.result(), SelectedRows.merge_all(sample)), stats)


def sample_block(context: Any, start: int, rows: Rows) -> SelectedRows:
    """Return the rows of a block that may be in the reservoir."""
    keys = uniform_rows(context.sample_key, start, start + len(rows))
    keys[keys > context.sample_share] = np.inf
    return SelectedRows.pick(context.sample_rows, keys, start, rows)
