"""Following a stream that drifts: old weight fades, and clusters that died are born again."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from streamkm.cluster.steps import Steps
from streamkm.kernels.assign import assign
from streamkm.kernels.centers import prepare
from streamkm.kernels.seeding import distances, draw
from streamkm.kernels.tile import Frame
from streamkm.keyed import REBIRTH, generator
from streamkm.typing import F64, I64, Rows

RECENT: Final = 8  # half-lives of the recent weight in one half-life
DEAD: Final = 0.1  # share of its former part in the stream at which a cluster is dead


def fade_of(half_life: float | None, time_unit: str, n_rows: int) -> float:
    """Return what remains of a weight after a batch of `n_rows` rows, in (0, 1]."""
    if half_life is None:
        return 1.0
    passed = 1 if time_unit == "batches" else n_rows
    return float(2.0 ** (-passed / half_life))


def remember(model: Steps, mass: F64, fade: float) -> Steps:
    """Return the model with the batch's weights added to the recent ones."""
    recent = np.zeros_like(mass) if model.recent is None else model.recent
    return replace(model, recent=recent * fade**RECENT + mass)


def dead(model: Steps) -> I64:
    """Return the clusters whose part in the stream has all but ended.

    A cluster is dead when its part of the recent weight is less than a tenth of
    its part of all weight: after half a half-life without rows.
    """
    recent = model.recent
    if recent is None or not recent.sum() > 0.0:
        return np.empty(0, np.int64)
    share = model.weight_sums / model.weight_sums.sum()
    return np.flatnonzero(recent / recent.sum() < DEAD * share)


def reborn(model: Steps, clusters: I64, rows: Rows, frame: Frame, seed: int) -> Steps:
    """Return the model with dead clusters moved to where the batch is served worst.

    Each is placed as greedy k-means++ places its next center (Arthur &
    Vassilvitskii 2007, section 2.2), given the living ones. It begins without
    weight, so that its first rows decide where it is; the cluster that it was
    born from gives up half of its own.
    """
    if len(clusters) in (0, len(model.centers)):
        return model
    centers, weights = model.centers.copy(), model.weight_sums.copy()
    recent = np.array(model.recent)
    alive = np.setdiff1d(np.arange(len(centers)), clusters)
    labels, closest = assign(rows, prepare(centers[alive], frame))
    parents = alive[labels]
    draws = generator(seed, REBIRTH, model.n_steps)
    n_trials = 2 + int(np.log(len(centers)))
    for cluster in clusters:
        if not closest.sum() > 0.0:
            break
        trials = draw(closest, n_trials, draws)
        left = np.minimum(distances(rows, rows[trials]), closest)
        best = int(np.argmin(left.sum(axis=1)))
        closest = left[best]
        parent = parents[trials[best]]
        centers[cluster] = rows[trials[best]]
        weights[parent] /= 2.0
        weights[cluster] = recent[cluster] = 0.0
    return replace(model, centers=centers, weight_sums=weights, recent=recent)
