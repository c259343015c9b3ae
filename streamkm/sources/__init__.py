"""One file per foreign format. `SOURCES` is the complete, lazily loaded list.

A format is a module with a function `open_source(locator) -> RowSource`. To
add one: write the module, add its row.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

from streamkm.errors import SourceError, StreamKMError
from streamkm.remote import is_url
from streamkm.sources.locators import split_member, write_columns
from streamkm.typing import ColumnSource, RowSource


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One format: its name (also a prefix, `name:path`), how files end, an example.

    `has_columns`: columns may be chosen by name behind a colon.
    """

    name: str
    endings: tuple[str, ...]
    module: str
    example: str
    has_columns: bool = False


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
    SourceRow(
        "csv",
        (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".txt", ".txt.gz"),
        "streamkm.sources.delimited",
        '"parts/*.csv"',
        has_columns=True,
    ),
    SourceRow(
        "parquet",
        (".parquet", ".pq"),
        "streamkm.sources.parquet",
        "trips.parquet:longitude,latitude",
        has_columns=True,
    ),
    SourceRow(
        "arrow",
        (".arrow", ".feather", ".ipc"),
        "streamkm.sources.arrow_ipc",
        "embeddings.arrow",
        has_columns=True,
    ),
    SourceRow(
        "vecs",
        (".fvecs", ".bvecs", ".ivecs", ".fvecs.gz", ".bvecs.gz", ".ivecs.gz"),
        "streamkm.sources.vecs",
        "sift_base.fvecs",
    ),
    SourceRow("images", (), "streamkm.sources.images", '"images:flowers?size=64x64&mode=grey"'),
    SourceRow("blobs", (), "streamkm.sources.blobs", "blobs:1e6x16?centers=8&seed=0"),
    SourceRow("digits", (), "streamkm.sources.digits", "digits:1e6?seed=0"),
    SourceRow("cifar100", (), "streamkm.sources.cifar100", "cifar100:train.bin"),
)
REMOTE: Final = ("zarr", "parquet")  # read by URL


def open_source(locator: str | Path, *, is_label: bool = False) -> RowSource:
    """Open rows of any known format.

    Parameters
    ----------
    locator
        A path, `name:path` with a name of `SOURCES`, or a description of
        computed rows such as `blobs:1e9x64?centers=100&seed=0`. HDF5 files and
        .npz archives take the array's name behind a colon, tables the names of
        columns: `usps.h5:train/data`, `skin.csv:r,g,b`. A glob
        (`parts/*.parquet`) or a folder stands for its files, by name; Zarr and
        Parquet are also opened by URL.
    is_label
        Whether the rows are labels: the column of a table may then be text.

    Returns
    -------
    source
        Rows by range, with shape, dtype, and labels where the format has them.

    Raises
    ------
    SourceError
        If the file is missing, its format unknown, or its content damaged.
    UnreachableError
        If it is behind a URL that does not answer.
    """
    text = str(locator)
    row, rest = find_row(text)
    if is_url(text) and row.name not in REMOTE:
        raise SourceError(
            f"{text}: by URL (s3://, gs://, https://) only Zarr and Parquet are read; download the "
            "file, and give its path"
        )
    module = importlib.import_module(row.module)
    try:
        options = {"is_label": True} if is_label and row.has_columns else {}
        return cast("RowSource", module.open_source(rest, **options))
    except FileNotFoundError as error:
        raise SourceError(f"{text}: no such file or store") from error
    except StreamKMError:
        raise
    except OSError as error:
        raise SourceError(f"{text}: cannot be read as {row.name} ({error})") from error


def open_rows(locator: str | Path, columns: Sequence[str] = ()) -> RowSource:
    """Open rows of features; a 1-D array is refused.

    Parameters
    ----------
    locator
        As for `open_source`.
    columns
        Names of the columns of a table, in place of those behind its colon.

    Raises
    ------
    SourceError
        As `open_source`, for one number a row, and for columns of what has none.
    """
    source = open_source(with_columns(str(locator), columns) if columns else locator)
    if source.info.is_column:
        raise SourceError(
            f"{locator}: a 1-D array, expected rows of features; "
            "reshape it to (n, 1) if it has one feature"
        )
    return source


def may_be_store(locator: str) -> bool:
    """Return whether a locator may stand for a Zarr store: of a URL its ending says so."""
    return not is_url(locator) or find_row(locator)[0].name == "zarr"


def with_columns(locator: str, columns: Sequence[str]) -> str:
    """Return a table's locator with these columns behind its colon."""
    row, rest = find_row(locator)
    if not row.has_columns:
        tables = ", ".join(other.name for other in SOURCES if other.has_columns)
        raise SourceError(f"{locator}: columns are chosen of {tables} and data frames only")
    path, member = split_member(rest)
    if member:
        raise SourceError(
            f"{locator}: columns are named behind the colon ({member}) and apart from it "
            f"({write_columns(columns)}); name them once"
        )
    return f"{row.name}:{path}:{write_columns(columns)}"


def open_column(locator: str | Path) -> ColumnSource:
    """Open labels or weights: one number a row, in any format that holds 1-D arrays.

    The column of a table may be text: each text is a class, numbered by their
    order, and `class_names` of the result lists them.
    """
    source = open_source(locator, is_label=True)
    n_columns = source.shape[1]
    if n_columns != 1:
        raise SourceError(
            f"{locator}: expected one value a row, found {n_columns}; name a 1-D array, or a column"
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

    @property
    def class_names(self) -> tuple[str, ...]:
        return getattr(self.source, "class_names", ())

    def read(self, start, stop):  # type: ignore[no-untyped-def]
        return self.source.read(start, stop)[:, 0]


def find_row(text: str) -> tuple[SourceRow, str]:
    """Return the format of a locator, and the locator without a format's name.

    Raises
    ------
    SourceError
        If the format is unknown.
    """
    name, colon, rest = text.partition(":")
    for row in SOURCES:
        if colon and name == row.name:
            return row, rest
    path = split_member(text)[0]  # what stands behind a colon names something inside the file
    found = _row_of(Path(path).name)
    if found is not None:
        return found, text
    if is_url(path):
        return _named("zarr"), text
    if not Path(path).exists():
        raise SourceError(f"{text}: no such file or store")
    found = _row_of_folder(Path(path)) if Path(path).is_dir() else None
    if Path(path).name.startswith(("data_batch", "test_batch")):
        found = _named("cifar")
    if found is not None:
        return found, text
    known = ", ".join(ending for row in SOURCES for ending in row.endings)
    raise SourceError(
        f"{text}: format not recognised; known endings are {known}, or say it: idx:{text}"
    )


def _named(name: str) -> SourceRow:
    return next(row for row in SOURCES if row.name == name)


def _row_of(file_name: str) -> SourceRow | None:
    for row in SOURCES:
        if row.endings and file_name.endswith(row.endings):
            return row
    return None


def _row_of_folder(folder: Path) -> SourceRow | None:
    """Return what a folder holds: a Zarr array or group, parts of a table, CIFAR-10, images."""
    names = [entry.name for entry in folder.iterdir()]
    if {"zarr.json", ".zarray", ".zgroup"} & set(names):
        return _named("zarr")
    if any(name.startswith("data_batch") for name in names):
        return _named("cifar")
    rows = {row.name for row in map(_row_of, names) if row is not None and row.has_columns}
    if len(rows) == 1:
        return _named(rows.pop())
    return None if rows else _named("images")
