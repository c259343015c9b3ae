"""Parquet: one file, a glob or a folder of parts, on disk or by URL.

Rows lie in row groups, each of which can be read without the others. One is
read forwards in pieces of a few MiB, however large it is.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Final

import numpy as np

from streamkm.errors import SourceError
from streamkm.metering import count
from streamkm.remote import is_url
from streamkm.sources.classes import classified
from streamkm.sources.fields import common_dtype, pyarrow, width_of
from streamkm.sources.locators import expand, read_columns, split_member
from streamkm.sources.parquet_footer import Footer, damage, open_parquet, read_footer
from streamkm.sources.tables import (
    TableSource,
    describe_all,
    name_of,
    refuse_empty,
    with_all_nulls,
)
from streamkm.typing import I64

ENDINGS: Final = (".parquet", ".pq")
UNIT_BYTES: Final = 4 << 20
BUFFER_BYTES: Final = 16 << 20  # of compressed bytes, over all columns
LEAST_BUFFER_BYTES: Final = 1 << 14
PREFETCHED_BYTES: Final = 64 << 20  # a row group that is fetched in one go, by URL
KEPT_CURSORS: Final = 4  # in a thread: for rows, labels and weights from one file
_LOCAL = threading.local()


@dataclass(frozen=True, eq=False)
class ParquetPart:
    """One file: how its rows are grouped, and how they are read.

    Parameters
    ----------
    path
        Or URL.
    group_rows
        Rows of every row group.
    stored_bytes
        Of the columns that are read.
    unit_rows
        Rows that are read at once.
    buffer_bytes
        Read ahead, for each column.
    is_prefetched
        Whether a row group is fetched in one go.
    """

    path: str
    group_rows: tuple[int, ...]
    stored_bytes: int
    unit_rows: int
    buffer_bytes: int
    is_prefetched: bool

    @property
    def name(self) -> str:
        """Name of the file."""
        return self.path

    @property
    def restarts(self) -> tuple[int, ...]:
        """First rows of the row groups."""
        return tuple(np.cumsum([0, *self.group_rows[:-1]]).tolist())

    @cached_property
    def _units(self) -> list[tuple[int, int]]:
        """Row group of every unit, and its number there."""
        rows = self.unit_rows
        return [(g, i) for g, n in enumerate(self.group_rows) for i in range(-(-n // rows))]

    @cached_property
    def edges(self) -> I64:
        """First row of every unit, and the number of rows."""
        restarts = self.restarts
        starts = [restarts[g] + i * self.unit_rows for g, i in self._units]
        return np.array([*starts, sum(self.group_rows)])

    def load(self, unit: int, columns: tuple[str, ...]) -> Any:
        """Read one unit."""
        group, index = self._units[unit]
        with damage(self.path):
            batch = _cursor(self, group, index, columns).take(index)
        count(bytes_read=self.stored_bytes * batch.num_rows // int(self.edges[-1]))
        return batch.select(list(columns))

    def __getstate__(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


class _Cursor:
    """Goes forwards through one row group."""

    def __init__(self, part: ParquetPart, group: int, columns: tuple[str, ...]) -> None:
        self.part, self.group = part, group
        self.next = 0
        self._file = open_parquet(part.path, part.buffer_bytes, is_prefetched=part.is_prefetched)
        self._batches = self._file.iter_batches(
            part.unit_rows, row_groups=[group], columns=list(columns), use_threads=False
        )

    def take(self, index: int) -> Any:
        """Return a batch by its number, which none before it was."""
        batch = None
        while self.next <= index:
            batch = next(self._batches, None)
            self.next += 1
        if batch is None:
            raise SourceError(f"{self.part.name}: has changed since it was opened")
        return batch


def _cursor(part: ParquetPart, group: int, index: int, columns: tuple[str, ...]) -> _Cursor:
    """Return this thread's cursor for these columns, or a new one where it went too far."""
    cursors: OrderedDict[Any, _Cursor] = _LOCAL.__dict__.setdefault("cursors", OrderedDict())
    held = cursors.pop(columns, None)
    if held is None or held.part is not part or held.group != group or held.next > index:
        held = None  # closed before the next one is opened
        if len(cursors) >= KEPT_CURSORS:
            cursors.popitem(last=False)
        held = _Cursor(part, group, columns)
    cursors[columns] = held
    return held


def open_source(locator: str, *, is_label: bool = False) -> TableSource:
    """Open `rows.parquet`, `"parts/*.parquet"`, a folder or a URL; columns stand behind a colon."""
    pyarrow("Parquet")
    path, member = split_member(locator)
    files = expand(path, ENDINGS)
    wanted = read_columns(member)
    footers = describe_all(files, partial(read_footer, is_label=is_label), wanted)
    fields = with_all_nulls(footers)
    unit_rows = max(UNIT_BYTES // (width_of(fields) * common_dtype(fields).itemsize), 1)
    pairs = [
        (_part(file, footer, unit_rows), footer)
        for file, footer in zip(files, footers, strict=True)
        if sum(footer.group_rows)
    ]
    refuse_empty(len(pairs), path)
    ahead = max(
        footer.stored_bytes if part.is_prefetched else part.buffer_bytes * len(fields)
        for part, footer in pairs
    )
    source = TableSource(
        name_of(path, wanted),
        tuple(part for part, _ in pairs),
        fields,
        natural_rows=max(max(footer.group_rows) for _, footer in pairs),
        scratch_bytes=max(footer.state_bytes for _, footer in pairs) + ahead + 2 * UNIT_BYTES,
        is_sequential=True,
    )
    return classified(source)


def _part(path: str, footer: Footer, unit_rows: int) -> ParquetPart:
    share = BUFFER_BYTES // len(footer.fields)
    return ParquetPart(
        path,
        footer.group_rows,
        footer.total_bytes,
        unit_rows,
        min(max(share, LEAST_BUFFER_BYTES), max(footer.stored_bytes, LEAST_BUFFER_BYTES)),
        is_prefetched=is_url(path) and footer.stored_bytes <= PREFETCHED_BYTES,
    )
