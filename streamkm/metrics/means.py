"""The means of a model's members: known from the fit, or found by a pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from streamkm.cluster.base import Clusterer
from streamkm.cluster.looking import MAX_VALUE
from streamkm.data.dataset import Dataset
from streamkm.errors import SourceError
from streamkm.kernels.members import MemberMoments, members_grid
from streamkm.kernels.separation import Means
from streamkm.kernels.summary import Summary
from streamkm.metrics.reading import Reading
from streamkm.tasks import judge as tasks
from streamkm.tasks.judge import Extent, JudgeContext, Subject
from streamkm.typing import RowSource


def with_means(current: Reading) -> tuple[Subject, ...]:
    """Return all models with their members' means: known from the fit, or by a pass."""
    known = [_known_members(model, current.rows) for model in current.models]
    unknown = [m for m, members in zip(current.models, known, strict=True) if members is None]
    measured = iter(_measured_members(current, unknown) if unknown else ())
    subjects = []
    for model, members in zip(current.models, known, strict=True):
        subject = current.subject(model)
        means = Means.of(next(measured) if members is None else members, subject.frame)
        subjects.append(replace(subject, means=means))
    return tuple(subjects)


def _known_members(model: Clusterer, rows: RowSource) -> MemberMoments | None:
    """Return what the closing pass of the fit found, where these are its rows.

    A store's fingerprint is of all its chunks; that of other data is of a few
    stretches, and proves nothing.
    """
    known = model.members_
    if (
        known is None
        or not isinstance(rows, Dataset)
        or rows.spec.fingerprint != model.fingerprint_
    ):
        return None
    return known if np.array_equal(known.centers, model.cluster_centers_) else None


def _measured_members(current: Reading, models: Sequence[Clusterer]) -> list[MemberMoments]:
    passes, dtype = current.passes, current.rows.dtype
    bare = [current.subject(model) for model in models]
    are_rows = [s.labeler.at_points is s.labeler and not s.frame.view.is_unit for s in bare]
    span = _extent(current) if any(are_rows) else None
    subjects = []
    for subject, is_rows in zip(bare, are_rows, strict=True):
        width = subject.centers.shape[1]
        low, high = -np.ones(width), np.ones(width)  # of unit length: cosine and embeddings
        kind, view = np.dtype(np.float64), subject.frame.view
        if is_rows and span is not None:
            low, high = (view.scaled(view.picked(edge)) for edge in (span.low, span.high))
            kind = dtype
        grid = members_grid(kind, subject.centers, low, high, view)
        subjects.append(replace(subject, grid=grid))
    context = JudgeContext(passes.source, None, tuple(subjects))
    parts = passes.run(
        tasks.members, context, stage="members", title="finding means", n_models=len(subjects)
    )
    passes.note()
    return [part.moments(s.centers) for s, part in zip(subjects, parts, strict=True)]


def _extent(current: Reading) -> Extent:
    """Return the range of the data: from the store, the dtype, or by one pass."""
    rows, dtype = current.rows, current.rows.dtype
    if isinstance(rows, Dataset):
        summary = Summary.from_json(rows.moments)
        return Extent(summary.minimum, summary.maximum)
    if dtype.itemsize <= 2 and dtype.kind != "b":
        limits: Any = np.finfo(dtype) if dtype.kind == "f" else np.iinfo(dtype)
        return Extent(*(np.full(rows.shape[1], float(v)) for v in (limits.min, limits.max)))
    context = JudgeContext(current.passes.source)
    found: Extent
    (found,) = current.passes.run(tasks.extent, context, stage="extent", title="finding the range")
    current.passes.note()
    largest = max(float(np.abs(found.low).max()), float(np.abs(found.high).max()))
    if not largest < MAX_VALUE:
        raise SourceError(f"values up to {largest:g} are too large to square")
    return found
