"""Vectors of the TEXMEX corpus: .fvecs, .bvecs and .ivecs, plain or gzipped.

Before each vector stands its number of values, a little-endian int32 (Jégou,
Douze & Schmid, "Product quantization for nearest neighbor search", 2011; the
format is that of the corpus' page, corpus-texmex.irisa.fr).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streamkm.errors import SourceError
from streamkm.metering import count
from streamkm.sources.streams import PIECE_BYTES, GzipOpener, Reader, damage, file_reader
from streamkm.typing import ColumnSource, Rows, SourceInfo

TYPES: Final[dict[str, np.dtype[Any]]] = {
    ".fvecs": np.dtype("<f4"),
    ".bvecs": np.dtype(np.uint8),
    ".ivecs": np.dtype("<i4"),
}
MAX_VALUES: Final = 1 << 20


@dataclass(frozen=True)
class VecsSource:
    """Rows of one file."""

    path: str
    stored: np.dtype[Any]
    n_rows: int
    n_values: int
    reader: Reader = field(repr=False)

    @property
    def shape(self) -> tuple[int, int]:
        """Number of vectors, and of their values."""
        return self.n_rows, self.n_values

    @property
    def dtype(self) -> np.dtype[Any]:
        """Native byte order of the stored type."""
        return self.stored.newbyteorder("=")

    @property
    def info(self) -> SourceInfo:
        """A gzipped file is sequential."""
        return SourceInfo(name=Path(self.path).name, is_sequential=self.path.endswith(".gz"))

    @property
    def labels(self) -> ColumnSource | None:
        """None: the format has none."""
        return None

    def read(self, start: int, stop: int) -> Rows:
        """Rows `start` to `stop`; each must begin with the number of its values."""
        record = np.dtype([("n", "<i4"), ("values", self.stored, (self.n_values,))])
        size = record.itemsize
        raw = self.reader.read_at(start * size, (stop - start) * size)
        count(bytes_read=len(raw), bytes_decoded=len(raw))
        rows = raw.view(record)
        wrong = np.flatnonzero(rows["n"] != self.n_values)
        if len(wrong):
            raise SourceError(
                f"{Path(self.path).name}: row {start + int(wrong[0])} has "
                f"{int(rows['n'][wrong[0]])} values, the first has {self.n_values}; the file is "
                "damaged, or its vectors are of different lengths"
            )
        values: NDArray[Any] = np.ascontiguousarray(rows["values"]).astype(self.dtype, copy=False)
        return values


def open_source(locator: str) -> VecsSource:
    """Open `base.fvecs`, or the same gzipped."""
    name = Path(locator).name
    n_bytes = _size(locator)
    if n_bytes == 0:
        raise SourceError(f"{name}: the file is empty")
    ending = Path(name.removesuffix(".gz")).suffix
    if ending not in TYPES:
        raise SourceError(f"{name}: its ending must be one of {', '.join(TYPES)}, or these .gz")
    stored = TYPES[ending]
    reader = file_reader(locator)
    n_values = int(reader.read_at(0, 4).view("<i4")[0])
    if not 0 < n_values <= MAX_VALUES:
        raise SourceError(f"{name}: not a {ending} file (its first vector has {n_values} values)")
    n_rows, rest = divmod(n_bytes, 4 + n_values * stored.itemsize)
    if rest:
        raise SourceError(
            f"{name}: truncated or damaged; {n_bytes} bytes are not whole vectors of {n_values} "
            f"values ({rest} bytes are left over)"
        )
    return VecsSource(locator, stored, n_rows, n_values, reader)


def _size(path: str) -> int:
    """Return the bytes of the vectors; those of a gzipped file are counted by reading it."""
    if not path.endswith(".gz"):
        return Path(path).stat().st_size
    total, stream = 0, GzipOpener(path)()
    with damage(Path(path).name):
        while piece := stream.read(PIECE_BYTES):
            total += len(piece)
    stream.close()
    return total
