"""What is done with a model: labels and distances written, its inertia taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from streamkm.data.output import Target
from streamkm.kernels.lloyd import Inertia, inertia_of
from streamkm.tasks.base import PassResult, PassStats, read_group, refuse_bad, refuse_bad_values
from streamkm.typing import F64, ColumnSource, Labeler, Rows, RowSource


@dataclass(frozen=True, slots=True)
class WriteContext:
    """Context of the passes that write one value or row of values a row."""

    source: RowSource
    model: Labeler
    target: Target


@dataclass(frozen=True, slots=True)
class ScoreContext:
    """Context of `score`: one model over rows."""

    source: RowSource
    weights: ColumnSource | None
    model: Labeler


def score(group: Any, context: ScoreContext) -> PassResult:
    """Inertia of one model."""
    model = context.model
    inertias: list[Inertia] = []

    def consume(start: int, rows: Rows, weights: F64 | None) -> None:
        labels, sq_dist = model.assign(rows)
        refuse_bad(labels, start)
        inertias.append(inertia_of(sq_dist, labels, weights, model.n_clusters))

    stats = read_group(group, context, consume)
    return PassResult((Inertia.merge_all(inertias),), stats)


def predict(group: Any, context: WriteContext) -> PassStats:
    """Write the label of every row."""

    def consume(start: int, rows: Rows, weights: F64 | None) -> None:
        labels, _ = context.model.assign(rows)
        refuse_bad(labels, start)
        context.target.write(start, labels)

    return read_group(group, context, consume)


def transform(group: Any, context: WriteContext) -> PassStats:
    """Write the distances of every row to all centers."""

    def consume(start: int, rows: Rows, weights: F64 | None) -> None:
        refuse_bad_values(rows, start)
        context.target.write(start, context.model.distances(rows))

    return read_group(group, context, consume)
