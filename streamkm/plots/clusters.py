"""The clusters of data with two features."""

from __future__ import annotations

from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, to_rgba
from matplotlib.figure import Figure

from streamkm.errors import SourceError
from streamkm.metrics.plane import Plane
from streamkm.plots.badges import place_centers
from streamkm.plots.plane import Box, colors_of, draw_points, marks_of, neighbor_colors, plane
from streamkm.plots.style import Theme, ThemeName, head, note, plain, theme_of
from streamkm.typing import F64, I64, Labeler, Rows

PIXELS: Final = 640  # of each side of the regions' raster


def draw_clusters_2d(
    labeler: Labeler | Plane,
    points: Rows,
    centers: F64 | None = None,
    title: str = "",
    *,
    names: tuple[str, str] = ("first feature", "second feature"),
    theme: ThemeName = "light",
) -> Figure:
    """Draw the clusters of data with two features: their regions, rows and centers.

    Parameters
    ----------
    labeler
        A model's `labeler_`, or the plane of a model that looks at two features
        of many: what says which cluster a place belongs to.
    points
        A sample of the rows, shape (n, 2).
    centers
        Shape (n_clusters, 2), where the model has them in this space.
    title
        What to write over all.
    names
        Of the two features.
    theme
        "light" or "dark".

    Returns
    -------
    figure
        Both axes on one scale where the ranges of the features are alike;
        neighboring regions have different colors.

    Raises
    ------
    SourceError
        If the rows do not have two features.

    Examples
    --------
    >>> import numpy as np, streamkm
    >>> from streamkm.plots import draw_clusters_2d
    >>> X = np.array([[1.0, 2.0], [1.0, 4.0], [10.0, 2.0], [10.0, 4.0]])
    >>> model = streamkm.KMeans(2, random_state=0).fit(X)
    >>> figure = draw_clusters_2d(model.labeler_, X, model.cluster_centers_)
    >>> figure.axes[0].get_xlabel()
    'first feature'
    """
    points = np.asarray(points)
    if points.ndim != 2 or points.shape[1] != 2:
        raise SourceError(f"rows of shape {points.shape[1:]} are not points of the plane")
    inks = theme_of(theme)
    box = Box.around(points, centers)
    figure, axes, scale = plane(box, inks)
    labels = labeler.assign(np.ascontiguousarray(points))[0]
    marks = marks_of(points, labels, centers, labeler.n_clusters)
    _draw_regions(axes, labeler, box, neighbor_colors(marks, len(inks.colors)), inks)
    draw_points(axes, points.astype(np.float64), labels, marks, inks)
    if centers is not None:
        place_centers(axes, centers, scale, colors_of(marks, inks), inks)
    axes.set_xlabel(plain(names[0]))
    axes.set_ylabel(plain(names[1]))
    n_clusters = labeler.n_clusters
    head(figure, title or (f"{n_clusters:,} clusters" if n_clusters > 1 else "One cluster"), inks)
    note(figure, f"{len(points):,} rows, and which cluster each place belongs to", inks)
    return figure


def _draw_regions(axes: Axes, labeler: Labeler | Plane, box: Box, colors: I64, inks: Theme) -> None:
    """Draw what the labeler says of every place, and the borders between clusters."""
    x, y = (np.linspace(box.low[i], box.high[i], PIXELS) for i in range(2))
    grid = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    regions = labeler.assign(grid)[0].reshape(PIXELS, PIXELS)
    extent = (box.low[0], box.high[0], box.low[1], box.high[1])
    aspect = axes.get_aspect()
    axes.imshow(
        colors[regions], cmap=ListedColormap(inks.colors), vmin=-0.5, vmax=len(inks.colors) - 0.5,
        extent=extent, origin="lower", alpha=0.22, aspect=aspect, interpolation="nearest", zorder=0,
    )  # fmt: skip
    edges = np.zeros(regions.shape, bool)
    edges[:, 1:] |= regions[:, 1:] != regions[:, :-1]
    edges[1:] |= regions[1:] != regions[:-1]
    lines = np.zeros((*edges.shape, 4))
    lines[edges] = to_rgba(inks.ink, 0.35)
    axes.imshow(lines, extent=extent, origin="lower", aspect=aspect, zorder=0)
