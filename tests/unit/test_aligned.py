"""Reads of any range at the cost of whole blocks."""

from __future__ import annotations

import numpy as np
import pytest

from streamkm.data.aligned import AlignedSource
from streamkm.sources.array import MemorySource

ROWS = np.arange(50.0).reshape(25, 2)


class Counted(MemorySource):
    """Rows that keep a list of what was asked for."""

    def read(self, start, stop):
        asked.append((start, stop))
        return super().read(start, stop)


asked: list[tuple[int, int]] = []


@pytest.mark.parametrize(("start", "stop"), [(0, 25), (3, 4), (7, 8), (5, 19), (8, 16), (24, 25)])
def test_a_range_is_read_into_its_place_block_by_block(start, stop):
    asked.clear()
    out = np.full((stop - start, 2), np.nan)
    AlignedSource(Counted(ROWS), 8).read_into(start, out)
    np.testing.assert_array_equal(out, ROWS[start:stop])
    assert asked == [
        (first, min(first + 8, 25)) for first in range(start // 8 * 8, stop, 8)
    ]  # each once
