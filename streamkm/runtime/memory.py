"""Memory limits: reading them, planning under them, measuring against them."""

from __future__ import annotations

import ctypes
import re
import threading
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final

from streamkm.errors import MemoryLimitError

KIB: Final = 1 << 10
MIB: Final = 1 << 20
GIB: Final = 1 << 30
UNITS: Final = {
    "": 1, "B": 1,
    "KIB": KIB, "MIB": MIB, "GIB": GIB, "TIB": 1 << 40,
    "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
    "K": KIB, "M": MIB, "G": GIB, "T": 1 << 40,
}  # fmt: skip

RESERVED_BYTES: Final = 400 * MIB  # interpreter, libraries, kernels compiled for the first time
WORKER_RESERVED_BYTES: Final = 224 * MIB  # a worker process does not load scikit-learn
LEAST_BYTES: Final = 512 * MIB
MAX_BLOCK_BYTES: Final = 32 * MIB
MIN_BLOCK_BYTES: Final = 1 * MIB
M_TRIM_THRESHOLD: Final = -1  # malloc.h
M_MMAP_THRESHOLD: Final = -3
MMAP_BYTES: Final = 4 * MIB
COPIES: Final = 3  # of a block: as rows, as the rows read ahead, as stored bytes of these


def parse_bytes(value: int | float | str | None) -> int | None:
    """Read a number of bytes: 1073741824, "1 GiB", "512MiB", "2GB".

    Raises
    ------
    MemoryLimitError
        If it is not a positive size.
    """
    if value is None:
        return None
    match = re.fullmatch(r"\s*([0-9.]+(?:[eE][0-9]+)?)\s*([A-Za-z]*)\s*", str(value))
    unit = UNITS.get(match[2].upper()) if match else None
    try:
        size = int(float(match[1]) * unit) if match and unit else 0
    except ValueError:
        size = 0
    if size <= 0:
        raise MemoryLimitError(f"{value!r} is not a size; write it as 512MiB, 2GiB or 1073741824")
    return size


def format_bytes(size: float) -> str:
    """Write a size for people: "1.5 GiB"."""
    for unit, scale in (("TiB", 1 << 40), ("GiB", GIB), ("MiB", MIB), ("KiB", KIB)):
        if abs(size) >= scale:
            return f"{size / scale:.1f} {unit}"
    return f"{size:.0f} B"


def available_bytes() -> int:
    """Return what this process may use: the smaller of the cgroup's limit and free memory."""
    import psutil

    found = int(psutil.virtual_memory().available)
    for name in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            found = min(found, int(Path(name).read_text()))
        except (OSError, ValueError):
            continue
    return found


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """How a memory limit is spent.

    Parameters
    ----------
    limit_bytes
        The limit.
    n_workers
        Tasks at once.
    block_bytes
        The most that one read call may bring.
    cache_bytes
        What is left to keep decoded blocks between passes.
    working_bytes
        What all but the cache takes: Python, what the call holds, the tasks.
    """

    limit_bytes: int
    n_workers: int
    block_bytes: int
    cache_bytes: int
    working_bytes: int = 0

    def cache_under(self, liked_bytes: int | None) -> int:
        """Return what is left for the cache if no more than this is to be held in all.

        A worker that holds more than Dask likes is paused, whatever limit was given.
        """
        over = 0 if liked_bytes is None else max(self.limit_bytes - liked_bytes, 0)
        return max(self.cache_bytes - over, 0)


