"""Hashes of row numbers: uniform numbers and permutations that need no table.

Rows get their numbers from SplitMix64 (Steele, Lea & Flood, OOPSLA 2014,
fig. 15). A shuffle is a Feistel network over the row numbers with cycle
walking (Black & Rogaway, "Ciphers with arbitrary finite domains", CT-RSA
2002, section 4): a permutation of any size as a function of (n, seed).
"""

from __future__ import annotations

from typing import Final

import numpy as np

from streamkm.kernels.compiled import compiled, compiled_making
from streamkm.typing import F64, I64

FEISTEL_ROUNDS: Final = 6


@compiled
def _mix(z: np.uint64) -> np.uint64:  # pragma: no cover - compiled
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@compiled_making
def uniform_rows(key: np.uint64, start: int, stop: int) -> F64:  # pragma: no cover - compiled
    """Return one number in (0, 1) for each row from `start` to `stop`."""
    out = np.empty(stop - start)
    for i in range(stop - start):
        z = _mix(key ^ _mix(np.uint64(start + i) + np.uint64(0x9E3779B97F4A7C15)))
        out[i] = (float(z >> np.uint64(11)) + 0.5) * 2.0**-53
    return out


@compiled_making
def permute(
    key: np.uint64, n_rows: int, start: int, stop: int
) -> I64:  # pragma: no cover - compiled
    """Return where the rows from `start` to `stop` go in a permutation of `n_rows`."""
    half = 1
    while (1 << (2 * half)) < n_rows:
        half += 1
    shift = np.uint64(half)
    mask = (np.uint64(1) << shift) - np.uint64(1)
    out = np.empty(stop - start, np.int64)
    for i in range(stop - start):
        z = np.uint64(start + i)
        while True:
            left, right = z >> shift, z & mask
            for r in range(FEISTEL_ROUNDS):
                round_key = key + np.uint64(r) * np.uint64(0x9E3779B97F4A7C15)
                left, right = right, left ^ (_mix(right ^ round_key) & mask)
            z = (left << shift) | right
            if z < np.uint64(n_rows):
                break
        out[i] = np.int64(z)
    return out
