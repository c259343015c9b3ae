"""How a text table is written: what parts its values, and whether names stand above them."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from streamkm.errors import SourceError

HEAD_BYTES: Final = 1 << 18
DELIMITERS: Final = (",", ";", "\t", "|", " ")
SAMPLE_ROWS: Final = 100
# What pyarrow reads as a missing value.
NULLS: Final = frozenset((
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN",
    "N/A", "NA", "NULL", "NaN", "n/a", "nan", "null",
))  # fmt: skip
MARKS: Final = {
    b"\x1f\x8b": "gzip; its name must end in .gz",
    b"\xff\xfe": "UTF-16; save it as UTF-8",
    b"\xfe\xff": "UTF-16; save it as UTF-8",
    b"PK": "a zip archive or a spreadsheet; save it as CSV",
}
UTF8_MARK: Final = b"\xef\xbb\xbf"
PANDAS_INDEX: Final = "__index_level_0__"  # a first column without a name


@dataclass(frozen=True, slots=True)
class Dialect:
    """How the rows of a file are written.

    Parameters
    ----------
    delimiter
        Between two values; " " stands for any run of spaces and tabs.
    names
        Of the columns; their numbers from 0 where the file does not name them.
    first_byte, first_line
        Where the rows begin; lines count from 1.
    row_bytes
        Bytes of a row, about.
    """

    delimiter: str
    names: tuple[str, ...]
    first_byte: int
    first_line: int
    row_bytes: int


def is_number(cell: str) -> bool:
    """Return whether a cell holds a number, or nothing."""
    cell = cell.strip()
    try:
        float(cell)
    except ValueError:
        return cell in NULLS
    return "_" not in cell


def tidy_spaces(data: bytes) -> bytes:
    """Return text with one space between values, none around them."""
    return re.sub(rb"(?m)^ | (?=\r?$)", b"", re.sub(rb"[ \t]+", b" ", data))


def rows_of(data: bytes, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the number of the first line, from 0, and the cells of every row that is not blank."""
    text = (tidy_spaces(data) if delimiter == " " else data).decode(errors="replace")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    line = 0
    for row in reader:
        if row:
            yield line, row
        line = reader.line_num


def sniff(head: bytes, name: str) -> Dialect:
    """Find out how a file is written from its beginning.

    Raises
    ------
    SourceError
        If it is no text, or holds no rows.
    """
    for mark, what in MARKS.items():
        if head.startswith(mark):
            raise SourceError(f"{name}: not plain text but {what}")
    if b"\0" in head:
        raise SourceError(f"{name}: not text")
    skipped = len(UTF8_MARK) if head.startswith(UTF8_MARK) else 0
    body = head[skipped:]
    if len(head) >= HEAD_BYTES:  # the last row may be cut
        body = body[: body.rfind(b"\n") + 1] or body
    delimiter = "\t" if ".tsv" in name else _delimiter(body)
    rows = _sample(body, delimiter)
    if not rows:
        raise SourceError(f"{name}: holds no rows")
    line, cells = rows[0]
    if all(is_number(cell) for cell in cells):
        names, begin, line = [str(i) for i in range(len(cells))], 0, 0
    else:
        names, line = _names(cells), rows[1][0] if len(rows) > 1 else body.count(b"\n")
        begin = _offset_of_line(body, line)
    row_bytes = max((len(body) - begin) // max(body.count(b"\n", begin), 1), 1)
    return Dialect(delimiter, tuple(names), skipped + begin, line + 1, row_bytes)


def _sample(body: bytes, delimiter: str) -> list[tuple[int, list[str]]]:
    try:
        return [row for row, _ in zip(rows_of(body, delimiter), range(SAMPLE_ROWS), strict=False)]
    except csv.Error:
        return []


def _delimiter(body: bytes) -> str:
    """Return what gives most rows one width, then most numbers, then most columns.

    Decimal commas count as numbers here, so that they are told as such, not as two columns.
    """

    def score(delimiter: str) -> tuple[float, float, int]:
        rows = [row for _, row in _sample(body, delimiter)]
        if not rows:
            return 0.0, 0.0, 0
        (width, n_rows), *_ = Counter(map(len, rows)).most_common(1)
        cells = [cell for row in rows[1:] or rows for cell in row]
        if delimiter not in ", ":
            cells = [cell.replace(",", ".", 1) for cell in cells]
        numbers = sum(map(is_number, cells)) / len(cells)
        return (round(n_rows / len(rows), 1), round(numbers, 2), width) if width > 1 else (0, 0, 1)

    return max(DELIMITERS, key=score)


def _names(cells: Sequence[str]) -> list[str]:
    cells = [cell.strip() for cell in cells]
    if cells[0].startswith("#"):  # as numpy.savetxt writes them
        cells[0] = cells[0][1:].strip()
        cells = cells if cells[0] else cells[1:]
    elif not cells[0]:  # as pandas writes an index
        cells[0] = PANDAS_INDEX
    return cells


def _offset_of_line(body: bytes, line: int) -> int:
    offset = 0
    for _ in range(line):
        offset = body.find(b"\n", offset) + 1
        if offset == 0:
            return len(body)
    return offset
