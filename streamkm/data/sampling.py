"""How large a reservoir sample is: what conversions and fits agree on."""

from __future__ import annotations

import math
from typing import Final

SAMPLE_BYTES: Final = 16 << 20
SAMPLE_ROWS: Final = 1 << 15
LEAST_SAMPLE_ROWS: Final = 1 << 8


def sample_capacity(n_rows: int, row_bytes: int) -> int:
    """Return the rows of a sample: at most 32768 and 16 MiB, at least 256, or all rows."""
    fitting = max(SAMPLE_BYTES // row_bytes, LEAST_SAMPLE_ROWS)
    return int(min(n_rows, SAMPLE_ROWS, fitting))


def sample_share(capacity: int, n_rows: int) -> float:
    """Return a bound that the `capacity` smallest of `n_rows` uniform keys stay under.

    Ten standard deviations above the mean: rows above it need not be carried
    along, so that a task's part of the sample is as small as its share.
    """
    if capacity == 0:
        return 0.0
    if capacity >= n_rows:
        return 1.0
    return (capacity + 10.0 * math.sqrt(capacity) + 20.0) / n_rows
