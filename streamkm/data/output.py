"""Where labels and distances go: an array in memory, Zarr, .npy, CSV or Parquet, by the ending.

Tasks write disjoint row ranges to a target; the result appears under its name
when it is whole.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import zarr
from numpy.lib import format as npy_format
from numpy.typing import NDArray
from zarr.storage import LocalStore

from streamkm.data.store import (
    check_replaceable,
    create_array,
    discard,
    put_in_place,
    writable_array,
)
from streamkm.errors import MissingExtraError, StorageError, StoreExistsError

COPY_ROWS: Final = 1 << 16
FILES: Final = (".npy", ".csv", ".parquet")
ENDINGS: Final = ("", ".zarr", *FILES)


class Target(Protocol):
    """Takes values by row range; picklable, unless it is memory."""

    def write(self, start: int, values: NDArray[Any]) -> None:
        """Write values for the rows from `start`."""
        ...


@dataclass(frozen=True, eq=False)
class MemoryTarget:
    """An array of this process."""

    values: NDArray[Any]

    def write(self, start: int, values: NDArray[Any]) -> None:
        """Write into the array."""
        self.values[start : start + len(values)] = values


@dataclass(frozen=True)
class ZarrTarget:
    """An array of a Zarr group; a chunk that exists is a chunk that is done."""

    path: str
    name: str

    def write(self, start: int, values: NDArray[Any]) -> None:
        """Write whole chunks."""
        writable_array(self.path, self.name)[start : start + len(values)] = values


@dataclass(frozen=True)
class NpyTarget:
    """A .npy file that already has its full size."""

    path: str
    offset: int
    row_bytes: int

    def write(self, start: int, values: NDArray[Any]) -> None:
        """Write at the rows' place; not mapped, so that memory stays bounded."""
        with open(self.path, "r+b") as stream:
            stream.seek(self.offset + start * self.row_bytes)
            stream.write(np.ascontiguousarray(values).data)


@contextmanager
def open_output(
    out: str | Path, shape: tuple[int, ...], dtype: Any, chunk_rows: int, *, overwrite: bool
) -> Iterator[Target]:
    """Create an output; it gets its name when the block ends without an error.

    Raises
    ------
    StoreExistsError
        If the name is taken and `overwrite` is False.
    StorageError
        If it cannot be written.
    MissingExtraError
        If Parquet is asked without pyarrow.
    """
    final = Path(out)
    ending = final.suffix.lower()
    if ending not in ENDINGS:
        raise StorageError(
            f"{final}: {ending} is not written; the ending must be .zarr (or none), "
            f"{', '.join(FILES)}"
        )
    if not final.parent.exists():
        raise StorageError(f"{final} cannot be written: there is no folder {final.parent}")
    if final.exists() and not overwrite:
        raise StoreExistsError(f"{final} exists; pass overwrite (--overwrite) to replace it")
    check_replaceable(final, "file" if ending in FILES else "array")
    temporary = final.with_name(final.name + ".partial")
    convert = _CONVERTERS.get(ending)
    if ending == ".parquet":
        _pyarrow()
    try:
        discard(temporary)
        if ending in FILES:
            yield _create_npy(temporary, shape, np.dtype(dtype))
            if convert is not None:
                raw = temporary
                temporary = final.with_name(final.name + ".converted.partial")
                convert(raw, temporary)
                raw.unlink()
        else:
            yield _create_zarr(temporary, shape, np.dtype(dtype), chunk_rows)
            temporary = _only_array(temporary)
        put_in_place(temporary, final)
    except OSError as error:
        raise StorageError(f"{final} cannot be written ({error})") from error
    finally:
        discard(final.with_name(final.name + ".partial"))
        discard(final.with_name(final.name + ".converted.partial"))


def _create_zarr(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any], rows: int) -> Target:
    group = zarr.create_group(LocalStore(path), zarr_format=3)
    fill = -1 if dtype.kind == "i" else math.nan
    create_array(group, "values", shape, dtype, rows, "lz4", fill_value=fill)
    return ZarrTarget(str(path.absolute()), "values")


def _only_array(group: Path) -> Path:
    """Return the array's own folder: a plain Zarr array is what people open."""
    array = group.with_name(group.name.removesuffix(".partial") + ".converted.partial")
    discard(array)
    (group / "values").rename(array)
    return array


def _create_npy(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Target:
    with open(path, "wb") as stream:
        header = {"descr": dtype.str, "fortran_order": False, "shape": shape}
        npy_format.write_array_header_1_0(stream, header)
        offset = stream.tell()
        stream.truncate(offset + math.prod(shape) * dtype.itemsize)
    return NpyTarget(str(path.absolute()), offset, math.prod(shape[1:]) * dtype.itemsize)


def _batches(path: Path) -> Iterator[tuple[list[str], NDArray[Any]]]:
    with open(path, "rb") as stream:  # read, not mapped: memory must not grow with the rows
        npy_format.read_magic(stream)
        shape, _, dtype = npy_format.read_array_header_1_0(stream)
        width = 1 if len(shape) == 1 else shape[1]
        names = ["label"] if len(shape) == 1 else [f"distance_{k}" for k in range(width)]
        for start in range(0, shape[0], COPY_ROWS):
            rows = min(COPY_ROWS, shape[0] - start)
            yield names, np.fromfile(stream, dtype, rows * width).reshape(rows, width)


def _to_csv(raw: Path, final: Path) -> None:
    with open(final, "w", encoding="ascii") as stream:
        is_first = True
        for names, part in _batches(raw):
            if is_first:
                stream.write(",".join(names) + "\n")
                is_first = False
            np.savetxt(stream, part, delimiter=",", fmt="%d" if part.dtype.kind == "i" else "%.17g")


def _pyarrow() -> Any:
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtraError(
            'Parquet needs pyarrow; install it with: pip install "streamkm[tables]"'
        ) from error
    return pyarrow


def _to_parquet(raw: Path, final: Path) -> None:
    pyarrow = _pyarrow()
    writer = None
    for names, part in _batches(raw):
        table = pyarrow.table({name: part[:, i] for i, name in enumerate(names)})
        writer = writer or pyarrow.parquet.ParquetWriter(final, table.schema)
        writer.write_table(table)
    if writer is not None:
        writer.close()


_CONVERTERS: Final[dict[str, Callable[[Path, Path], None]]] = {
    ".csv": _to_csv,
    ".parquet": _to_parquet,
}
