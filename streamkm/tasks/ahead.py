"""Blocks read ahead: while one is computed, a thread of the task's own reads the next."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, Final, TypeVar

from streamkm.metering import Meter, count, metered

T = TypeVar("T")

LEAST_READ_S: Final = 1e-3  # below it a read costs less than handing it over and back


def read_blocks(
    read: Callable[[Any], T], blocks: Iterable[Any], *, may_lead: bool
) -> Generator[T, None, None]:
    """Yield what `read` gives for each block, in order.

    A read that took long has the next one begun before its rows are given
    out, so that at most two blocks are in memory. Rows that are at hand
    (arrays, kept blocks) are fetched where they are wanted: that a read is
    cheap is measured, not known. Close the iterator; then no thread is left.

    Parameters
    ----------
    read
        Called once for each block, by one thread at a time. What it raises
        comes when the blocks before it are done.
    blocks
        What to read.
    may_lead
        Whether any block may be read before the one in front of it is done
        with.
    """
    pool: ThreadPoolExecutor | None = None
    coming: Future[tuple[T, Meter]] | None = None
    waiting = iter(blocks)
    block = next(waiting, None)
    try:
        while block is not None:
            if coming is None:
                begin = time.perf_counter()
                part = read(block)
                seconds = time.perf_counter() - begin
            else:
                part, meter = coming.result()
                count(bytes_read=meter.bytes_read, bytes_decoded=meter.bytes_decoded,
                      read_s=meter.read_s, decode_s=meter.decode_s)  # fmt: skip
                seconds = meter.read_s + meter.decode_s
                coming = None  # it holds on to the rows
            block = None
            if may_lead and seconds > LEAST_READ_S:
                block = next(waiting, None)
                if block is not None:
                    pool = pool or ThreadPoolExecutor(1, "streamkm-read")
                    coming = pool.submit(copy_context().run, _apart, read, block)
            yield part
            del part  # before another one is waited for
            if coming is None:
                block = next(waiting, None)
    finally:
        if pool is not None:
            pool.shutdown(cancel_futures=True)


def _apart(read: Callable[[Any], T], block: Any) -> tuple[T, Meter]:
    """Read under a meter of its own: the task's may be counting at the same time."""
    with metered() as meter:
        return read(block), meter
