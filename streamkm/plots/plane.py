"""Points of the plane in the colors of their clusters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from streamkm.plots.badges import MOST_NUMBERED
from streamkm.plots.style import Theme, dress, new_figure
from streamkm.typing import F64, I32, I64, Rows

WIDTH: Final = 6.6  # inches, of the axes
TALLEST: Final = 6.6
LOWEST: Final = 2.6
ALIKE: Final = 4.0  # ranges of two axes that differ by no more have one scale


@dataclass(frozen=True, slots=True)
class Box:
    """What of the plane is shown: lower left and upper right corner."""

    low: F64
    high: F64

    @classmethod
    def around(cls, points: Rows, centers: F64 | None) -> Box:
        """Return the box of points and centers, with a margin."""
        both = points if centers is None else np.concatenate([points, centers])
        low, high = both.min(axis=0).astype(np.float64), both.max(axis=0).astype(np.float64)
        span = np.maximum(high - low, 1e-9 * max(float((high - low).max()), 1.0))
        return cls(low - 0.04 * span, high + 0.04 * span)

    @property
    def size(self) -> F64:
        """Width and height, in units of the data."""
        return self.high - self.low


def plane(box: Box, theme: Theme) -> tuple[Figure, Axes, F64]:
    """Return a figure for a box, its axes, and the inches that one unit takes on each."""
    width, height = box.size
    is_alike = max(width, height) <= ALIKE * min(width, height)
    tall = min(max(WIDTH * (height / width if is_alike else 0.75), LOWEST), TALLEST)
    wide = tall * width / height if is_alike else WIDTH
    figure = new_figure(max(wide, 3.2) + 1.0, tall + 1.1, theme)
    axes = figure.subplots()
    dress(axes, theme, grid=None)
    axes.set_xlim(box.low[0], box.high[0])
    axes.set_ylim(box.low[1], box.high[1])
    if is_alike:
        axes.set_aspect("equal")
    return figure, axes, np.array([wide, tall]) / box.size


def draw_points(axes: Axes, points: F64, labels: I32, marks: F64, theme: Theme) -> None:
    """Draw points in the colors of their clusters; all gray where colors would say nothing."""
    size = float(np.clip(20_000 / max(len(points), 1), 3.0, 24.0))
    paint: NDArray[np.str_] = np.array([theme.soft])
    if len(marks) <= MOST_NUMBERED:
        paint = np.array(colors_of(marks, theme))[labels]
    axes.scatter(
        points[:, 0], points[:, 1], s=size, c=paint.tolist(), linewidths=0,
        alpha=0.75 if len(paint) > 1 else 0.45,
    )  # fmt: skip


def marks_of(points: Rows, labels: I32, centers: F64 | None, n_clusters: int) -> F64:
    """Return where each cluster is: its center, or the mean of its points."""
    if centers is not None:
        return centers
    marks = np.full((n_clusters, 2), np.nan)
    for k in np.unique(labels):
        marks[k] = points[labels == k].mean(axis=0)
    return marks


def colors_of(marks: F64, theme: Theme) -> list[str]:
    """Return the color of each cluster by where the clusters are."""
    return [theme.colors[color] for color in neighbor_colors(marks, len(theme.colors))]


def neighbor_colors(marks: F64, n_colors: int) -> I64:
    """Return a color for each cluster, so that its near neighbors have others.

    Parameters
    ----------
    marks
        Where the clusters are, shape (n_clusters, 2); NaN for one that is nowhere.
    n_colors
        How many colors there are.
    """
    n_clusters = len(marks)
    if n_clusters <= n_colors:
        return np.arange(n_clusters)
    colors = np.full(n_clusters, -1)
    for k in range(n_clusters):
        distance = ((marks[:k] - marks[k]) ** 2).sum(axis=1)
        distance[np.isnan(distance)] = np.inf
        nearest = [distance[colors[:k] == c].min(initial=np.inf) for c in range(n_colors)]
        uses = np.bincount(colors[:k], minlength=n_colors)
        # As far as can be from the next of its color; the least used of those that are nowhere.
        colors[k] = max(range(n_colors), key=lambda c: (nearest[c], -uses[c], -c))
    return colors
