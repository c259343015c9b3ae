"""Where the rows of a text table end: a line end inside quotes does not end one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from streamkm.errors import SourceError
from streamkm.sources.csv_dialect import Dialect
from streamkm.sources.streams import Readable, damage
from streamkm.typing import I64

PIECE_BYTES: Final = 4 << 20
MAX_ROW_BYTES: Final = 64 << 20
NEWLINE: Final = 10
RETURN: Final = 13
QUOTE: Final = 34


@dataclass(frozen=True, slots=True)
class Unit:
    """Whole rows of a file: their text, the line that they begin on, how many they are."""

    data: bytes
    line: int
    n_rows: int


def units_of(stream: Readable, dialect: Dialect, unit_rows: int, name: str) -> Iterator[Unit]:
    """Yield units of `unit_rows` rows each, the last one shorter; the stream stands at the rows.

    Raises
    ------
    SourceError
        If the stream is damaged, or a quote never ends.
    """
    held, line = b"", dialect.first_line
    while True:
        with damage(name, f" behind line {line}"):
            piece = stream.read(PIECE_BYTES)
        if not piece:
            break
        held += piece
        ends = _row_ends(held)
        begin = 0
        for end in ends[unit_rows - 1 :: unit_rows].tolist():
            unit = held[begin : end + 1]
            yield Unit(unit, line, unit_rows)
            begin, line = end + 1, line + unit.count(b"\n")
        held = held[begin:]
        if len(held) > MAX_ROW_BYTES and len(ends) == 0:
            raise SourceError(
                f"{name}, line {line}: no end of this row within {MAX_ROW_BYTES} bytes; "
                "is there a quote too many?"
            )
    ends = _row_ends(held)
    rest = held[int(ends[-1]) + 1 :] if len(ends) else held
    n_rows = len(ends) + bool(rest.strip(b"\r\n"))
    if n_rows:
        yield Unit(held, line, n_rows)


def _row_ends(text: bytes) -> I64:
    """Return where rows end: line ends outside of quotes, behind lines that are not blank."""
    data = np.frombuffer(text, np.uint8)
    ends = np.flatnonzero(data == NEWLINE)
    if b'"' in text:
        quotes = np.flatnonzero(data == QUOTE)
        ends = ends[np.searchsorted(quotes, ends) % 2 == 0]
    begins = np.concatenate([[0], ends[:-1] + 1]) if len(ends) else ends
    is_blank = (begins == ends) | ((begins + 1 == ends) & (data[begins] == RETURN))
    kept: I64 = ends[~is_blank]
    return kept
