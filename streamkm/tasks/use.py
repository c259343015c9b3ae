"""What is done with a model: labels and distances written, its inertia taken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from streamkm.data.output import Target
from streamkm.data.unfinished import DoneChunks
from streamkm.kernels.lloyd import Inertia, inertia_of
from streamkm.tasks.base import PassResult, PassStats, read_group, refuse_bad, refuse_bad_values
from streamkm.typing import F64, I32, ColumnSource, Labeler, Rows, RowSource


@dataclass(frozen=True, slots=True)
class WriteContext:
    """Context of the passes that write one value or row of values a row.

    `done` says which blocks are there already; None where all are to be written.
    """

    source: RowSource
    model: Labeler
    target: Target
    done: DoneChunks | None = None


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

    def labels_of(start: int, rows: Rows) -> I32:
        labels, _ = context.model.assign(rows)
        refuse_bad(labels, start)
        return labels

    return _write(group, context, labels_of)


def transform(group: Any, context: WriteContext) -> PassStats:
    """Write the distances of every row to all centers."""

    def distances_of(start: int, rows: Rows) -> F64:
        refuse_bad_values(rows, start)
        return context.model.distances(rows)

    return _write(group, context, distances_of)


def _write(
    group: Any, context: WriteContext, values_of: Callable[[int, Rows], NDArray[Any]]
) -> PassStats:
    """Write what each block becomes, where that is not there yet."""
    done = context.done

    def consume(start: int, rows: Rows, weights: F64 | None) -> None:
        context.target.write(start, values_of(start, rows))
        if done is not None:
            done.add(start, start + len(rows))

    return read_group(group if done is None else done.left_of(group), context, consume)
