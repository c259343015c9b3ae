"""Arrow IPC files (.arrow, .feather, .ipc), memory mapped.

Columns that are stored as they are need no decoding: they are read from the
mapped file piece by piece, and unmapped behind it. A compressed record batch is
decoded whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Final

import numpy as np

from streamkm.errors import SourceError, StreamKMError
from streamkm.metering import count
from streamkm.sources.classes import classified
from streamkm.sources.fields import Field, common_dtype, fields_of, pyarrow, width_of
from streamkm.sources.locators import expand, read_columns, split_member
from streamkm.sources.tables import (
    TableSource,
    describe_all,
    name_of,
    refuse_empty,
    with_all_nulls,
)
from streamkm.sources.values import completed
from streamkm.typing import I64

ENDINGS: Final = (".arrow", ".feather", ".ipc")
UNIT_BYTES: Final = 4 << 20
STREAM_MARK: Final = b"\xff\xff\xff\xff"
OLD_MARK: Final = b"FEA1"


@dataclass(frozen=True, eq=False)
class ArrowPart:
    """One file: rows of its record batches, and how many of them are read at once."""

    path: str
    batch_rows: tuple[int, ...]
    unit_rows: int
    is_mapped: bool

    @property
    def name(self) -> str:
        """Name of the file."""
        return self.path

    @property
    def restarts(self) -> tuple[int, ...]:
        """The beginning; any row can be read without those before it."""
        return (0,)

    @cached_property
    def _units(self) -> list[tuple[int, int]]:
        """Record batch of every unit, and its first row there."""
        rows = self.unit_rows
        return [(b, start) for b, n in enumerate(self.batch_rows) for start in range(0, n, rows)]

    @cached_property
    def edges(self) -> I64:
        """First row of every unit, and the number of rows."""
        firsts = np.cumsum([0, *self.batch_rows])
        return np.array([*(firsts[b] + start for b, start in self._units), firsts[-1]])

    def load(self, unit: int, columns: tuple[str, ...]) -> Any:
        """Map one unit."""
        index, start = self._units[unit]
        with _damage(self.path):
            reader = _open(self.path, () if self.is_mapped else columns)[0]
            batch = _batch(reader, index, columns)
        stop = min(start + self.unit_rows, self.batch_rows[index])
        count(bytes_read=batch.nbytes * (stop - start) // batch.num_rows)
        return batch.slice(start, stop - start)

    def __getstate__(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def open_source(locator: str, *, is_label: bool = False) -> TableSource:
    """Open `rows.arrow`, `"parts/*.feather"` or a folder; columns stand behind a colon."""
    pyarrow("Arrow")
    path, member = split_member(locator)
    files = expand(path, ENDINGS)
    found = describe_all(files, partial(_look, is_label=is_label), read_columns(member))
    fields = with_all_nulls(found)
    row_bytes = width_of(fields) * common_dtype(fields).itemsize
    piece = max(UNIT_BYTES // row_bytes, 1)
    full = [(file, own) for file, own in zip(files, found, strict=True) if sum(own.batch_rows)]
    refuse_empty(len(full), path)
    largest = max(max(own.batch_rows) for _, own in full)
    is_mapped = all(own.is_mapped for _, own in full)
    unit = min(piece, largest) if is_mapped else largest
    source = TableSource(
        name_of(path, read_columns(member)),
        tuple(ArrowPart(file, own.batch_rows, unit, own.is_mapped) for file, own in full),
        fields,
        natural_rows=unit,
        scratch_bytes=2 * unit * row_bytes,
        is_sequential=False,
    )
    return classified(source)


@dataclass(frozen=True, slots=True)
class _File:
    names: tuple[str, ...]
    fields: tuple[Field, ...]
    batch_rows: tuple[int, ...]
    is_mapped: bool


def _open(path: str, columns: Sequence[str] = ()) -> tuple[Any, Any]:
    """Return a reader, and the mapped file as one buffer.

    Where columns are given only these are decoded; what is not compressed is
    then copied, though, and not mapped.
    """
    from pyarrow import ipc, memory_map

    mapped = memory_map(path)
    options = ipc.IpcReadOptions(use_threads=False)
    if columns:
        schema = ipc.open_file(mapped).schema
        chosen = sorted(schema.get_field_index(name) for name in columns)
        options = ipc.IpcReadOptions(use_threads=False, included_fields=chosen)
    mapped.seek(0)
    return ipc.open_file(mapped, options=options), mapped.read_buffer()


def _batch(reader: Any, index: int, columns: Sequence[str]) -> Any:
    """Return a record batch whose columns can be read without leaving the file's memory."""
    types = pyarrow("Arrow").types
    batch = reader.get_batch(index).select(list(columns))
    for column in batch.columns:  # of numbers their size is enough
        is_plain = types.is_integer(column.type) or types.is_floating(column.type)
        column.validate(full=not is_plain)
    return batch


def _look(path: str, wanted: Sequence[str], *, is_label: bool) -> _File:
    """Read what a file says of its columns, batch by batch."""
    name = str(path)
    _refuse_other_formats(path, name)
    with _damage(path):
        schema = _open(path)[0].schema
        fields = list(fields_of(schema, wanted, name, is_label=is_label))
        columns = [field.name for field in fields]
        reader, whole = _open(path)
        n_batches = reader.num_record_batches
        first = _batch(reader, 0, columns) if n_batches else None
        is_mapped = first is None or all(_is_within(column, whole) for column in first.columns)
        if not is_mapped:
            reader, first = _open(path, columns)[0], None
        rows = []
        for index in range(n_batches):
            batch = _batch(reader, index, columns)
            rows.append(batch.num_rows)
            fields = [completed(f, c) for f, c in zip(fields, batch.columns, strict=True)]
    unknown = [field.name for field in fields if field.width == 0]
    if unknown and sum(rows):
        raise SourceError(f"{name}: the lists of column {unknown[0]} are empty")
    return _File(tuple(schema.names), tuple(fields), tuple(rows), is_mapped)


def _is_within(column: Any, whole: Any) -> bool:
    """Return whether a column's values lie in the mapped file: they are not compressed."""
    begin, end = whole.address, whole.address + whole.size
    return all(begin <= b.address < end for b in column.buffers() if b is not None and b.size)


def _refuse_other_formats(path: str, name: str) -> None:
    with open(path, "rb") as stream:
        mark = stream.read(4)
    if not mark:
        raise SourceError(f"{name}: the file is empty")
    if mark == OLD_MARK:
        raise SourceError(f"{name}: Feather version 1; write it again with pyarrow.feather")
    if mark == STREAM_MARK:
        raise SourceError(
            f"{name}: an Arrow stream, which can only be read from its beginning; write it as a "
            "file (pyarrow.ipc.new_file), or as Parquet"
        )


@contextmanager
def _damage(path: str) -> Iterator[None]:
    errors = (pyarrow("Arrow").ArrowException, OSError, ValueError)
    try:
        yield
    except (StreamKMError, FileNotFoundError):
        raise
    except errors as error:
        what = " ".join(str(error).split())[:160]
        raise SourceError(f"{path}: damaged or truncated ({what})") from error
