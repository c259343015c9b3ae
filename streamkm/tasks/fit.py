"""The passes of a fit: partial sums, final inertia, farthest rows, k-means|| draws."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from streamkm.kernels.assign import assign
from streamkm.kernels.centers import prepare
from streamkm.kernels.exact_sum import ExactSum
from streamkm.kernels.hashing import uniform_rows
from streamkm.kernels.lloyd import (
    Grids,
    Inertia,
    LloydAccumulator,
    PartialSums,
    add_by_label,
    inertia_of,
)
from streamkm.kernels.select import SelectedRows
from streamkm.kernels.tile import Frame
from streamkm.tasks.base import PassResult, read_group, refuse_bad
from streamkm.typing import F64, I32, ColumnSource, Rows, RowSource


@dataclass(frozen=True, slots=True)
class FitContext:
    """Context of every pass of a fit: the centers of all models that share it.

    Parameters
    ----------
    source, weights
        Rows and their weights.
    models
        Centers, shape (n_clusters, n_features) each.
    frame, grids
        Where distances are measured from; the grids of the sums.
    capacity, keys
        Of the rows that a pass selects: how many, and under which keys.
    spread
        Grid of the sums of squared distances, where they are taken by cluster.
    """

    source: RowSource
    weights: ColumnSource | None
    models: tuple[F64, ...]
    frame: Frame
    grids: Grids
    capacity: int = 0
    keys: tuple[np.uint64, ...] = ()
    spread: I32 | None = None

    @property
    def partial_bytes(self) -> int:
        """Bytes of one task's result."""
        return sum(2 * center.nbytes for center in self.models)


def lloyd(group: Any, context: FitContext) -> PassResult:
    """Partial sums of one Lloyd pass, for every model."""
    models = [LloydAccumulator(prepare(c, context.frame), context.grids) for c in context.models]

    def consume(start: int, rows: Rows, weights: F64 | None) -> None:
        for model in models:
            model.add(rows, weights)

    stats = read_group(group, context, consume)
    parts: tuple[PartialSums, ...] = tuple(model.result() for model in models)
    return PassResult(parts, stats)


def step(group: Any, context: FitContext) -> PassResult:
    """Partial sums, and squared distances summed by cluster: what a mini-batch step needs."""
    (centers,) = context.models
    sums = LloydAccumulator(prepare(centers, context.frame), context.grids)
    assert context.spread is not None
    spread = ExactSum.zeros((len(centers), 1), context.spread)

    def consume(start: int, rows: Rows, weights: F64 | None) -> None:
        sq_dist = np.empty(len(rows))
        labels = sums.add(rows, weights, sq_dist)
        refuse_bad(labels, start)
        add_by_label(spread, sq_dist if weights is None else sq_dist * weights, labels)

    stats = read_group(group, context, consume)
    return PassResult((sums.result(), spread), stats)


def close(group: Any, context: FitContext) -> PassResult:
    """Inertia and counts of the final centers, for every model."""
    models = [prepare(center, context.frame) for center in context.models]
    found: list[list[Inertia]] = [[] for _ in models]

    def consume(start: int, rows: Rows, weights: F64 | None) -> None:
        for model, parts in zip(models, found, strict=True):
            labels, sq_dist = assign(rows, model)
            refuse_bad(labels, start)
            parts.append(inertia_of(sq_dist, labels, weights, len(model.exact)))

    stats = read_group(group, context, consume)
    return PassResult(tuple(Inertia.merge_all(parts) for parts in found), stats)


def farthest(group: Any, context: FitContext) -> PassResult:
    """Rows farthest from their centers, for every model."""
    models = [prepare(center, context.frame) for center in context.models]
    found: list[list[SelectedRows]] = [[] for _ in models]

    def consume(start: int, rows: Rows, weights: F64 | None) -> None:
        for model, parts in zip(models, found, strict=True):
            keys = -assign(rows, model)[1]
            keys[keys == 0.0] = np.inf  # a row on its center is no better place for another
            if weights is not None:
                keys[weights <= 0.0] = np.inf
            parts.append(SelectedRows.pick(context.capacity, keys, start, rows))

    stats = read_group(group, context, consume)
    return PassResult(tuple(SelectedRows.merge_all(parts) for parts in found), stats)


def oversample(group: Any, context: FitContext) -> PassResult:
    """Draws for k-means||: rows by squared distance to the candidates so far."""
    models = [prepare(center, context.frame) for center in context.models]
    found: list[list[SelectedRows]] = [[] for _ in models]

    def consume(start: int, rows: Rows, weights: F64 | None) -> None:
        for model, key, parts in zip(models, context.keys, found, strict=True):
            rates = assign(rows, model)[1]
            if weights is not None:
                rates *= weights
            uniform = uniform_rows(key, start, start + len(rows))
            with np.errstate(divide="ignore", invalid="ignore"):
                keys = np.where(rates > 0.0, -np.log(uniform) / rates, np.inf)
            parts.append(SelectedRows.pick(context.capacity, keys, start, rows))

    stats = read_group(group, context, consume)
    return PassResult(tuple(SelectedRows.merge_all(parts) for parts in found), stats)
