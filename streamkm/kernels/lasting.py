"""For how long rows keep their labels: by how far centers may move before another is nearer."""

from __future__ import annotations

from typing import Final

import numpy as np

from streamkm.kernels.compiled import compiled
from streamkm.kernels.settle import RowArrays
from streamkm.typing import F64, I32, I64

BINS: Final = 128
PER_OCTAVE: Final = 4
FIRST_OCTAVE: Final = -16
SHRINK: Final = 1.0 - 2.0**-40  # over the rounding of a difference


def lasting_of(lasting: I64, n_held: int) -> float:
    """Return how many iterations all rows last, at least, but the `n_held` that last least."""
    place = int(np.searchsorted(np.cumsum(lasting), n_held, side="right"))
    return float(2.0 ** (min(place, BINS - 1) / PER_OCTAVE + FIRST_OCTAVE))


@compiled
def find_lasting(
    known: RowArrays, pace: F64, room: F64, lasts: F64
) -> None:  # pragma: no cover - compiled
    """Fill the room of rows, and for how many iterations it lasts: for none at a tie."""
    labels, upper, lower = known
    for i in range(len(labels)):
        least = np.float64(lower[i, 0])
        for group in range(1, lower.shape[1]):
            least = min(least, np.float64(lower[i, group]))
        room[i] = (least - np.float64(upper[i])) * SHRINK
        lasts[i] = 0.0
        if room[i] > 0.0:
            step = pace[labels[i]]
            lasts[i] = room[i] / step if step > 0.0 else np.inf


@compiled
def count_lasting(lasts: F64, lasting: I64) -> None:  # pragma: no cover - compiled
    """Count rows by how many iterations they last."""
    for i in range(len(lasts)):
        place = 0.0
        if lasts[i] > 0.0:
            place = (np.log2(lasts[i]) - FIRST_OCTAVE) * PER_OCTAVE
        lasting[int(min(max(place, 0.0), BINS - 1.0))] += 1


@compiled
def keep_least(labels: I32, room: F64, least: F64) -> None:  # pragma: no cover - compiled
    """Keep the least room of each cluster."""
    for i in range(len(labels)):
        if room[i] < least[labels[i]] or np.isnan(room[i]):  # which is no room
            least[labels[i]] = room[i]
