"""Text tables: .csv, .tsv and .txt, plain or gzipped, one file, a glob or a folder.

One pass over the text finds where every so many rows begin, so that ranges of
rows are read from anywhere; a gzipped file is read forwards.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from streamkm.errors import SourceError
from streamkm.metering import count
from streamkm.sources.classes import classified
from streamkm.sources.csv_dialect import sniff
from streamkm.sources.csv_index import FileIndex, index_file, read_head
from streamkm.sources.csv_parse import examine, parse
from streamkm.sources.fields import Field, choose, pyarrow, text_field
from streamkm.sources.locators import expand, read_columns, split_member
from streamkm.sources.streams import Reader, file_reader
from streamkm.sources.tables import TableSource, check_same_columns, name_of, refuse_empty
from streamkm.typing import I64

ENDINGS: Final = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".txt", ".txt.gz")
UNIT_BYTES: Final = 1 << 20
SCRATCH: Final = 8  # times a unit's text: where its values stand, and the values
KEPT_READERS: Final = 4  # in a thread: for rows, labels and weights from one gzipped file
MAX_THREADS: Final = 8
_LOCAL = threading.local()


@dataclass(frozen=True, eq=False)
class CsvPart:
    """One file, and where its rows are."""

    path: str
    index: FileIndex

    @property
    def name(self) -> str:
        """Name of the file."""
        return self.path

    @property
    def edges(self) -> I64:
        """First row of every unit, and the number of rows."""
        index = self.index
        return np.minimum(np.arange(len(index.offsets)) * index.unit_rows, index.n_rows)

    @property
    def restarts(self) -> tuple[int, ...]:
        """The beginning: a gzipped file is read from there."""
        return (0,)

    def load(self, unit: int, columns: tuple[str, ...]) -> Any:
        """Parse one unit."""
        index = self.index
        begin, end = (int(offset) for offset in index.offsets[unit : unit + 2])
        data = _reader(self.path, columns).read_at(begin, end - begin).tobytes()
        count(bytes_read=len(data))
        numbers = [index.dialect.names.index(column) for column in columns]
        kinds = {str(i): index.kinds[column] for i, column in zip(numbers, columns, strict=True)}
        try:
            table = parse(data, index.dialect, numbers, kinds)
        except pyarrow("CSV").ArrowInvalid as error:
            raise SourceError(f"{self.name}: has changed since it was opened ({error})") from error
        return table.combine_chunks().to_batches()[0]


def open_source(locator: str, *, is_label: bool = False) -> TableSource:
    """Open `rows.csv`, `"parts/*.csv.gz"` or a folder; columns stand behind a colon.

    A first line with a cell that is no number holds the names of the columns;
    else they are called 0, 1, 2.
    """
    pyarrow("CSV")
    path, member = split_member(locator)
    files = expand(path, ENDINGS)
    wanted = read_columns(member)
    dialects = [sniff(read_head(file), file) for file in files]
    first, first_name = dialects[0], files[0]
    for file, dialect in zip(files, dialects, strict=True):
        if not wanted:
            check_same_columns(dialect.names, file, first.names, first_name)
    columns = tuple(choose(first.names, wanted, first_name))
    unit_rows = max(UNIT_BYTES // first.row_bytes, 1)
    with ThreadPoolExecutor(min(os.cpu_count() or 1, MAX_THREADS)) as pool:
        look = partial(pool.submit, partial(examine, is_label=is_label))
        indexes = [
            index_file(file, dialect, columns, unit_rows, look)
            for file, dialect in zip(files, dialects, strict=True)
        ]
    full = [(file, index) for file, index in zip(files, indexes, strict=True) if index.n_rows]
    refuse_empty(len(full), path)
    fields = tuple(_joined([index.fields[i] for _, index in full]) for i in range(len(columns)))
    texts = tuple(field.name for field in fields if field.classes is not None)
    source = TableSource(
        name_of(path, wanted),
        tuple(CsvPart(file, index.reading_as_text(texts)) for file, index in full),
        fields,
        natural_rows=unit_rows,
        scratch_bytes=SCRATCH * max(int(np.diff(index.offsets).max()) for _, index in full),
        is_sequential=any(file.endswith(".gz") for file, _ in full),
    )
    return classified(source)


def _joined(fields: Sequence[Field]) -> Field:
    """Return one field for the same column of several files: types are found out, not declared."""
    if any(field.classes is not None for field in fields):
        return text_field(fields[0].name)
    return Field(fields[0].name, np.result_type(*(field.dtype for field in fields)))


def _reader(path: str, columns: tuple[str, ...]) -> Reader:
    """Return a reader; of a gzipped file one that this thread moves forwards for these columns."""
    if not path.endswith(".gz"):
        return file_reader(path)
    stat = Path(path).stat()
    key = (path, columns, stat.st_ino, stat.st_size, stat.st_mtime_ns)
    readers: OrderedDict[Any, Reader] = _LOCAL.__dict__.setdefault("readers", OrderedDict())
    if key not in readers:
        if len(readers) >= KEPT_READERS:
            readers.popitem(last=False)
        readers[key] = file_reader(path)
    readers.move_to_end(key)
    return readers[key]
