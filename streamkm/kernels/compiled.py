"""How kernels are compiled: without the GIL, cached on disk, never `parallel=True`.

Two Dask threads inside a parallel Numba kernel abort the process where its
workqueue layer is used; parallelism is groups.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

import numba as nb
import numpy as np
from numba.core.options import DefaultOptions

F = TypeVar("F", bound=Callable[..., Any])

# Plain numbers in compiled code are types of their own: what they are handed to, or what begins
# with them, would be compiled for them too.
ZERO: Final = cast("int", np.int64(0))
ONE: Final = cast("int", np.int64(1))

# Whether arrays are counted: an option of Numba that it keeps for itself. One that has it no more
# counts them all, which is only slower. A function takes it from its caller where it says nothing.
CAN_BORROW: Final = hasattr(DefaultOptions, "_nrt")
BORROWING: Final[dict[str, Any]] = {"_nrt": False} if CAN_BORROW else {}
MAKING: Final[dict[str, Any]] = {"_nrt": True} if CAN_BORROW else {}

REORDERED = {"reassoc", "contract", "nsz", "arcp"}


def compiled(function: F) -> F:
    """Compile with the arithmetic exactly as written, a function that makes and returns no array.

    The arrays that it is given are then not counted at each call: threads that
    share them would wait for each other's counts, and one alone spends as long
    on them as on a few narrow rows.
    """
    return cast("F", nb.njit(nogil=True, cache=True, **BORROWING)(function))


def compiled_making(function: F) -> F:
    """Compile likewise a function that makes or returns arrays."""
    return cast("F", nb.njit(nogil=True, cache=True, **MAKING)(function))


def compiled_reordered(function: F) -> F:
    """As `compiled`, but let the compiler reorder sums: only where an error bound covers it."""
    return cast("F", nb.njit(nogil=True, cache=True, fastmath=REORDERED, **BORROWING)(function))


def compiled_finite(function: F) -> F:
    """Reorder, and take it that there is no NaN."""
    fast = REORDERED | {"nnan"}
    return cast("F", nb.njit(nogil=True, cache=True, fastmath=fast, **BORROWING)(function))


def cache_folder(function: Callable[..., Any]) -> str:
    """Return the folder in which a compiled function's code is kept."""
    return str(cast("Any", function).stats.cache_path)
