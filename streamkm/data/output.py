"""Where labels and distances go: an array in memory, Zarr, .npy, CSV or Parquet, by the ending.

Tasks write disjoint row ranges to a target; the result appears under its name
when it is whole.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import zarr
from numpy.lib import format as npy_format
from numpy.typing import NDArray
from zarr.storage import LocalStore

from streamkm.data.atomic import writing
from streamkm.data.exchange import put_in_place
from streamkm.data.formats import CONVERTERS, need_pyarrow
from streamkm.data.lock import only_one
from streamkm.data.store import (
    check_replaceable,
    create_array,
    discard,
    remove_leftovers,
    writable_array,
)
from streamkm.data.unfinished import DoneChunks, Unfinished
from streamkm.errors import ClusterError, StorageError, StoreExistsError
from streamkm.typing import Json

FILES: Final = (".npy", ".csv", ".parquet")
ENDINGS: Final = ("", ".zarr", *FILES)
# What ends a call whose work is good: the same call goes on with it.
GOING_ON: Final = (KeyboardInterrupt, OSError, ClusterError)


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
    out: str | Path, shape: tuple[int, ...], dtype: Any, chunk_rows: int, *, overwrite: bool,
    identity: Json | None = None,
) -> Iterator[tuple[Target, DoneChunks | None]]:  # fmt: skip
    """Create an output; it gets its name when the block ends without an error.

    Parameters
    ----------
    out
        Its name; the ending says the format.
    shape, dtype
        Of the values, one row each.
    chunk_rows
        Rows of a Zarr array's chunk, of whose multiples blocks are written at once.
    overwrite
        Replace what has the name.
    identity
        What must agree for a call to go on with the work of one that was ended.
        Without it nothing is left behind.

    Yields
    ------
    target, done
        Where values go, and which blocks are there; None without `identity`.

    Raises
    ------
    StoreExistsError
        If the name is taken and `overwrite` is False.
    StorageError
        If it cannot be written.
    BusyError
        If another process writes it.
    MissingExtraError
        If Parquet is asked without pyarrow.
    """
    final = Path(out)
    check_output(final, overwrite=overwrite)
    plan = {
        "shape": shape,
        "dtype": np.dtype(dtype).str,
        "chunk_rows": chunk_rows,
        **(identity or {}),
    }
    files = Unfinished(final, json.dumps(plan) if identity is not None else "")
    with (
        writing(final),
        only_one(final.with_name(final.name + ".partial.lock"), f"writing {final}"),
    ):
        try:
            yield _begun(files, final, shape, np.dtype(dtype), chunk_rows, identity is not None)
            put_in_place(_as_asked(files, final), final)
        except GOING_ON:
            if identity is None:
                files.clear()
            raise
        except BaseException:
            files.clear()
            raise
        files.clear()


def check_output(final: Path, *, overwrite: bool) -> None:
    """Refuse a name that cannot be written.

    Raises
    ------
    StoreExistsError, StorageError, MissingExtraError
        As `open_output`.
    """
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
    if ending == ".parquet":
        need_pyarrow()


def _begun(
    files: Unfinished, final: Path, shape: tuple[int, ...], dtype: np.dtype[Any], chunk_rows: int,
    may_go_on: bool,
) -> tuple[Target, DoneChunks | None]:  # fmt: skip
    """Return where values go: what an earlier call has left, or a new file."""
    done = DoneChunks(str(files.done.absolute()), chunk_rows) if may_go_on else None
    content = files.raw if final.suffix.lower() in FILES else files.raw / "values"
    if not (files.is_ours() and content.exists()):
        files.clear()
        if final.suffix.lower() in FILES:
            _create_npy(files.raw, shape, dtype)
        else:
            _create_zarr(files.raw, shape, dtype, chunk_rows)
        if done is not None:
            done.create(shape[0])
        files.begun()
    discard(files.converted)
    path = str(files.raw.absolute())
    if final.suffix.lower() in FILES:
        row_bytes = math.prod(shape[1:]) * dtype.itemsize
        offset = files.raw.stat().st_size - shape[0] * row_bytes
        return NpyTarget(path, offset, row_bytes), done
    return ZarrTarget(path, "values"), done


def _as_asked(files: Unfinished, final: Path) -> Path:
    """Return the whole output in the format that its name asks for."""
    ending = final.suffix.lower()
    if ending in CONVERTERS:
        CONVERTERS[ending](files.raw, files.converted)
    elif ending in FILES:
        return files.raw
    else:  # the array's own folder: a plain Zarr array is what people open
        remove_leftovers(files.raw)
        (files.raw / "values").rename(files.converted)
    return files.converted


def _create_zarr(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any], rows: int) -> None:
    group = zarr.create_group(LocalStore(path), zarr_format=3)
    fill = -1 if dtype.kind == "i" else math.nan
    create_array(group, "values", shape, dtype, rows, "lz4", fill_value=fill)


def _create_npy(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    with open(path, "wb") as stream:
        header = {"descr": dtype.str, "fortran_order": False, "shape": shape}
        npy_format.write_array_header_1_0(stream, header)
        stream.truncate(stream.tell() + math.prod(shape) * dtype.itemsize)
