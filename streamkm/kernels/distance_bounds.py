"""Distances from float32 scores, rounded up or down over all that rounding may have done."""

from __future__ import annotations

from typing import Final

import numpy as np

from streamkm.kernels.assign import UNIT
from streamkm.kernels.compiled import compiled

UP: Final = np.float32(1.0 + 2.0**-21)
DOWN: Final = np.float32(1.0 - 2.0**-21)


@compiled
def reach_line(
    n_features: int, max_norm: float
) -> tuple[np.float32, np.float32]:  # pragma: no cover - compiled
    """Return a and b: a squared distance is square + score, give or take a * (square + b).

    The bound on a score is a line in the row's length; its product with the
    largest norm is at most half the sum of their squares.
    """
    slope = 2.1 * UNIT * (n_features + 4)
    return np.float32(1.2 * slope), np.float32(max_norm * max_norm + 1e-30)


@compiled
def above(
    square: np.float32, score: np.float32, slope: np.float32, flat: np.float32
) -> np.float32:  # pragma: no cover - compiled
    """Return a distance rounded up."""
    reach = slope * (square + flat)
    return np.float32(np.sqrt(max(square + score, np.float32(0.0)) + reach) * UP)


@compiled
def below(
    square: np.float32, score: np.float32, slope: np.float32, flat: np.float32
) -> np.float32:  # pragma: no cover - compiled
    """Return a distance rounded down."""
    reach = slope * (square + flat)
    return np.float32(np.sqrt(max(square + score - reach, np.float32(0.0))) * DOWN)
