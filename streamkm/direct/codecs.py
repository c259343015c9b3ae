"""Stored bytes into values: compression undone into memory that is there, checksums compared."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import google_crc32c
import numpy as np
from numcodecs import blosc, zstd
from numpy.typing import NDArray

Octets = NDArray[np.uint8]

CHECKSUM_BYTES: Final = 4
BLOSC_HEADER_BYTES: Final = 16
GZIP_BITS: Final = 31  # zlib.decompressobj: a gzip header is expected
ZLIB_BITS: Final = 15
ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
ZSTD_HEADER_BYTES: Final = 18  # the longest, magic number included


@dataclass(frozen=True, slots=True)
class Chain:
    """What was done to a chunk's bytes.

    Parameters
    ----------
    compressor
        A name of `DECODERS`; None where they are as in memory.
    is_checked
        Whether a CRC-32C follows.
    """

    compressor: str | None
    is_checked: bool

    @property
    def checksum_bytes(self) -> int:
        """Bytes of the checksum."""
        return CHECKSUM_BYTES if self.is_checked else 0

    @property
    def is_plain(self) -> bool:
        """Whether any part of a chunk can be read by itself."""
        return self.compressor is None and not self.is_checked


def verify(data: Octets, stored: Octets) -> None:
    """Compare a checksum; none is asked for where `stored` is empty.

    Raises
    ------
    ValueError
        If it is another one.
    """
    if len(stored) and google_crc32c.value(data) != int(stored.view("<u4")[0]):
        raise ValueError("Stored and computed checksum do not match")


def _inflate(bits: int, data: Octets, out: Octets) -> None:
    """Undo gzip, whose members follow one another, or zlib; never takes more than promised."""
    rest: Any = data.data
    n_filled = 0
    while n_filled == 0 or (bits == GZIP_BITS and rest.strip(b"\0")):
        inflater = zlib.decompressobj(bits)
        try:
            part = inflater.decompress(rest, len(out) - n_filled + 1)
        except zlib.error as error:
            raise ValueError(str(error)) from error
        if not inflater.eof:
            raise ValueError("the compressed bytes end too early or hold too much")
        out[n_filled : n_filled + len(part)] = np.frombuffer(part, np.uint8)
        n_filled += len(part)
        rest = inflater.unused_data
        if not part:
            break
    if n_filled != len(out):
        raise ValueError(f"{n_filled} bytes instead of {len(out)}")


def _undo_blosc(data: Octets, out: Octets) -> None:
    """Undo Blosc, which believes its header: it would read behind the end of a cut chunk.

    Zarr has told it to use no threads of its own, so that it takes no lock
    either and each caller decodes by itself.
    """
    if len(data) < BLOSC_HEADER_BYTES:
        raise ValueError(f"{len(data)} bytes are no Blosc chunk")
    n_decoded, _, n_stored = data[4:BLOSC_HEADER_BYTES].view("<u4").tolist()
    if n_stored > len(data) or n_decoded != len(out):
        raise ValueError(
            f"{len(data)} bytes that say {n_stored}, for {n_decoded} instead of {len(out)}"
        )
    blosc.decompress(data, out)


def _undo_zstd(data: Octets, out: Octets) -> None:
    """Undo Zstandard: in place where the first frame says that it is all, else by a copy."""
    if _zstd_bytes(bytes(data[:ZSTD_HEADER_BYTES])) == len(out):
        zstd.decompress(data, out)
        return
    found = np.frombuffer(zstd.decompress(data), np.uint8)
    if len(found) != len(out):
        raise ValueError(f"{len(found)} bytes instead of {len(out)}")
    out[:] = found


def _zstd_bytes(head: bytes) -> int | None:
    """Return what a frame's header says of its size (RFC 8878, 3.1.1.1)."""
    if len(head) < ZSTD_HEADER_BYTES or head[:4] != ZSTD_MAGIC:
        return None
    is_single = head[4] >> 5 & 1
    width = (is_single, 2, 4, 8)[head[4] >> 6]
    begin = 6 - is_single + (0, 1, 2, 4)[head[4] & 3]
    size = int.from_bytes(head[begin : begin + width], "little")
    return size + (256 if width == 2 else 0) if width else None


DECODERS: Final[dict[str, Callable[[Octets, Octets], None]]] = {
    "blosc": _undo_blosc,
    "zstd": _undo_zstd,
    "gzip": partial(_inflate, GZIP_BITS),
    "zlib": partial(_inflate, ZLIB_BITS),
}
