"""The look at the rows before a fit: their moments and a sample, from the store or by a pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from streamkm.cluster.fitdata import FitData
from streamkm.cluster.history import Recorded
from streamkm.cluster.rows import take
from streamkm.cluster.scaling import Scaling
from streamkm.data.dataset import Dataset
from streamkm.data.sampling import sample_capacity, sample_share
from streamkm.errors import BadRowsError, SourceError
from streamkm.kernels.moments import first_shift
from streamkm.kernels.narrowing import SHIFT_ROWS
from streamkm.kernels.select import SelectedRows
from streamkm.kernels.summary import Summary
from streamkm.kernels.tile import seen_rows
from streamkm.kernels.view import AS_THEY_ARE, View
from streamkm.keyed import SAMPLE, row_key
from streamkm.tasks.base import bad_rows_message
from streamkm.tasks.survey import SurveyContext, survey
from streamkm.typing import I64, ColumnSource, Rows, RowSource

MAX_VALUE: Final = 1e100


@dataclass(frozen=True, slots=True)
class Looked:
    """What a look at the rows found.

    Parameters
    ----------
    summary
        Moments of the rows through the view of the look.
    indices, sample
        Numbers and rows of a uniform sample, the rows as they are in the data; of none
        where none was asked for.
    n_zero
        Rows of zeros, where the view is at unit length.
    """

    summary: Summary
    indices: I64
    sample: Rows
    n_zero: int = 0


def what_is_stored(source: RowSource) -> Looked | None:
    """Return what a store knows of its rows, as they are and unweighted; None for other sources."""
    if not isinstance(source, Dataset):
        return None
    return Looked(Summary.from_json(source.moments), *source.sample())


def survey_rows(passes: Looking, least_sample_rows: int, view: View) -> Looked:
    """Look at the rows in one pass; without a sample where no row of one is needed.

    Raises
    ------
    BadRowsError
        If rows hold NaN or infinity.
    """
    source = passes.source
    n_rows, n_features = source.shape
    first = source.read(0, min(SHIFT_ROWS, n_rows))
    narrowed = passes.room_for_bytes(first, view)
    capacity = sample_capacity(n_rows, n_features * passes.row_dtype.itemsize)
    capacity = min(max(capacity, least_sample_rows), n_rows) if least_sample_rows else 0
    context = SurveyContext(
        source=source,
        weights=passes.weights,
        shift=first_shift(seen_rows(first, view)),
        view=view,
        sample_key=row_key(0, SAMPLE),
        sample_rows=capacity,
        sample_share=sample_share(capacity, n_rows),
        narrowed=narrowed,
    )
    moments, sample = passes.run(survey, context, stage="survey", title="looking at the rows")
    passes.note()
    if not moments.is_exact:  # some are no bytes, though the first were
        passes.may_narrow = False
        return survey_rows(passes, least_sample_rows, view)
    if moments.n_bad:
        raise BadRowsError(bad_rows_message(moments.n_bad, moments.bad_rows.tolist()))
    if narrowed is not None:
        passes.narrow(narrowed)
    chosen: SelectedRows = sample.by_row()
    return Looked(moments.summary(), chosen.indices, chosen.rows, moments.n_zero)


def check_summary(summary: Summary) -> None:
    """Refuse rows whose values are too large for their squares, or that all weigh nothing."""
    if not summary.magnitude.max() < MAX_VALUE:
        raise SourceError(f"values up to {summary.magnitude.max():g} are too large to square")
    if not summary.weight > 0.0:
        raise SourceError("all sample weights are zero")


class Looking(Recorded):
    """Knows the rows that passes go through: how they are seen, and what a look at them found.

    A subclass has the rows and runs the passes.
    """

    run: Any
    room_for_bytes: Any
    narrow: Any
    may_narrow = False  # rows in memory to bytes; where a fit goes through them often
    source: RowSource
    weights: ColumnSource | None
    _rows: RowSource  # without a cache
    _scaling: Scaling
    _view: View | None
    _raw: Looked | None  # of the rows as they are
    _data: FitData | None

    @property
    def data(self) -> FitData:
        """What `look` found."""
        assert self._data is not None
        return self._data

    @property
    def view(self) -> View:
        """How rows are seen; known after `find_view`."""
        assert self._view is not None
        return self._view

    def find_view(self, least_sample_rows: int) -> None:
        """Learn how rows are seen: without a look at them unless their moments are needed."""
        if self._view is None:
            is_blind = not self._scaling.needs_moments
            summary = None if is_blind else self._look_raw(least_sample_rows).summary
            self._view = self._scaling.view(self.source.shape[1], summary)

    def look(self, least_sample_rows: int) -> FitData:
        """Learn the moments and a sample, as rows are seen: from the store, or by one pass.

        Two passes are taken where rows of unit length need the moments of all first.

        Raises
        ------
        BadRowsError
            If rows hold NaN or infinity.
        SourceError
            If values are too large for their squares.
        """
        self.find_view(least_sample_rows)
        view = self.view
        if view.is_unit:
            found = survey_rows(self, least_sample_rows, view)
            summary = found.summary
        else:
            found = self._look_raw(least_sample_rows)
            summary = found.summary.through(view)
        check_summary(summary)
        weights = take(self.weights, found.indices) if self.weights is not None else None
        self._data = FitData(
            self.source, self.weights, summary, seen_rows(found.sample, view), weights, view,
            self._scaling.is_cosine, found.n_zero, found.sample,
        )  # fmt: skip
        self._raw = None
        return self._data

    @property
    def row_dtype(self) -> np.dtype[Any]:
        """The dtype of the rows as they were given, though they may be narrowed by now."""
        return self._rows.dtype

    def stored(self) -> Looked | None:
        """Return what the store knows of its rows as they are."""
        return what_is_stored(self._rows) if self.weights is None else None

    def _look_raw(self, least_sample_rows: int) -> Looked:
        if self._raw is None:
            found = self.stored()
            if found is None or len(found.sample) < min(least_sample_rows, found.summary.count):
                found = survey_rows(self, least_sample_rows, AS_THEY_ARE)
            check_summary(found.summary.through(self._scaling.picks))
            self._raw = found
        return self._raw
