""".npy files, arrays inside .npz archives, and arrays that are in memory."""

from __future__ import annotations

import io
import math
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from streamkm.errors import SourceError, StreamKMError
from streamkm.metering import count
from streamkm.sources.fields import listed
from streamkm.sources.streams import MAX_DEFLATE_RATIO, ForwardReader, Readable, damage
from streamkm.typing import ColumnSource, Rows, SourceInfo

HEAD_BYTES: Final = 1 << 16  # NumPy takes no header of more than 10000 characters


def native(array: NDArray[Any]) -> NDArray[Any]:
    """Return a numeric array in native byte order, copied only where it must be.

    Raises
    ------
    SourceError
        If it is not numeric, or wider than eight bytes.
    """
    if array.dtype.kind not in "buif" or array.dtype.itemsize > 8:
        raise SourceError(
            f"dtype {array.dtype} is not numeric of at most 8 bytes; convert it to float64 first"
        )
    return array.astype(array.dtype.newbyteorder("="), copy=False)


@dataclass(frozen=True, eq=False)
class MemorySource:
    """Rows of an array that the caller holds in memory; nothing is copied."""

    array: NDArray[Any] = field(repr=False)
    feature_names: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and of features."""
        return self.array.shape[0], math.prod(self.array.shape[1:])

    @property
    def dtype(self) -> np.dtype[Any]:
        """The array's dtype."""
        return self.array.dtype

    @property
    def info(self) -> SourceInfo:
        """An array has no name; its features have some where it was a table."""
        return SourceInfo(name="array", feature_names=self.feature_names)

    @property
    def labels(self) -> ColumnSource | None:
        """None: an array has none."""
        return None

    def read(self, start: int, stop: int) -> Rows:
        """View of rows `start` to `stop`."""
        return self.array[start:stop].reshape(stop - start, -1)


@dataclass(frozen=True)
class NpySource:
    """Rows of a .npy file, or of a member of an .npz archive."""

    path: str
    member: str | None
    array_shape: tuple[int, ...]
    stored: np.dtype[Any]
    is_fortran: bool
    data_offset: int
    reader: ForwardReader | None = field(repr=False)

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and of features."""
        return self.array_shape[0], math.prod(self.array_shape[1:])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Native byte order of the stored type."""
        return self.stored.newbyteorder("=")

    @property
    def info(self) -> SourceInfo:
        """Name and sample shape; members of archives are sequential."""
        shape = self.array_shape[1:] if len(self.array_shape) > 2 else ()
        name = Path(self.path).name + (f":{self.member}" if self.member else "")
        return SourceInfo(
            name=name,
            sample_shape=shape,
            is_sequential=self.reader is not None,
            is_column=len(self.array_shape) == 1,
        )

    @property
    def labels(self) -> ColumnSource | None:
        """None: the format has none."""
        return None

    def read(self, start: int, stop: int) -> Rows:
        """Rows `start` to `stop`; read, not mapped, so that memory stays bounded."""
        n_features = self.shape[1]
        size = (stop - start) * n_features
        offset = self.data_offset + start * n_features * self.stored.itemsize
        if self.is_fortran:
            mapped = np.memmap(
                self.path, self.stored, "r", self.data_offset, self.array_shape, order="F"
            )
            rows = np.ascontiguousarray(mapped[start:stop]).reshape(stop - start, n_features)
        elif self.reader is None:
            rows = np.fromfile(self.path, self.stored, size, offset=offset)
        else:
            rows = np.frombuffer(
                self.reader.read_at(offset, size * self.stored.itemsize), self.stored
            )
        count(bytes_read=rows.nbytes, bytes_decoded=rows.nbytes)
        return rows.reshape(stop - start, n_features).astype(self.dtype, copy=False)


@dataclass(frozen=True)
class _Member:
    path: str
    name: str

    def __call__(self) -> Readable:
        with zipfile.ZipFile(self.path) as archive:
            return archive.open(self.name)  # the member keeps the file open by itself


def open_source(locator: str) -> NpySource:
    """Open `file.npy`, or `file.npz:name` (the name may be left out where there is one)."""
    path, _, member = locator.partition(":")
    if Path(path).stat().st_size == 0:
        raise SourceError(f"{Path(path).name}: the file is empty")
    if path.endswith(".npz"):
        return _open_npz(path, member)
    with open(path, "rb") as stream:
        header = _read_header(stream, Path(path).name)
    source = _make(path, None, header, None)
    _check_size(source, Path(path).stat().st_size)
    return source


def _open_npz(path: str, member: str) -> NpySource:
    name = Path(path).name
    try:
        with zipfile.ZipFile(path) as archive:
            names = [item.filename.removesuffix(".npy") for item in archive.infolist()]
            if not member and len(names) != 1:
                raise SourceError(
                    f"{name}: holds {listed(names)}; say which, as {name}:{listed(names[:1])}"
                )
            member = member or names[0]
            if member not in names:
                raise SourceError(f"{name}: no array {member!r}; it holds {listed(names)}")
            item = archive.getinfo(f"{member}.npy")
            if item.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise SourceError(f"{name}: {member} is damaged, or not deflated; save it again")
            with archive.open(item) as stream, damage(name):
                header = _read_header(stream, name)
    except StreamKMError:
        raise
    except KeyError as error:  # a member without the ending
        raise SourceError(f"{name}: {member} is not a .npy array") from error
    except (zipfile.BadZipFile, RuntimeError, OSError, UnicodeDecodeError) as error:
        what = " ".join(str(error).split())[:160]  # it may quote names of any length
        raise SourceError(f"{name}: damaged or truncated ({what})") from error
    reader = ForwardReader(_Member(path, f"{member}.npy"), name)
    source = _make(path, member, header, reader)
    _check_size(source, min(item.file_size, item.compress_size * MAX_DEFLATE_RATIO))
    return source


def _read_header(stream: Readable, name: str) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    head = io.BytesIO(stream.read(HEAD_BYTES))  # its length may be said to be GiB
    try:
        version = npy_format.read_magic(head)
        read = (
            npy_format.read_array_header_1_0
            if version == (1, 0)
            else npy_format.read_array_header_2_0
        )
        shape, is_fortran, dtype = read(head)
    except Exception as error:  # it is parsed as Python, which may raise anything
        what = " ".join(str(error).split())[:160] or type(error).__name__
        raise SourceError(f"{name}: not a .npy array ({what})") from error
    return shape, is_fortran, dtype, head.tell()


def _make(
    path: str,
    member: str | None,
    header: tuple[tuple[int, ...], bool, np.dtype[Any], int],
    reader: ForwardReader | None,
) -> NpySource:
    shape, is_fortran, dtype, offset = header
    name = Path(path).name
    if dtype.hasobject or dtype.kind not in "buif" or dtype.itemsize > 8:
        raise SourceError(f"{name}: dtype {dtype} is not numeric; convert it to numbers first")
    if len(shape) == 0 or min(shape) <= 0:
        raise SourceError(f"{name}: holds no rows (shape {shape})")
    if is_fortran and len(shape) > 1 and reader is not None:
        raise SourceError(f"{name}: Fortran order inside an archive; save it as .npy")
    return NpySource(path, member, shape, dtype, is_fortran and len(shape) > 1, offset, reader)


def _check_size(source: NpySource, found: int) -> None:
    promised = source.data_offset + math.prod(source.array_shape) * source.stored.itemsize
    if promised > found:
        raise SourceError(
            f"{Path(source.path).name}: truncated or damaged; its header promises {promised} "
            f"bytes, the file holds {found}"
        )
