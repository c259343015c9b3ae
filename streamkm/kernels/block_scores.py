"""Rows as they lie in a block, framed and scored against all centers."""

from __future__ import annotations

from typing import Final

from streamkm.kernels.centers import CenterArrays
from streamkm.kernels.compiled import ZERO, compiled
from streamkm.kernels.frame import FrameArrays, frame_block
from streamkm.kernels.panels import FEW_PRODUCTS, Scratch, score_by_rows, score_panels
from streamkm.kernels.row_tile import NUMBER_BYTES
from streamkm.typing import F32, Rows

NARROW: Final = 24  # as measured: wider rows are framed faster where they lie


@compiled
def score_block(
    rows: Rows, start: int, n: int, table: F32 | None, frame: FrameArrays, centers: CenterArrays,
    scratch: Scratch,
) -> bool:  # pragma: no cover - compiled  # fmt: skip
    """Frame `n` rows from `start` and do as `score_panels` over all centers.

    Very narrow ones of float32 are framed where they are scored; returns whether that was
    so, and they are not in the tile.
    """
    n_clusters, d = centers[0].shape
    framed, squares, addresses = scratch[0], scratch[1], scratch[2]
    is_narrow = d <= NARROW and n_clusters * d <= FEW_PRODUCTS
    if is_narrow and rows.itemsize == NUMBER_BYTES and len(frame[3]) > 0:
        here = rows.ctypes.data + start * rows.strides[0]
        for i in range(n):
            addresses[i] = here + i * rows.strides[0]
        score_by_rows(addresses, n, centers, (ZERO, n_clusters), scratch, frame[3], frame[1])
        return True
    frame_block(rows, start, n, table, frame, scratch[6], framed, squares, scratch[9])
    score_panels(addresses, n, centers, (ZERO, len(centers[4])), scratch)
    return False
