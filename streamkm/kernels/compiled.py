"""How kernels are compiled: without the GIL, cached on disk, never `parallel=True`.

Two Dask threads inside a parallel Numba kernel abort the process where its
workqueue layer is used; parallelism is groups.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba as nb

F = TypeVar("F", bound=Callable[..., Any])

REORDERED = {"reassoc", "contract", "nsz", "arcp"}


def compiled(function: F) -> F:
    """Compile with the arithmetic exactly as written."""
    return cast("F", nb.njit(nogil=True, cache=True)(function))


def compiled_reordered(function: F) -> F:
    """Let the compiler reorder sums: only where an error bound covers it."""
    return cast("F", nb.njit(nogil=True, cache=True, fastmath=REORDERED)(function))


def compiled_finite(function: F) -> F:
    """Reorder, and take it that there is no NaN."""
    return cast("F", nb.njit(nogil=True, cache=True, fastmath=REORDERED | {"nnan"})(function))
