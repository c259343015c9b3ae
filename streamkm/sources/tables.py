"""Rows of tables: files one behind the other, each cut into units that are decoded together."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

from streamkm.errors import SourceError
from streamkm.metering import count
from streamkm.sources.fields import (
    Field,
    common_dtype,
    feature_names,
    listed,
    width_of,
    without_index,
)
from streamkm.sources.locators import write_columns
from streamkm.sources.values import fill
from streamkm.typing import I64, ColumnSource, Rows, SourceInfo


class Part(Protocol):
    """One file of a table; picklable."""

    @property
    def name(self) -> str:
        """Name of the file, for messages."""
        ...

    @property
    def edges(self) -> I64:
        """First row of every unit, and the number of rows."""
        ...

    @property
    def restarts(self) -> Sequence[int]:
        """First rows of stretches that can be read without what stands before them."""
        ...

    def load(self, unit: int, columns: tuple[str, ...]) -> Any:
        """Return a unit as an Arrow record batch of these columns, in this order."""
        ...


class Described(Protocol):
    """What is known of a file before its rows are read."""

    @property
    def names(self) -> Sequence[str]:
        """All its columns."""
        ...

    @property
    def fields(self) -> tuple[Field, ...]:
        """Those that are wanted."""
        ...


D = TypeVar("D", bound=Described)


class TableSource:
    """Rows of some columns of one file or of several.

    Parameters
    ----------
    name
        What people call the table.
    parts
        The files, none of them empty.
    fields
        The columns.
    natural_rows
        Rows that are stored together.
    scratch_bytes
        What decoding a unit takes, at most.
    is_sequential
        True where a file is best read forwards, from one of its restarts.
    """

    def __init__(
        self, name: str, parts: tuple[Part, ...], fields: tuple[Field, ...],
        natural_rows: int, scratch_bytes: int, is_sequential: bool,
    ) -> None:  # fmt: skip
        self.name = name
        self.parts = parts
        self.fields = fields
        self.natural_rows = natural_rows
        self.scratch_bytes = scratch_bytes
        self.is_sequential = is_sequential
        self.columns = tuple(field.name for field in fields)
        self._dtype = common_dtype(fields)
        self._firsts = np.cumsum([0] + [int(part.edges[-1]) for part in parts])
        self._last = threading.local()

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and of features."""
        return int(self._firsts[-1]), width_of(self.fields)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The smallest type that holds all columns; see `streamkm.sources.fields`."""
        return self._dtype

    @property
    def info(self) -> SourceInfo:
        """Units, and where reading may begin."""
        starts = [
            int(first) + row
            for first, part in zip(self._firsts[:-1], self.parts, strict=True)
            for row in (part.restarts if self.is_sequential else ())
        ]
        return SourceInfo(
            name=Path(self.name).name,
            natural_rows=min(self.natural_rows, self.shape[0]),
            is_sequential=self.is_sequential,
            parts=tuple(starts),
            scratch_bytes=self.scratch_bytes,
            feature_names=feature_names(self.fields),
        )

    @property
    def labels(self) -> ColumnSource | None:
        """None: name the column of the labels as the target."""
        return None

    def read(self, start: int, stop: int) -> Rows:
        """Rows `start` to `stop`."""
        out = np.empty((stop - start, self.shape[1]), self.dtype)
        row = start
        while row < stop:
            index = int(np.searchsorted(self._firsts, row, side="right")) - 1
            part, first = self.parts[index], int(self._firsts[index])
            unit = int(np.searchsorted(part.edges, row - first, side="right")) - 1
            begin, end = (first + int(edge) for edge in part.edges[unit : unit + 2])
            last = min(stop, end)
            batch = self._unit(index, unit, end - begin).slice(row - begin, last - row)
            fill(out[row - start : last - start], batch, self.fields, part.name)
            row = last
        count(bytes_decoded=out.nbytes)
        return out

    def _unit(self, index: int, unit: int, n_rows: int) -> Any:
        """Return a unit; the last one is kept in each thread, where the next read begins."""
        key, batch = getattr(self._last, "unit", (None, None))
        if key != (index, unit):
            self._last.unit = None, None  # freed before the next one is read
            batch = self.parts[index].load(unit, self.columns)
            if batch.num_rows != n_rows:
                raise SourceError(f"{self.parts[index].name}: has changed since it was opened")
            self._last.unit = (index, unit), batch
        return batch

    @property
    def class_names(self) -> tuple[str, ...]:
        """Of labels that are text the classes by their numbers."""
        return self.fields[0].classes or ()

    def with_fields(self, fields: tuple[Field, ...]) -> TableSource:
        """Return the same columns under another description."""
        rest = self.natural_rows, self.scratch_bytes, self.is_sequential
        return TableSource(self.name, self.parts, fields, *rest)

    def __reduce__(self) -> tuple[Any, ...]:
        rest = self.natural_rows, self.scratch_bytes, self.is_sequential
        return TableSource, (self.name, self.parts, self.fields, *rest)


def name_of(path: str, columns: Sequence[str]) -> str:
    """Return what people call a table: no folders, and its columns where some were chosen."""
    name = str(path)
    return f"{name}:{write_columns(columns)}" if columns else name


def describe_all(
    files: Sequence[str], describe: Callable[[str, Sequence[str]], D], wanted: Sequence[str]
) -> list[D]:
    """Describe the files of a table, which must have the same columns of the same types.

    Parameters
    ----------
    files
        One or more.
    describe
        Called with a file and the columns that are wanted of it.
    wanted
        Columns, or none for all.

    Raises
    ------
    SourceError
        If two files differ; names them.
    """
    found = [describe(files[0], wanted)]
    first, columns = found[0], [field.name for field in found[0].fields]
    for file in files[1:]:
        other = describe(file, columns)
        pair = str(file), str(files[0])
        if not wanted:
            check_same_columns(other.names, pair[0], first.names, pair[1])
        for a, b in zip(other.fields, first.fields, strict=True):
            if _kind(a) != _kind(b):
                raise SourceError(
                    f"column {a.name} is {_kind(a)} in {pair[0]} and {_kind(b)} in {pair[1]}: "
                    "files that are read as one table need the same types"
                )
        found.append(other)
    return found


def with_all_nulls(files: Sequence[Described]) -> tuple[Field, ...]:
    """Return the fields of several files: with missing values where one of them has some."""
    return tuple(
        replace(own[0], has_nulls=any(field.has_nulls for field in own))
        for own in zip(*(file.fields for file in files), strict=True)
    )


def check_same_columns(names: Sequence[str], file: str, first: Sequence[str], other: str) -> None:
    """Require the same columns in all files of a table, in whatever order.

    Raises
    ------
    SourceError
        If they differ; names two files.
    """
    here, there = without_index(names), without_index(first)
    if set(here) != set(there):
        raise SourceError(
            f"{file} has the columns {listed(here)}, {other} has {listed(there)}: files that "
            "are read as one table need the same, or columns that all have, as in '*.csv:a,b'"
        )


def _kind(field: Field) -> str:
    if field.classes is not None:
        return "text"
    return str(field.stored) if field.width == 1 else f"a list of {field.width} {field.stored}"


def refuse_empty(n_rows: int, name: str) -> None:
    """Raise where there is no row at all.

    Raises
    ------
    SourceError
        If `n_rows` is 0.
    """
    if n_rows == 0:
        raise SourceError(f"{name}: holds no rows")
