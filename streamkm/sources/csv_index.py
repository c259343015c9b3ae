"""Where the rows of a text table are, and what its columns hold: found in one pass over it."""

from __future__ import annotations

import gzip
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from streamkm.errors import SourceError
from streamkm.sources.csv_dialect import HEAD_BYTES, Dialect
from streamkm.sources.csv_parse import NUMBERS, Found, refuse_columns
from streamkm.sources.csv_scan import units_of
from streamkm.sources.fields import Field, choose, text_field
from streamkm.sources.streams import damage
from streamkm.typing import I64

DTYPES: Final = {"bool": np.bool_, "int64": np.int64, "double": np.float64}
WAITING: Final = 16  # units that were read and are not parsed yet


@dataclass(frozen=True, slots=True)
class FileIndex:
    """One file.

    Parameters
    ----------
    dialect
        How its rows are written.
    kinds
        Arrow's types of the columns that are wanted, by name.
    fields
        The same columns.
    offsets
        Bytes at which units begin, and the last one ends.
    unit_rows, n_rows
        Rows of a unit but the last, and of the file.
    """

    dialect: Dialect
    kinds: dict[str, str]
    fields: tuple[Field, ...]
    offsets: I64
    unit_rows: int
    n_rows: int

    @property
    def names(self) -> tuple[str, ...]:
        """All columns of the file."""
        return self.dialect.names

    def reading_as_text(self, columns: Sequence[str]) -> FileIndex:
        """Return the same where some columns are text, as they are in another file."""
        return replace(self, kinds=self.kinds | dict.fromkeys(columns, "string"))


def read_head(path: str) -> bytes:
    """Return the beginning of a file.

    Raises
    ------
    SourceError
        If it is empty, or damaged.
    """
    name = str(path)
    if Path(path).stat().st_size == 0:
        raise SourceError(f"{name}: the file is empty")
    with _opened(path) as stream, damage(name):
        head: bytes = stream.read(HEAD_BYTES)
    return head


def _opened(path: str) -> Any:
    return gzip.open(path, "rb") if path.endswith(".gz") else open(path, "rb")


def index_file(
    path: str,
    dialect: Dialect,
    columns: Sequence[str],
    unit_rows: int,
    look: Callable[..., Future[Found]],
) -> FileIndex:
    """Read a file once.

    Parameters
    ----------
    path, dialect
        The file, and how it is written.
    columns
        Those that are wanted.
    unit_rows
        Rows that are parsed together.
    look
        Calls `examine` on another thread.

    Raises
    ------
    SourceError
        If the file is damaged, a row ragged, or a column not numbers.
    """
    name = str(path)
    numbers = [dialect.names.index(column) for column in choose(dialect.names, columns, name)]
    found = Found((frozenset(),) * len(columns), (False,) * len(columns))
    sizes, n_rows = [dialect.first_byte], 0
    waiting: deque[Future[Found]] = deque()
    with _opened(path) as stream:
        with damage(name):
            stream.seek(dialect.first_byte)
        for unit in units_of(stream, dialect, unit_rows, name):
            sizes.append(len(unit.data))
            n_rows += unit.n_rows
            waiting.append(look(unit, dialect, numbers, name))
            if len(waiting) > WAITING:
                found = found.joined(waiting.popleft().result())
    for done in waiting:
        found = found.joined(done.result())
    kinds = _kinds(found, dialect, numbers, name) if n_rows else ["int64"] * len(columns)
    named = dict(zip(columns, kinds, strict=True))
    fields = (
        text_field(column)
        if kind == "string"
        else Field(column, np.dtype(DTYPES[kind]), has_nulls=has_nulls)
        for (column, kind), has_nulls in zip(named.items(), found.has_nulls, strict=True)
    )
    return FileIndex(dialect, named, tuple(fields), np.cumsum(sizes), unit_rows, n_rows)


def _kinds(found: Found, dialect: Dialect, numbers: Sequence[int], name: str) -> list[str]:
    """Return one of Arrow's types for each column."""
    mixed = frozenset(["int64", "double"])
    why = {
        i: " and ".join(sorted(kinds)) or "no value at all"
        for i, kinds in zip(numbers, found.kinds, strict=True)
        if kinds not in (*NUMBERS, mixed) and "string" not in kinds
    }
    refuse_columns(why, why, dialect, numbers, name)
    order = ("string", "double")  # what holds the rest
    return [
        next((kind for kind in order if kind in kinds), "") or next(iter(kinds))
        for kinds in found.kinds
    ]
