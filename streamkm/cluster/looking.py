"""The look at the rows before a fit: their moments and a sample, from the store or by a pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from streamkm.data.dataset import Dataset
from streamkm.data.sampling import sample_capacity, sample_share
from streamkm.errors import BadRowsError, SourceError
from streamkm.kernels.moments import first_shift
from streamkm.kernels.select import SelectedRows
from streamkm.kernels.summary import Summary
from streamkm.kernels.tile import seen_rows
from streamkm.kernels.view import View
from streamkm.keyed import SAMPLE, row_key
from streamkm.tasks.base import bad_rows_message
from streamkm.tasks.survey import SurveyContext, survey
from streamkm.typing import I64, Rows, RowSource

if TYPE_CHECKING:
    from streamkm.cluster.passes import Passes

MAX_VALUE: Final = 1e100


@dataclass(frozen=True, slots=True)
class Looked:
    """What a look at the rows found.

    Parameters
    ----------
    summary
        Moments of the rows through the view of the look.
    indices, sample
        Numbers and rows of a uniform sample, the rows as they are in the data.
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


def survey_rows(passes: Passes, least_sample_rows: int, view: View) -> Looked:
    """Look at the rows in one pass.

    Raises
    ------
    BadRowsError
        If rows hold NaN or infinity.
    """
    source = passes.source
    n_rows, n_features = source.shape
    capacity = sample_capacity(n_rows, n_features * source.dtype.itemsize)
    capacity = min(max(capacity, least_sample_rows), n_rows)
    context = SurveyContext(
        source=source,
        weights=passes.weights,
        shift=first_shift(seen_rows(source.read(0, min(256, n_rows)), view)),
        view=view,
        sample_key=row_key(0, SAMPLE),
        sample_rows=capacity,
        sample_share=sample_share(capacity, n_rows),
    )
    moments, sample = passes.run(survey, context, stage="survey", title="looking at the rows")
    passes.note()
    if moments.n_bad:
        raise BadRowsError(bad_rows_message(moments.n_bad, moments.bad_rows.tolist()))
    chosen: SelectedRows = sample.by_row()
    return Looked(moments.summary(), chosen.indices, chosen.rows, moments.n_zero)


def check_summary(summary: Summary) -> None:
    """Refuse rows whose values are too large for their squares, or that all weigh nothing."""
    if not summary.magnitude.max() < MAX_VALUE:
        raise SourceError(f"values up to {summary.magnitude.max():g} are too large to square")
    if not summary.weight > 0.0:
        raise SourceError("all sample weights are zero")
