"""Counts the bytes that a task reads, whoever reads them for it.

A context variable rather than an argument: readers are called through
libraries (Zarr's event loop copies the caller's context), and two tasks in
two threads must not count each other's bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(slots=True)
class Meter:
    """Bytes of one task: as stored, and as they became rows."""

    bytes_read: int = 0
    bytes_decoded: int = 0


_METER: ContextVar[Meter | None] = ContextVar("streamkm_meter", default=None)


def count(*, bytes_read: int = 0, bytes_decoded: int = 0) -> None:
    """Add to the current task's meter, if there is one."""
    meter = _METER.get()
    if meter is not None:
        meter.bytes_read += bytes_read
        meter.bytes_decoded += bytes_decoded


@contextmanager
def metered() -> Iterator[Meter]:
    """Count what is read inside the block."""
    meter = Meter()
    token = _METER.set(meter)
    try:
        yield meter
    finally:
        _METER.reset(token)
