"""Centers made ready for the kernels: framed in float32 beside the exact ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from streamkm.kernels.compiled import compiled_making
from streamkm.kernels.dots import dot
from streamkm.kernels.frame import Frame
from streamkm.kernels.register_tile import WIDTH
from streamkm.kernels.update import writable
from streamkm.typing import F32, F64, I32, I64

LARGEST: Final = np.float32(3.4e38)
TURNED: Final = 64  # features whose scores are laid out together

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


def prepare(centers: F64, frame: Frame, order: I64 | I32 | None = None) -> Centers:
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
    exact = writable(centers)  # whole, too: tiles read rows of them where they lie
    n_clusters, n_features = exact.shape
    n_panels = -(-n_clusters // WIDTH)
    slots = np.zeros(n_panels * WIDTH, np.int32)
    slots[:n_clusters] = np.arange(n_clusters) if order is None else order
    scores, norms = np.empty(exact.shape, np.float32), np.empty(n_clusters, np.float32)
    panels = np.empty((n_panels, n_features, WIDTH), np.float32)
    panels[n_clusters // WIDTH :] = 0.0  # the last one, where it is not full
    panel_norms = np.empty(n_panels * WIDTH, np.float32)
    max_norm = _frame_centers(
        exact, writable(frame.shift), frame.scale, slots, scores, norms, panels, panel_norms
    )
    return Centers(exact, scores, norms, max_norm, frame, panels, panel_norms, slots)


@compiled_making
def _frame_centers(
    exact: F64, shift: F64, scale: float, slots: I32, scores: F32, norms: F32, panels: F32,
    panel_norms: F32,
) -> float:  # pragma: no cover - compiled  # fmt: skip
    """Fill the others from `exact` and `slots`; return the largest norm."""
    n_clusters, n_features = exact.shape
    framed, most = np.empty(n_features), 0.0
    for k in range(n_clusters):
        for j in range(n_features):
            framed[j] = (exact[k, j] - shift[j]) * scale
            scores[k, j] = np.float32(-2.0 * framed[j])
        square = dot(framed, framed)
        norms[k], most = square, max(most, square)
    for slot in range(len(slots)):
        panel_norms[slot] = norms[slots[slot]] if slot < n_clusters else LARGEST
    for begin in range(0, n_features, TURNED):  # so few that what is written stays in L1
        end = min(begin + TURNED, n_features)
        for slot in range(n_clusters):
            panel, row = panels[slot // WIDTH, begin:end], scores[slots[slot], begin:end]
            for j in range(end - begin):
                panel[j, slot % WIDTH] = row[j]
    return float(np.sqrt(most))
