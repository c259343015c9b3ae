"""How kernels are compiled: without the GIL, cached on disk, never `parallel=True`.

Two Dask threads inside a parallel Numba kernel abort the process where its
workqueue layer is used; parallelism is groups.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

import numba as nb
import numpy as np

F = TypeVar("F", bound=Callable[..., Any])

# Plain numbers in compiled code are types of their own: what they are handed to, or what begins
# with them, would be compiled for them too.
ZERO: Final = cast("int", np.int64(0))
ONE: Final = cast("int", np.int64(1))

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


def cache_folder(function: Callable[..., Any]) -> str:
    """Return the folder in which a compiled function's code is kept."""
    return str(cast("Any", function).stats.cache_path)
