"""Centers made ready for the kernels: framed in float32 beside the exact ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streamkm.kernels.tile import Frame
from streamkm.typing import F32, F64


@dataclass(frozen=True, slots=True)
class Centers:
    """Centers of one model, made ready for the kernels.

    Parameters
    ----------
    exact
        Shape (n_clusters, n_features), float64, in the data's own frame.
    scores
        -2 * (center - shift) * scale in float32, same shape.
    norms
        Squared norms of the framed centers, shape (n_clusters,), float32.
    max_norm
        The largest norm (not squared) of the framed centers.
    frame
        The frame that they were made for.
    """

    exact: F64
    scores: F32
    norms: F32
    max_norm: float
    frame: Frame


def prepare(centers: F64, frame: Frame) -> Centers:
    """Frame the centers for float32 scores; O(n_clusters * n_features)."""
    framed = (centers - frame.shift) * frame.scale
    squares = np.einsum("ij,ij->i", framed, framed)
    return Centers(
        exact=np.ascontiguousarray(centers),
        scores=(-2.0 * framed).astype(np.float32),
        norms=squares.astype(np.float32),
        max_norm=float(np.sqrt(squares.max(initial=0.0))),
        frame=frame,
    )
