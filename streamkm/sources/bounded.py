"""A bound on memory for the time of a call into a library that believes what a file states."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_ONE = threading.Lock()  # the bound is the process's: two would take each other's for their own


@contextmanager
def bounded_memory(n_bytes: int) -> Iterator[None]:
    """Have the system refuse the process more than `n_bytes` on top of what it has.

    Other threads are refused as well, and processes that they start meanwhile keep
    the bound: the block should be short, and `n_bytes` not small. Only Linux has
    such a bound; elsewhere nothing is done.
    """
    if sys.platform != "linux":
        yield
        return
    import resource

    with _ONE:
        before = resource.getrlimit(resource.RLIMIT_DATA)
        pages = int(Path("/proc/self/statm").read_text().split()[5])  # data and stack
        bound = pages * resource.getpagesize() + n_bytes
        others = [limit for limit in before if limit != resource.RLIM_INFINITY]
        resource.setrlimit(resource.RLIMIT_DATA, (min([bound, *others]), before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_DATA, before)