def plan_memory(
    limit: int | str | None,
    n_workers: int,
    n_processes: int,
    *,
    unit_bytes: int,
    task_bytes: int,
    scratch_bytes: int = 0,
    can_limit: bool = True,
    whole_units: bool = False,
    held_bytes: int = 0,
    data_bytes: int | None = None,
) -> MemoryPlan:
    """Spend a limit on tasks at once, the size of their blocks, and a cache.

    Parameters
    ----------
    limit
        In all; None for half of what is available.
    n_workers, n_processes
        Tasks at once, and the processes they share.
    unit_bytes
        Rows that are stored together, decoded: blocks are at least that where
        it fits.
    task_bytes
        What a task holds besides its block: sums, candidates.
    scratch_bytes
        What reading needs besides the block.
    can_limit
        False where the number of tasks at once is not ours to lower.
    whole_units
        True where a block must hold a whole unit, however large.
    held_bytes
        What the call holds besides its tasks.
    data_bytes
        All rows, decoded, where that is known: no block is larger.

    Raises
    ------
    MemoryLimitError
        If one task does not fit; names the limit that would do.
    """
    if limit is not None:
        return_freed_memory()
    limit_bytes = parse_bytes(limit) or max(available_bytes() // 2, LEAST_BYTES)
    reserved = RESERVED_BYTES if n_processes == 1 else WORKER_RESERVED_BYTES * n_processes
    reserved += held_bytes
    free = limit_bytes - reserved
    largest = unit_bytes if whole_units else min(unit_bytes, 2 * MAX_BLOCK_BYTES)
    least_block = max(unit_bytes, 1) if whole_units else min(max(unit_bytes, 1), MIN_BLOCK_BYTES)
    most = max(MAX_BLOCK_BYTES, largest)
    if data_bytes is not None:
        most = min(most, max(data_bytes, least_block))
    for tasks in range(n_workers, 0 if can_limit else n_workers - 1, -1):
        per_task = free // tasks - task_bytes - scratch_bytes
        block = min(per_task // COPIES, most)
        is_last = tasks == 1 or not can_limit
        wanted = least_block if is_last or whole_units else min(unit_bytes, MAX_BLOCK_BYTES, most)
        if per_task > 0 and block >= wanted:
            working = reserved + tasks * (task_bytes + scratch_bytes + COPIES * block)
            cache = max((limit_bytes - working) // 2, 0)
            return MemoryPlan(limit_bytes, tasks, block, cache, working)
    at_least = 1 if can_limit else n_workers
    needed = reserved + at_least * (task_bytes + scratch_bytes + COPIES * least_block)
    least = max(needed, LEAST_BYTES if n_processes == 1 else GIB)
    raise MemoryLimitError(
        f"the work does not fit under {format_bytes(limit_bytes)}: one task needs "
        f"{format_bytes(task_bytes + scratch_bytes + COPIES * least_block)} beside "
        f"{format_bytes(reserved)} for Python, its libraries and what is held; "
        f"give memory_limit={-(-least // MIB)}MiB or more (--memory-limit)"
    )


def return_freed_memory() -> None:
    """Have the C library give freed blocks back to the system at once (glibc only).

    By default it raises its threshold to 32 MiB as blocks are freed, and keeps
    what each thread freed below it: several hundred MiB over a few passes.
    """
    try:
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(M_MMAP_THRESHOLD, MMAP_BYTES)
        libc.mallopt(M_TRIM_THRESHOLD, MMAP_BYTES)
        libc.malloc_trim(0)
    except (OSError, AttributeError):
        return


class PeakMeter:
    """Samples the memory of this process and its children while the block runs.

    Attributes
    ----------
    peak_bytes
        The largest sum of resident memory, of all these processes.
    workers_peak_bytes
        The same of the children alone: what a limit means on a local cluster.
    held_bytes
        The sum when the block began.
    """

    def __init__(self, interval_s: float = 0.02) -> None:
        self.peak_bytes = 0
        self.workers_peak_bytes = 0
        self.held_bytes = 0
        self._interval_s = interval_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self) -> None:
        while not self._stop.wait(self._interval_s):
            self._sample()

    def _sample(self) -> None:
        import psutil

        process = psutil.Process()
        workers = 0
        for child in process.children(recursive=True):
            try:
                workers += child.memory_info().rss
            except psutil.Error:
                continue
        self.workers_peak_bytes = max(self.workers_peak_bytes, workers)
        self.peak_bytes = max(self.peak_bytes, workers + process.memory_info().rss)

    def __enter__(self) -> PeakMeter:
        self._sample()
        self.held_bytes = self.peak_bytes
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()
