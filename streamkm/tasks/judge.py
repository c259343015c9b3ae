"""The passes that judge models: the members of their clusters, every measure, classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from streamkm.kernels.centers import prepare
from streamkm.kernels.contingency import Coded, Contingency
from streamkm.kernels.frame import Frame
from streamkm.kernels.judge import JudgeAccumulator, Judged
from streamkm.kernels.member_sums import MembersAccumulator
from streamkm.kernels.members import Members
from streamkm.kernels.nearest import Nearest
from streamkm.kernels.separation import Means
from streamkm.tasks.base import PassResult, read_group, refuse_bad, refuse_bad_values
from streamkm.typing import F64, I32, ColumnSource, Labeler, Rows, RowSource


@dataclass(frozen=True, slots=True)
class Subject:
    """One model that is judged.

    Parameters
    ----------
    labeler
        The model as the workers see it.
    centers
        Shape (n_clusters, n_features), where distances are measured.
    frame
        Where they are measured from.
    grid
        Of the sums over members, where these are taken.
    means
        The members' means, once they are known.
    """

    labeler: Labeler
    centers: F64
    frame: Frame
    grid: I32 | None = None
    means: Means | None = None


@dataclass(frozen=True, slots=True)
class JudgeContext:
    """Context of every pass that judges: the models that share it.

    Parameters
    ----------
    source, weights
        Rows and their weights.
    subjects
        The models.
    classes
        Known classes, or None.
    """

    source: RowSource
    weights: ColumnSource | None = None
    subjects: tuple[Subject, ...] = ()
    classes: ColumnSource | None = None

    @property
    def partial_bytes(self) -> int:
        """Bytes of one task's result."""
        return sum(2 * subject.centers.nbytes for subject in self.subjects)

    def coded(self, start: int, n_rows: int) -> Coded | None:
        """Return the classes of a block."""
        if self.classes is None:
            return None
        return Coded.of(self.classes.read(start, start + n_rows), start)


@dataclass(frozen=True, slots=True)
class Extent:
    """Least and largest value of each feature, shape (n_features,)."""

    low: F64
    high: F64

    @classmethod
    def merge_all(cls, parts: Sequence[Extent]) -> Extent:
        """Return the range of all."""
        low = np.min([part.low for part in parts], axis=0)
        return cls(low, np.max([part.high for part in parts], axis=0))


def extent(group: Any, context: JudgeContext) -> PassResult:
    """Range of the data."""
    found: list[Extent] = []

    def consume(start: int, rows: Rows, weights: F64 | None) -> None:
        refuse_bad_values(rows, start)
        low, high = rows.min(axis=0), rows.max(axis=0)
        found.append(Extent(low.astype(np.float64), high.astype(np.float64)))

    stats = read_group(group, context, consume)
    return PassResult((Extent.merge_all(found),), stats)


def members(group: Any, context: JudgeContext) -> PassResult:
    """Counts, sums and spread of the members of every cluster, for every model."""
    sums: list[MembersAccumulator] = []
    for subject in context.subjects:
        assert subject.grid is not None
        ready = prepare(subject.centers, subject.frame)
        sums.append(MembersAccumulator(ready, subject.grid))

    def consume(start: int, rows: Rows, weights: F64 | None) -> None:
        for subject, total in zip(context.subjects, sums, strict=True):
            points, labeler = subject.labeler.points(rows), subject.labeler.at_points
            known = None if isinstance(labeler, Nearest) else labeler.assign(points)[0]
            refuse_bad(total.add(points, known)[0], start)

    stats = read_group(group, context, consume)
    parts: tuple[Members, ...] = tuple(total.result() for total in sums)
    return PassResult(parts, stats)


def judge(group: Any, context: JudgeContext) -> PassResult:
    """All that the measures need, for every model."""
    sums: list[JudgeAccumulator] = []
    for subject in context.subjects:
        assert subject.means is not None
        sums.append(JudgeAccumulator(subject.means, is_weighted=context.weights is not None))

    def consume(start: int, rows: Rows, weights: F64 | None) -> None:
        classes = context.coded(start, len(rows))
        for subject, total in zip(context.subjects, sums, strict=True):
            points, labeler = subject.labeler.points(rows), subject.labeler.at_points
            labels, sq_dist = labeler.assign(points)
            refuse_bad(labels, start)
            total.add(start, points, labels, sq_dist, weights, classes)

    stats = read_group(group, context, consume)
    parts: tuple[Judged, ...] = tuple(total.result() for total in sums)
    return PassResult(parts, stats)


def tabulate(group: Any, context: JudgeContext) -> PassResult:
    """Clusters against known classes, for every model."""
    found: list[list[Contingency]] = [[] for _ in context.subjects]

    def consume(start: int, rows: Rows, weights: F64 | None) -> None:
        classes = context.coded(start, len(rows))
        assert classes is not None
        for subject, tables in zip(context.subjects, found, strict=True):
            labels = subject.labeler.assign(rows)[0]
            refuse_bad(labels, start)
            tables.append(classes.count(labels, len(subject.centers)))

    stats = read_group(group, context, consume)
    return PassResult(tuple(Contingency.merge_all(tables) for tables in found), stats)
