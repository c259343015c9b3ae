"""Centers made ready for the kernels: framed in float32 beside the exact ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from streamkm.kernels.frame import Frame
from streamkm.kernels.register_tile import WIDTH
from streamkm.typing import F32, F64, I32, I64

LARGEST: Final = np.float32(3.4e38)

# What compiled code takes of `Centers`: exact, scores, norms, max_norm, panels, panel_norms, slots.
CenterArrays = tuple[F64, F32, F32, float, F32, F32, I32]


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
    panels
        `scores` as register tiles take them, shape (n_panels, n_features, WIDTH):
        side by side, zeros behind the last.
    panel_norms
        `norms`, shape (n_panels * WIDTH,): huge behind the last, which is never best.
    slots
        Which center stands in each place of the panels, shape (n_panels * WIDTH,).
    """

    exact: F64
    scores: F32
    norms: F32
    max_norm: float
    frame: Frame
    panels: F32
    panel_norms: F32
    slots: I32

    @property
    def arrays(self) -> CenterArrays:
        """Return the centers as compiled code takes them."""
        return (
            self.exact, self.scores, self.norms, self.max_norm, self.panels, self.panel_norms,
            self.slots,
        )  # fmt: skip


def prepare(centers: F64, frame: Frame, order: I64 | None = None) -> Centers:
    """Frame the centers for float32 scores; O(n_clusters * n_features).

    Parameters
    ----------
    centers
        Shape (n_clusters, n_features).
    frame
        Where distances are measured from.
    order
        The order of the centers in the panels, shape (n_clusters,); as they come by default.
    """
    centers = np.ascontiguousarray(centers)  # tiles read rows of them where they lie
    framed = (centers - frame.shift) * frame.scale
    squares = np.einsum("ij,ij->i", framed, framed)
    scores, norms = (-2.0 * framed).astype(np.float32), squares.astype(np.float32)
    n_clusters, n_features = scores.shape
    n_panels = -(-n_clusters // WIDTH)
    slots = np.zeros(n_panels * WIDTH, np.int32)
    slots[:n_clusters] = np.arange(n_clusters) if order is None else order
    padded = np.zeros((n_panels * WIDTH, n_features), np.float32)
    padded[:n_clusters] = scores[slots[:n_clusters]]
    panel_norms = np.full(n_panels * WIDTH, LARGEST, np.float32)
    panel_norms[:n_clusters] = norms[slots[:n_clusters]]
    return Centers(
        exact=centers,
        scores=scores,
        norms=norms,
        max_norm=float(np.sqrt(squares.max(initial=0.0))),
        frame=frame,
        panels=np.ascontiguousarray(padded.reshape(n_panels, WIDTH, n_features).transpose(0, 2, 1)),
        panel_norms=panel_norms,
        slots=slots,
    )
