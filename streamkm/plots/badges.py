"""Numbers on centers that do not cover each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from matplotlib.axes import Axes

from streamkm.plots.style import Theme
from streamkm.typing import F64

MOST_NUMBERED: Final = 60
ROUNDS: Final = 200


def place_centers(
    axes: Axes, centers: F64, scale: F64, colors: Sequence[str], theme: Theme
) -> None:
    """Draw centers: with their numbers where there are few, moved apart where they are close.

    Parameters
    ----------
    centers
        Shape (n_clusters, 2).
    scale
        Inches of paper for one unit of each axis, shape (2,).
    colors
        Of the clusters, where they have numbers.
    """
    if len(centers) > MOST_NUMBERED:
        axes.plot(
            centers[:, 0], centers[:, 1], "o", markersize=3.6, markerfacecolor=theme.colors[1],
            markeredgecolor=theme.paper, markeredgewidth=0.5, zorder=4,
        )  # fmt: skip
        return
    size = 8.0 if len(centers) <= 20 else 6.5
    diameter = (2.1 if len(centers) > 10 else 1.7) * size / 72
    places = moved_apart(centers * scale, diameter * 1.08) / scale
    for k, (center, place) in enumerate(zip(centers, places, strict=True)):
        if np.hypot(*((place - center) * scale)) > 0.25 * diameter:
            axes.plot(
                [center[0], place[0]], [center[1], place[1]], color=theme.ink, linewidth=0.8,
                marker="o", markersize=2.2, markevery=[0], zorder=4,
            )  # fmt: skip
        axes.plot(
            *place[:, None], "o", markersize=diameter * 72, markerfacecolor=theme.paper,
            markeredgecolor=colors[k], markeredgewidth=1.6, zorder=5,
        )  # fmt: skip
        axes.text(
            place[0], place[1], str(k), fontsize=size, color=theme.ink, ha="center",
            va="center_baseline", zorder=6,
        )  # fmt: skip


def moved_apart(points: F64, least: float) -> F64:
    """Return points moved until hardly any two are nearer than `least`."""
    places = points.copy()
    n = len(points)
    turn = np.arange(n) * 2.4  # radians: where two points are one, each goes its own way
    nudge = 1e-3 * least * np.column_stack([np.cos(turn), np.sin(turn)])
    for _ in range(ROUNDS):
        apart = places[:, None] - places + (nudge[:, None] - nudge)
        distance = np.sqrt((apart**2).sum(axis=2)) + np.eye(n) * 1e9
        lacking = np.maximum(least - distance, 0.0)
        if not lacking.any():
            break
        places += 0.5 * (apart * (lacking / np.maximum(distance, 1e-12))[:, :, None]).sum(axis=1)
    return places
