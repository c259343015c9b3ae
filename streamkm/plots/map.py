"""A sample of the rows on the two principal axes, with the centers."""

from __future__ import annotations

from matplotlib.figure import Figure

from streamkm.metrics.projection import Projection
from streamkm.plots.badges import MOST_NUMBERED, place_centers
from streamkm.plots.plane import Box, colors_of, draw_points, marks_of, plane
from streamkm.plots.style import ThemeName, head, note, theme_of


def draw_map(projection: Projection, title: str = "", *, theme: ThemeName = "light") -> Figure:
    """Draw a sample of the rows and the centers on the data's two principal axes.

    Parameters
    ----------
    projection
        What `streamkm.project` returns.
    title
        What to write over all.
    theme
        "light" or "dark".

    Returns
    -------
    figure
        Neighboring clusters have different colors. Above 60 clusters the rows
        are gray, and the centers have no numbers.
    """
    inks = theme_of(theme)
    centers = projection.centers
    box = Box.around(projection.points, centers)
    figure, axes, scale = plane(box, inks)
    axes.grid(visible=True, color=inks.faint, linewidth=0.7)
    n_clusters = projection.n_clusters
    marks = marks_of(projection.points, projection.labels, centers, n_clusters)
    draw_points(axes, projection.points, projection.labels, marks, inks)
    if centers is not None:
        place_centers(axes, centers, scale, colors_of(marks, inks), inks)
    first, second = projection.explained
    axes.set_xlabel(f"first principal axis, {first:.1%} of the variance")
    axes.set_ylabel(f"second principal axis, {second:.1%} of the variance")
    count = f"{n_clusters:,} clusters" if n_clusters > 1 else "One cluster"
    head(
        figure, title or f"{count} on two axes that hold {first + second:.1%} of the variance", inks
    )
    note(figure, _caption(projection, is_many=n_clusters > MOST_NUMBERED), inks)
    return figure


def _caption(projection: Projection, *, is_many: bool) -> str:
    n_shown, n_rows = len(projection.points), projection.n_rows
    shown = f"all {n_rows:,} rows" if n_shown == n_rows else f"{n_shown:,} of {n_rows:,} rows"
    what = (
        f"gray: {shown}; dots: the centers" if is_many and projection.centers is not None else shown
    )
    used = "all rows" if projection.is_exact else f"a sample of {projection.n_used:,} rows"
    return f"{what}; axes of the covariance of {used}"
