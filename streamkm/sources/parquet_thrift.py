"""The sizes of a Parquet file's columns, read from its footer as Thrift's compact protocol has it.

pyarrow reads these too, and ends the process over some damage to them: its
`RowGroupMetaData.column` and `ColumnChunkMetaData.statistics` let C++ exceptions
through (seen with 26.0.1).

Sources: parquet.thrift of the Apache Parquet format (FileMetaData, RowGroup,
ColumnChunk, ColumnMetaData, Statistics), and the specification of Thrift's
compact protocol.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, BinaryIO, Final, TypeAlias

MAGIC: Final = b"PAR1"
TAIL_BYTES: Final = 8  # the footer's length, and the magic bytes

TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = range(1, 13)
VARINT_BITS: Final = 70  # of ten bytes, which 64 bits need

ROW_GROUPS, CHUNKS, META_DATA, STATISTICS = 4, 1, 3, 12  # numbers of fields
DECODED, STORED, NULL_COUNT = 6, 7, 3

Wanted: TypeAlias = "dict[int, Wanted]"
WANTED: Final[Wanted] = {
    ROW_GROUPS: {CHUNKS: {META_DATA: {DECODED: {}, STORED: {}, STATISTICS: {NULL_COUNT: {}}}}}
}


@dataclass(frozen=True, slots=True)
class ChunkFacts:
    """One column in one row group.

    Parameters
    ----------
    stored_bytes
        Compressed, page headers included.
    decoded_bytes
        The same before compression.
    n_nulls
        None where the file does not say.
    """

    stored_bytes: int
    decoded_bytes: int
    n_nulls: int | None


def read_chunk_facts(file: BinaryIO, leaves: Sequence[int]) -> list[list[ChunkFacts]]:
    """Read what a file says of some of its stored columns, for every row group.

    Raises
    ------
    ValueError
        If it is damaged or encrypted.
    """
    end = file.seek(-TAIL_BYTES, 2)
    tail = file.read(TAIL_BYTES)
    length = int.from_bytes(tail[:4], "little")
    if tail[4:] != MAGIC or length > end:
        raise ValueError("no footer at its end")
    file.seek(end - length)
    try:
        groups = _Compact(file.read(length)).struct(WANTED)[ROW_GROUPS]
        chosen = [[group[CHUNKS][leaf][META_DATA] for leaf in leaves] for group in groups]
        return [[_facts(chunk) for chunk in chunks] for chunks in chosen]
    except (StopIteration, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError("a footer without the sizes of its columns") from error


def _facts(chunk: dict[int, Any]) -> ChunkFacts:
    facts = chunk[STORED], chunk[DECODED], chunk.get(STATISTICS, {}).get(NULL_COUNT)
    if any(isinstance(fact, list | dict) or (fact or 0) < 0 for fact in facts):
        raise ValueError("a column whose size is none")
    return ChunkFacts(*facts)


class _Compact:
    """Goes through values in the compact protocol; StopIteration at the end of the bytes."""

    def __init__(self, data: bytes) -> None:
        self._bytes = iter(data)
        self._next = self._bytes.__next__

    def struct(self, wanted: Wanted) -> dict[int, Any]:
        """Return the fields that are wanted, by their numbers, and pass over the others."""
        fields: dict[int, Any] = {}
        number = 0
        while head := self._next():
            number = number + (head >> 4) if head >> 4 else self._integer()
            if number in wanted:
                fields[number] = self._value(head & 15, wanted[number])
            elif head & 15 not in (TRUE, FALSE):  # which have no more bytes, as fields
                self._skip(head & 15)
        return fields

    def _value(self, kind: int, wanted: Wanted) -> Any:
        if kind == STRUCT:
            return self.struct(wanted)
        if kind == LIST:
            kind, n_items = self._list()
            return [self._value(kind, wanted) for _ in range(n_items)]
        if kind == I64:
            return self._integer()
        raise ValueError("a number, list or struct is of another kind")

    def _skip(self, kind: int) -> None:
        if kind in (I16, I32, I64):
            while self._next() > 127:
                pass
        elif kind == BINARY:
            self._pass_over(self._varint())
        elif kind == STRUCT:
            self.struct({})
        elif kind in (LIST, SET):
            kind, n_items = self._list()
            for _ in range(n_items):
                self._skip(kind)
        elif kind == MAP:
            n_items = self._varint()
            kinds = self._next() if n_items else 0
            for _ in range(n_items):
                self._skip(kinds >> 4)
                self._skip(kinds & 15)
        elif kind in (TRUE, FALSE, BYTE, DOUBLE):
            self._pass_over(8 if kind == DOUBLE else 1)
        else:
            raise ValueError(f"no kind of value has the number {kind}")

    def _list(self) -> tuple[int, int]:
        head = self._next()
        return head & 15, head >> 4 if head >> 4 < 15 else self._varint()

    def _pass_over(self, n_bytes: int) -> None:
        if n_bytes:
            next(islice(self._bytes, n_bytes - 1, None))

    def _varint(self) -> int:
        number = 0
        for shift in range(0, VARINT_BITS, 7):
            byte = self._next()
            number |= (byte & 127) << shift
            if byte < 128:
                return number
        raise ValueError("a number of more than 64 bits")

    def _integer(self) -> int:
        number = self._varint()
        return number >> 1 ^ -(number & 1)
