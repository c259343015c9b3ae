"""The passes of a fit: partial sums, final inertia, farthest rows, k-means|| draws."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from streamkm.kernels.accumulate import LloydAccumulator
from streamkm.kernels.active_rows import ActiveAccumulator, ActivePass
from streamkm.kernels.assign import assign
from streamkm.kernels.centers import prepare
from streamkm.kernels.exact_sum import ExactSum
from streamkm.kernels.frame import Frame
from streamkm.kernels.hashing import uniform_rows
from streamkm.kernels.kept_rows import KeptPass
from streamkm.kernels.kept_sums import KeptAccumulator
from streamkm.kernels.lloyd import Grids, Inertia, inertia_of
from streamkm.kernels.member_sums import MembersAccumulator
from streamkm.kernels.members import Closing
from streamkm.kernels.open_sum import add_labeled
from streamkm.kernels.select import SelectedRows
from streamkm.tasks.base import PassResult, read_group, refuse_bad
from streamkm.tasks.held import HoldingAccumulator, SentActive
from streamkm.tasks.sent import SentAccumulator, SentPass
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
    members
        Grids of the sums over members, one a model, where a closing pass takes them.
    kept
        For each model what is kept of the rows, in this process or by workers, or
        which of them are chosen to be held; None where nothing is.
    """

    source: RowSource
    weights: ColumnSource | None
    models: tuple[F64, ...]
    frame: Frame
    grids: Grids
    capacity: int = 0
    keys: tuple[np.uint64, ...] = ()
    spread: I32 | None = None
    members: tuple[I32, ...] = ()
    kept: tuple[KeptPass | SentPass | ActivePass | SentActive | None, ...] = ()

    @property
    def partial_bytes(self) -> int:
        """Bytes of one task's result."""
        return sum(2 * center.nbytes for center in self.models)


def lloyd(group: Any, context: FitContext) -> PassResult:
    """Partial sums of one Lloyd pass, for every model; KeptSums or ActiveSums as `kept` says."""
    kept = context.kept or (None,) * len(context.models)
    models: list[Any] = []
    for centers, passed in zip(context.models, kept, strict=True):
        if passed is None:
            models.append(LloydAccumulator(prepare(centers, context.frame), context.grids))
        elif isinstance(passed, KeptPass):
            models.append(KeptAccumulator(passed, context.grids))
        elif isinstance(passed, SentPass):
            own = SentAccumulator(passed, centers, context.frame, context.grids, group)
            models.append(own)
        elif isinstance(passed, SentActive):
            ready = prepare(centers, context.frame, passed.order)
            models.append(HoldingAccumulator(passed, ready, context.grids, group))
        else:
            assert isinstance(passed, ActivePass)
            models.append(ActiveAccumulator(passed, context.grids, group.n_rows))

    def consume(start: int, rows: Rows, weights: F64 | None) -> None:
        for model in models:
            if isinstance(model, LloydAccumulator):
                model.add(rows, weights)
            else:
                model.add(start, rows, weights)

    stats = read_group(group, context, consume)
    parts: tuple[Any, ...] = tuple(model.result() for model in models)
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
        squares = sq_dist if weights is None else sq_dist * weights
        add_labeled(spread, squares[:, None], labels)

    stats = read_group(group, context, consume)
    return PassResult((sums.result(), spread), stats)


def close(group: Any, context: FitContext) -> PassResult:
    """Inertia, counts, and where wanted the members of the final centers, for every model."""
    models = [prepare(center, context.frame) for center in context.models]
    wanted = context.members or [None] * len(models)
    members = [
        None if g is None else MembersAccumulator(m, g) for m, g in zip(models, wanted, strict=True)
    ]
    found: list[list[Inertia]] = [[] for _ in models]

    def consume(start: int, rows: Rows, weights: F64 | None) -> None:
        for model, member, parts in zip(models, members, found, strict=True):
            labels, sq_dist = assign(rows, model) if member is None else member.add(rows)
            refuse_bad(labels, start)
            parts.append(inertia_of(sq_dist, labels, weights, len(model.exact)))

    stats = read_group(group, context, consume)
    parts = tuple(
        Closing(Inertia.merge_all(parts), None if member is None else member.result())
        for parts, member in zip(found, members, strict=True)
    )
    return PassResult(parts, stats)


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
