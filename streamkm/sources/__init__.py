"""One file per foreign format. `SOURCES` is the complete, lazily loaded list.

A format is a module with a function `open_source(locator) -> RowSource`. To
add one: write the module, add its row.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

from streamkm.errors import SourceError
from streamkm.typing import ColumnSource, RowSource


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One format: its name (also a prefix, `name:path`), how files end, an example."""

    name: str
    endings: tuple[str, ...]
    module: str
    example: str


SOURCES: Final = (
    SourceRow(
        "idx",
        ("-ubyte", "-ubyte.gz", ".idx", ".idx.gz"),
        "streamkm.sources.idx",
        "train-images-idx3-ubyte.gz",
    ),
    SourceRow("cifar", (".bin", ".tar.gz", ".tgz"), "streamkm.sources.cifar", "data_batch_1.bin"),
    SourceRow("array", (".npy", ".npz"), "streamkm.sources.array", "embeddings.npy"),
    SourceRow("hdf5", (".h5", ".hdf5"), "streamkm.sources.hdf5", "usps.h5:train/data"),
    SourceRow("zarr", (".zarr",), "streamkm.sources.zarr_array", "vectors.zarr"),
    SourceRow("blobs", (), "streamkm.sources.blobs", "blobs:1e6x16?centers=8&seed=0"),
    SourceRow("digits", (), "streamkm.sources.digits", "digits:1e6?seed=0"),
)


def open_source(locator: str | Path) -> RowSource:
    """Open rows of any known format.

    Parameters
    ----------
    locator
        A path, `name:path` with a name of `SOURCES`, or a description of
        computed rows such as `blobs:1e9x64?centers=100&seed=0`. HDF5 files and
        .npz archives take the array's name behind a colon:
        `usps.h5:train/data`.

    Returns
    -------
    source
        Rows by range, with shape, dtype, and labels where the format has them.

    Raises
    ------
    SourceError
        If the file is missing, its format unknown, or its content damaged.
    """
    text = str(locator)
    row, rest = _find_row(text)
    module = importlib.import_module(row.module)
    try:
        return cast("RowSource", module.open_source(rest))
    except FileNotFoundError as error:
        raise SourceError(f"{text}: no such file") from error
    except OSError as error:
        raise SourceError(f"{text}: cannot be read as {row.name} ({error})") from error


def open_rows(locator: str | Path) -> RowSource:
    """Open rows of features; a 1-D array is refused.

    Raises
    ------
    SourceError
        As `open_source`, and for one number a row.
    """
    source = open_source(locator)
    if source.info.is_column:
        raise SourceError(
            f"{locator}: a 1-D array, expected rows of features; "
            "reshape it to (n, 1) if it has one feature"
        )
    return source


def open_column(locator: str | Path) -> ColumnSource:
    """Open labels or weights: one number a row, in any format that holds 1-D arrays."""
    source = open_source(locator)
    n_columns = source.shape[1]
    if n_columns != 1:
        raise SourceError(
            f"{locator}: expected one value a row, found {n_columns}; name a 1-D array"
        )
    return _Column(source)


@dataclass(frozen=True, slots=True)
class _Column:
    source: RowSource

    @property
    def shape(self):  # type: ignore[no-untyped-def]
        return self.source.shape[:1]

    @property
    def dtype(self):  # type: ignore[no-untyped-def]
        return self.source.dtype

    def read(self, start, stop):  # type: ignore[no-untyped-def]
        return self.source.read(start, stop)[:, 0]


def _find_row(text: str) -> tuple[SourceRow, str]:
    name, colon, rest = text.partition(":")
    for row in SOURCES:
        if colon and name == row.name:
            return row, rest
    file_name = Path(name).name  # what stands behind a colon names an array inside the file
    for row in SOURCES:
        if row.endings and file_name.endswith(row.endings):
            return row, text
    path = Path(text)
    if not path.exists():
        raise SourceError(f"{text}: no such file")
    if path.is_dir():
        is_zarr = any((path / key).exists() for key in ("zarr.json", ".zarray", ".zgroup"))
        return SOURCES[4 if is_zarr else 1], text
    if file_name.startswith(("data_batch", "test_batch")):
        return SOURCES[1], text
    known = ", ".join(ending for row in SOURCES for ending in row.endings)
    raise SourceError(
        f"{text}: format not recognised; known endings are {known}, or say it: idx:{text}"
    )
