"""Values of a text table by pyarrow; what is wrong with it is told by file, line and column.

A unit of text must give as many rows as its line ends outside of quotes: quotes
that say one thing to the scanner and another to the parser are an error, never
a shift of rows.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from streamkm.errors import SourceError
from streamkm.sources.csv_dialect import Dialect, is_number, rows_of, tidy_spaces
from streamkm.sources.csv_scan import Unit
from streamkm.sources.fields import listed, pyarrow, refuse_text

TEXT: Final = frozenset(["string"])
DECIMAL_COMMA: Final = re.compile(r"'[-+]?\d+,\d+'")  # a cell, as a message shows it
NUMBERS: Final = (frozenset(["bool"]), frozenset(["int64"]), frozenset(["double"]))


def parse(
    data: bytes, dialect: Dialect, wanted: Sequence[int], types: Mapping[str, Any] | None = None
) -> Any:
    """Return columns, by their numbers, of whole rows as an Arrow table.

    Parameters
    ----------
    data
        The rows.
    dialect
        How they are written.
    wanted
        Numbers of the columns.
    types
        Names of Arrow's types, by the numbers of columns; None to find out.

    Raises
    ------
    pyarrow.ArrowInvalid
        If a row is ragged, or a value not of its type.
    """
    pa = pyarrow("CSV")
    from pyarrow import csv as arrow_csv

    if dialect.delimiter == " ":
        data = tidy_spaces(data)
    return arrow_csv.read_csv(
        pa.BufferReader(data),
        arrow_csv.ReadOptions(
            use_threads=False,
            block_size=len(data) + 1,  # types are found in the first block: let it be all
            column_names=[str(i) for i in range(len(dialect.names))],
        ),
        arrow_csv.ParseOptions(delimiter=dialect.delimiter, newlines_in_values=True),
        arrow_csv.ConvertOptions(
            include_columns=[str(i) for i in wanted],
            column_types={name: pa.type_for_alias(kind) for name, kind in (types or {}).items()},
        ),
    )


@dataclass(frozen=True, slots=True)
class Found:
    """What columns hold: one of `NUMBERS`, int64 and double, or nothing; and missing values."""

    kinds: tuple[frozenset[str], ...]
    has_nulls: tuple[bool, ...]

    def joined(self, other: Found) -> Found:
        """Return what two stretches of rows hold together."""
        kinds = (a | b for a, b in zip(self.kinds, other.kinds, strict=True))
        nulls = (a or b for a, b in zip(self.has_nulls, other.has_nulls, strict=True))
        return Found(tuple(kinds), tuple(nulls))


def examine(
    unit: Unit, dialect: Dialect, wanted: Sequence[int], name: str, *, is_label: bool = False
) -> Found:
    """Parse a unit and say what its columns hold; text is admitted as labels only.

    Raises
    ------
    SourceError
        If a row has another number of values, or a value is no number; names
        the line.
    """
    pa = pyarrow("CSV")
    try:
        table = parse(unit.data, dialect, wanted)
    except pa.ArrowInvalid as error:
        _refuse_ragged(unit, dialect, name)
        raise SourceError(f"{name}, from line {unit.line}: {error}") from error
    if table.num_rows != unit.n_rows:
        last = unit.line + unit.data.count(b"\n")
        raise SourceError(
            f"{name}, lines {unit.line} to {last}: {unit.n_rows} rows by the quotes, "
            f"{table.num_rows} by the values; a quote inside a value must be doubled"
        )
    kinds = [frozenset([str(kind)]) - {"null"} for kind in table.schema.types]
    texts = [i for i, kind in zip(wanted, kinds, strict=True) if kind and kind not in NUMBERS]
    if is_label:
        kinds = [TEXT if i in texts else kind for i, kind in zip(wanted, kinds, strict=True)]
    elif texts:
        refuse_columns(texts, _first_texts(unit, dialect, texts), dialect, wanted, name)
    return Found(tuple(kinds), tuple(column.null_count > 0 for column in table.columns))


def refuse_columns(
    texts: Iterable[int], why: Mapping[int, str], dialect: Dialect, wanted: Sequence[int], name: str
) -> None:
    """Raise for columns that are not numbers; `why` says what they hold.

    Raises
    ------
    SourceError
        If there are any.
    """
    refused = [f"{dialect.names[i]} ({why[i]})" for i in texts]
    commas = [text for text in refused if DECIMAL_COMMA.search(text)]
    if commas:
        raise SourceError(
            f"{name}: numbers with decimal commas are not read: {listed(commas)}; write them with "
            "points first, as by pandas.read_csv(..., sep=';', decimal=',').to_csv(...)"
        )
    refuse_text(name, refused, [dialect.names[i] for i in wanted if i not in why])


def _first_texts(unit: Unit, dialect: Dialect, columns: Sequence[int]) -> dict[int, str]:
    found: dict[int, str] = {}
    for line, row in rows_of(unit.data, dialect.delimiter):
        for i in set(columns) - set(found):
            if not is_number(row[i]):
                found[i] = f"line {unit.line + line}: {row[i][:40]!r}"
        if len(found) == len(columns):
            break
    return {i: found.get(i, f"from line {unit.line}") for i in columns}


def _refuse_ragged(unit: Unit, dialect: Dialect, name: str) -> None:
    width = len(dialect.names)
    try:
        for line, row in rows_of(unit.data, dialect.delimiter):
            if len(row) != width:
                shown = " ".join(", ".join(row[:4]).split())  # a value may hold line ends
                raise SourceError(
                    f"{name}, line {unit.line + line}: {len(row)} values ({shown[:60]}), where "
                    f"the first line has {width}"
                )
    except csv.Error as error:
        raise SourceError(f"{name}, from line {unit.line}: {error}") from error
