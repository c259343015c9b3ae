"""Dot products: in one fixed order of additions, or in whichever is the fastest."""

from __future__ import annotations

from typing import Any

import numpy as np

from streamkm.kernels.compiled import compiled, compiled_reordered
from streamkm.typing import F64, Rows


@compiled_reordered
def dot(x: Rows, y: Rows) -> Any:  # pragma: no cover - compiled
    """Return the dot product with all of `y`, in its precision and any order: bounds cover it."""
    total = np.float32(0.0)
    for j in range(len(y)):
        total += x[j] * y[j]
    return total


@compiled
def ordered_dot(x: F64, y: F64) -> float:  # pragma: no cover - compiled
    """Return the dot product in the order of `distance_between`: bits are any processor's.

    Eight strands may be taken together by a compiler, and not be taken apart.
    """
    s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = 0.0
    n = len(x)
    whole = n - n % 8
    for j in range(0, whole, 8):
        s0 += x[j] * y[j]
        s1 += x[j + 1] * y[j + 1]
        s2 += x[j + 2] * y[j + 2]
        s3 += x[j + 3] * y[j + 3]
        s4 += x[j + 4] * y[j + 4]
        s5 += x[j + 5] * y[j + 5]
        s6 += x[j + 6] * y[j + 6]
        s7 += x[j + 7] * y[j + 7]
    for j in range(whole, n):
        s0 += x[j] * y[j]
    return ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7))
