"""Counts what reading costs a task, whoever reads for it: bytes and seconds.

A context variable rather than an argument: readers are called through
libraries (Zarr's event loop copies the caller's context), and two tasks in
two threads must not count each other's bytes.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(slots=True)
class Meter:
    """What reading cost one task.

    Parameters
    ----------
    bytes_read, bytes_decoded
        As stored, and as they became rows.
    read_s, decode_s
        Waiting for stored bytes, and making rows of them; all of it is
        `read_s` where the two cannot be told apart.
    fetch_s, n_fetching, since
        Seconds in which at least one `fetching` was open; how many are, and
        since when.
    """

    bytes_read: int = 0
    bytes_decoded: int = 0
    read_s: float = 0.0
    decode_s: float = 0.0
    fetch_s: float = 0.0
    n_fetching: int = 0
    since: float = 0.0


_METER: ContextVar[Meter | None] = ContextVar("streamkm_meter", default=None)


def count(
    *, bytes_read: int = 0, bytes_decoded: int = 0, read_s: float = 0.0, decode_s: float = 0.0
) -> None:
    """Add to the current task's meter, if there is one."""
    meter = _METER.get()
    if meter is not None:
        meter.bytes_read += bytes_read
        meter.bytes_decoded += bytes_decoded
        meter.read_s += read_s
        meter.decode_s += decode_s


@contextmanager
def metered() -> Iterator[Meter]:
    """Count what is read inside the block."""
    meter = Meter()
    token = _METER.set(meter)
    try:
        yield meter
    finally:
        _METER.reset(token)


class _Reading:
    """What `reading` returns: a class, since a generator costs as much again as a small read."""

    __slots__ = ("_before", "_begin", "_meter")

    def __enter__(self) -> None:
        self._meter = _METER.get() or Meter()
        self._begin, self._before = time.perf_counter(), self._meter.fetch_s

    def __exit__(self, *_: object) -> None:
        meter = self._meter
        seconds, fetched = time.perf_counter() - self._begin, meter.fetch_s - self._before
        if fetched:
            meter.read_s += fetched
            meter.decode_s += max(seconds - fetched, 0.0)
        else:
            meter.read_s += seconds


def reading() -> AbstractContextManager[None]:
    """Time a read of rows: what of it was no waiting for stored bytes is decoding."""
    return _Reading()


@contextmanager
def fetching() -> Iterator[None]:
    """Time a wait for stored bytes; of waits that overlap, each moment counts once."""
    meter = _METER.get() or Meter()
    if meter.n_fetching == 0:
        meter.since = time.perf_counter()
    meter.n_fetching += 1
    try:
        yield
    finally:
        meter.n_fetching -= 1
        if meter.n_fetching == 0:
            meter.fetch_s += time.perf_counter() - meter.since
