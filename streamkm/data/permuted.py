"""Out-of-core permutation: sorted fragments of every block, on the way to their chunks.

A fragment file holds the rows of one source block in the order of where they
go, behind a table of where each destination chunk begins. Filling a chunk
reads one stretch of every fragment.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from streamkm.typing import I64, Rows


@dataclass(frozen=True, slots=True)
class FragmentLayout:
    """What all fragments of one shuffle share.

    Parameters
    ----------
    folder
        Where they lie.
    n_rows
        Rows in all.
    chunk_rows
        Rows of a destination chunk.
    columns
        Dtype and width of each array that travels: rows first, then labels.
    """

    folder: str
    n_rows: int
    chunk_rows: int
    columns: tuple[tuple[str, int], ...]

    @property
    def n_chunks(self) -> int:
        """Destination chunks."""
        return -(-self.n_rows // self.chunk_rows)

    def path(self, start: int) -> Path:
        """File of the fragment of the block that begins at row `start`."""
        return Path(self.folder, f"rows-{start:014d}.fragment")

    def write(self, start: int, targets: I64, arrays: tuple[Rows, ...]) -> None:
        """Write one block's rows, sorted by where they go; whole or not at all."""
        order = np.argsort(targets)
        chunk_of = targets[order] // self.chunk_rows
        table = np.searchsorted(chunk_of, np.arange(self.n_chunks + 1)).astype(np.int64)
        final = self.path(start)
        temporary = final.with_suffix(f".{os.getpid()}.partial")
        with open(temporary, "wb") as stream:
            stream.write(table.tobytes())
            stream.write(targets[order].tobytes())
            for array in arrays:
                stream.write(np.ascontiguousarray(array[order]).data)
        os.replace(temporary, final)

    def read(self, chunk: int) -> Iterator[tuple[I64, tuple[Rows, ...]]]:
        """Yield, fragment by fragment, the rows that go to one chunk and where in it."""
        head = (self.n_chunks + 1) * 8
        for path in sorted(Path(self.folder).glob("*.fragment")):
            with open(path, "rb") as stream:
                stream.seek(chunk * 8)
                first, last = np.frombuffer(stream.read(16), np.int64)
                stream.seek(head - 8)
                total = int(np.frombuffer(stream.read(8), np.int64)[0])
                stream.seek(head + first * 8)
                targets = np.frombuffer(stream.read((last - first) * 8), np.int64)
                offset, arrays = head + total * 8, []
                for dtype, width in self.columns:
                    row_bytes = np.dtype(dtype).itemsize * width
                    stream.seek(offset + first * row_bytes)
                    raw = stream.read((last - first) * row_bytes)
                    arrays.append(np.frombuffer(raw, dtype).reshape(-1, width))
                    offset += total * row_bytes
            yield targets - chunk * self.chunk_rows, tuple(arrays)
