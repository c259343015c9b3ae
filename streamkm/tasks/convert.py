"""The passes of a conversion: count bad rows, scatter rows to fragments, fill chunks."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from streamkm.data.permuted import FragmentLayout
from streamkm.data.spec import MOST_DROPPED
from streamkm.data.store import Array, chunk_file
from streamkm.kernels.hashing import permute
from streamkm.kernels.moments import MomentsAccumulator, find_bad_rows
from streamkm.kernels.select import SelectedRows
from streamkm.tasks.base import PassResult, PassStats, read_group, refuse_bad_values
from streamkm.tasks.survey import sample_block
from streamkm.typing import F64, I64, ColumnSource, Rows, RowSource, SourceInfo


@dataclass(frozen=True, slots=True)
class ConvertContext:
    """Context of the passes of a conversion.

    Parameters
    ----------
    source, classes
        Rows, and labels where there are any; no source where all rows are in
        fragments.
    x, y
        The staging store's arrays, open for writing; y where there are labels.
    chunk_rows
        Rows of a chunk of the target.
    fragments
        Where rows are on their way in a shuffle; None without one.
    shuffle_key
        Key of the permutation.
    shift, sample_key, sample_rows, sample_share
        As in `SurveyContext`.
    """

    source: RowSource | None
    classes: ColumnSource | None
    x: Array
    y: Array | None
    chunk_rows: int
    fragments: FragmentLayout | None
    shuffle_key: np.uint64
    shift: F64
    sample_key: np.uint64
    sample_rows: int
    sample_share: float

    @property
    def feature_names(self) -> tuple[str, ...]:
        """What the columns are called, as far as it is known."""
        info: SourceInfo | None = getattr(self.source, "info", None)  # rows in memory have none
        return () if info is None else info.feature_names


@dataclass(frozen=True, slots=True)
class BadCounts:
    """Rows with NaN or infinity of each block, by the block's first row; and which come first."""

    starts: I64
    counts: I64
    first: I64

    @classmethod
    def merge_all(cls, parts: Sequence[BadCounts]) -> BadCounts:
        """Put all blocks in row order."""
        starts = np.concatenate([part.starts for part in parts])
        counts = np.concatenate([part.counts for part in parts])
        order = np.argsort(starts)
        first = np.sort(np.concatenate([part.first for part in parts]))[:MOST_DROPPED]
        return cls(starts[order], counts[order], first)


def count_bad(group: Any, context: ConvertContext) -> PassResult:
    """Count the rows of each block that hold NaN or infinity."""
    found: list[BadCounts] = []

    def consume(start: int, rows: Rows, weights: F64 | None) -> None:
        bad = find_bad_rows(rows)
        found.append(BadCounts(np.array([start]), np.array([len(bad)]), bad[:MOST_DROPPED] + start))

    stats = read_group(group, context, consume)
    return PassResult((BadCounts.merge_all(found),), stats)


def scatter(group: Any, context: ConvertContext) -> PassStats:
    """Sort each block's rows by where the shuffle sends them, and put them aside."""
    fragments = context.fragments
    assert fragments is not None

    def consume(start: int, rows: Rows, weights: F64 | None) -> None:
        refuse_bad_values(rows, start, context.feature_names)
        stop = start + len(rows)
        targets = permute(context.shuffle_key, fragments.n_rows, start, stop)
        arrays: tuple[Rows, ...] = (rows,)
        if context.classes is not None:
            arrays = (rows, context.classes.read(start, stop)[:, None])
        fragments.write(start, targets, arrays)

    return read_group(_Pending(group, fragments), context, consume)


def convert(group: Any, context: ConvertContext) -> PassResult:
    """Write the chunks that are missing; take moments and sample of all."""
    moments = MomentsAccumulator(context.shift)
    sample: list[SelectedRows] = []
    filled = _Filled(context)

    def consume(start: int, rows: Rows, weights: F64 | None) -> None:
        moments.add(rows, None, start)
        sample.append(sample_block(context, start, rows))

    stats = read_group(group, filled, consume)
    return PassResult((moments.result(), SelectedRows.merge_all(sample)), stats)


@dataclass(frozen=True, slots=True)
class _Pending:
    """The blocks of a group whose fragments are not written yet."""

    group: Any
    fragments: FragmentLayout

    @property
    def n_rows(self) -> int:
        return int(self.group.n_rows)

    def blocks(self) -> list[Any]:
        return [b for b in self.group.blocks() if not self.fragments.path(b.start).exists()]


class _Filled:
    """Rows of the target: read back where a chunk is there, written first where it is not."""

    def __init__(self, context: ConvertContext) -> None:
        self._context = context
        self.source = self

    def read(self, start: int, stop: int) -> Rows:
        index = start // self._context.chunk_rows
        x, y = self._context.x, self._context.y
        if chunk_file(x, index).exists():
            with suppress(ValueError, RuntimeError):  # damaged: it is written again
                return np.asarray(x[start:stop])
        rows, classes = self._incoming(start, stop)
        refuse_bad_values(rows, start, self._context.feature_names)
        if y is not None and classes is not None:
            y[start:stop] = classes
        x[start:stop] = rows  # last: a chunk of X that exists says that the rest does too
        return rows

    def _incoming(self, start: int, stop: int) -> tuple[Rows, Rows | None]:
        context = self._context
        if context.fragments is None:
            assert context.source is not None
            classes = context.classes.read(start, stop) if context.classes is not None else None
            return context.source.read(start, stop), classes
        rows = np.empty((stop - start, context.x.shape[1]), context.x.dtype)
        classes = None
        if context.classes is not None:
            classes = np.empty(stop - start, context.classes.dtype)
        for targets, arrays in context.fragments.read(start // context.chunk_rows):
            rows[targets] = arrays[0]
            if classes is not None:
                classes[targets] = arrays[1][:, 0]
        return rows, classes
