"""Members of each cluster: nearest, typical and farthest."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from streamkm.errors import SourceError
from streamkm.plots.grid import WIDEST, Grid, clear, sheet
from streamkm.plots.images import Images, Look, as_images, is_image
from streamkm.plots.member_tables import draw_lines, draw_strips
from streamkm.plots.style import NOTE, TICK, Theme, ThemeName, plain, text_width, theme_of
from streamkm.typing import F64, I32

Groups = Mapping[str, F64]

LARGEST: Final = 0.62  # inches, of one image
BETWEEN: Final = 0.35  # of an image, between two kinds
APART: Final = 1.06  # images, from one to the next
MOST_ROWS: Final = 40  # clusters that have a row each; more share rows
MOST_IMAGES: Final = 1800
HEADER: Final = 0.25  # inches
TABLE_FEATURES: Final = 24  # so few are columns of a table, each with a unit of its own


def draw_members(
    groups: Groups,
    sample_shape: Sequence[int],
    titles: Sequence[str] | None = None,
    distances: Groups | None = None,
    title: str = "",
    *,
    theme: ThemeName = "light",
) -> Figure:
    """Draw members of every cluster, as images where the samples are images.

    Parameters
    ----------
    groups
        Rows of each kind, such as "nearest", "typical" and "farthest", each of
        shape (n_clusters, m, n_features); NaN where a cluster has fewer than m.
    sample_shape
        As for `draw_centers`; of any other shape the samples are no images.
        Those with up to 24 features are then drawn as lines from feature to
        feature, longer ones as strips of color.
    titles
        One a cluster; by default its number.
    distances
        Of the same rows to their centers, shape (n_clusters, m) each; written
        under the images where they can be read.
    title
        What to write over all.
    theme
        "light" or "dark".

    Returns
    -------
    figure
        Where there are many clusters, fewer than m members are shown of each.

    Raises
    ------
    SourceError
        If there are no groups, or their shapes differ.
    """
    inks = theme_of(theme)
    shapes = {np.shape(rows)[:1] + np.shape(rows)[2:] for rows in groups.values()}
    if len(shapes) != 1:
        raise SourceError("members must be arrays (n_clusters, m, n_features), one shape for all")
    ((n_clusters, n_features),) = shapes
    names = list(titles) if titles is not None else [f"#{k}" for k in range(n_clusters)]
    if not is_image(sample_shape):
        draw = draw_lines if n_features <= TABLE_FEATURES else draw_strips
        return draw(groups, names, title, inks)
    most = max(MOST_IMAGES // (n_clusters * len(groups)), 1)
    images = {
        kind: as_images(rows[:, :most].reshape(-1, n_features), sample_shape).reshape(
            n_clusters, min(most, rows.shape[1]), *_image_shape(sample_shape)
        )
        for kind, rows in groups.items()
    }
    if n_clusters > MOST_ROWS:
        return _draw_grid(images, names, title, inks)
    return _draw_rows(images, names, distances, title, inks)


def by_cluster(clusters: I32, values: NDArray[Any], n_clusters: int) -> F64:
    """Return values of rows as arrays with one line a cluster, as `draw_members` takes them.

    Parameters
    ----------
    clusters
        Of each row, ascending, shape (n_found,).
    values
        Rows or distances, shape (n_found, ...).
    n_clusters
        How many clusters there are.

    Returns
    -------
    values
        Shape (n_clusters, m, ...), m being the most of any cluster; NaN where
        a cluster has fewer.

    Examples
    --------
    >>> import numpy as np
    >>> from streamkm.plots import by_cluster
    >>> by_cluster(np.array([0, 2, 2]), np.array([1.0, 5.0, 6.0]), 3).tolist()
    [[1.0, nan], [nan, nan], [5.0, 6.0]]
    """
    ranks = np.arange(len(clusters)) - np.searchsorted(clusters, clusters)
    most = int(ranks.max(initial=0)) + 1
    stacked = np.full((n_clusters, most, *values.shape[1:]), np.nan)
    stacked[clusters, ranks] = values
    return stacked


def _image_shape(sample_shape: Sequence[int]) -> tuple[int, ...]:
    return as_images(np.zeros((1, math.prod(sample_shape))), sample_shape).shape[1:]


def _strip_cells(n_members: Sequence[int]) -> float:
    """Return the width of a cluster's images, in images."""
    return sum(n_members) * APART + (len(n_members) - 1) * _between(n_members)


def _between(n_members: Sequence[int]) -> float:
    return BETWEEN if max(n_members) > 1 else 0.0


def _show(
    axes: Axes, images: Mapping[str, Images], cluster: int, look: Look,
    corner: tuple[float, float], cell: float,
) -> list[float]:  # fmt: skip
    """Draw the members of a cluster side by side; return where each image begins."""
    x, y = corner
    begins = []
    between = _between([members.shape[1] for members in images.values()])
    for of_kind in images.values():
        for image in of_kind[cluster]:
            begins.append(x)
            if np.isfinite(image).all():
                look.show(axes, image, x, y, cell)
            x += APART * cell
        x += between * cell
    return begins


def _look(images: Mapping[str, Images], inks: Theme) -> Look:
    return Look.of(np.concatenate([m.reshape(-1, *m.shape[2:]) for m in images.values()]), inks)


def _draw_grid(images: Mapping[str, Images], titles: list[str], title: str, inks: Theme) -> Figure:
    """Draw many clusters: a title over each, several in a row."""
    n_members = [members.shape[1] for members in images.values()]
    first = next(iter(images.values()))
    cells = _strip_cells(n_members)
    grid = Grid.of(len(titles), first.shape[2] / first.shape[3] / cells, titles, LARGEST * cells)
    caption = f"of each cluster, from left to right: {', '.join(images)}"
    figure, axes = sheet(*grid.whole, inks, title, caption)
    look = _look(images, inks)
    for cluster in range(len(titles)):
        _show(axes, images, cluster, look, grid.corner(cluster), grid.width / cells)
    grid.write_titles(axes, inks)
    clear(axes, *grid.whole)
    return figure


@dataclass(frozen=True, slots=True)
class _Rows:
    """Sizes of a picture with one row a cluster, in inches."""

    label: float
    cell: float
    step: float

    @classmethod
    def of(cls, titles: list[str], cells: float, aspect: float, *, has_distances: bool) -> _Rows:
        label = text_width(titles) * TICK / 72 + 0.1
        cell = min(LARGEST, (WIDEST - label) / cells, 15.0 / len(titles) / aspect / 1.1)
        under = 0.16 if has_distances and cell > 0.45 else 0.0
        return cls(label, cell, cell * aspect + max(0.1 * cell, under))


def _draw_rows(
    images: Mapping[str, Images], titles: list[str], distances: Groups | None, title: str,
    inks: Theme,
) -> Figure:  # fmt: skip
    """Draw few clusters: one row each, with distances under the images."""
    n_members = [members.shape[1] for members in images.values()]
    first = next(iter(images.values()))
    aspect = first.shape[2] / first.shape[3]
    cells = _strip_cells(n_members)
    plan = _Rows.of(titles, cells, aspect, has_distances=distances is not None)
    whole = (plan.label + cells * plan.cell, HEADER + len(titles) * plan.step)
    figure, axes = sheet(*whole, inks, title)
    look = _look(images, inks)
    for cluster, text in enumerate(titles):
        y = HEADER + cluster * plan.step
        axes.text(
            plan.label - 0.08, y + plan.cell * aspect / 2, plain(text), fontsize=TICK,
            color=inks.ink, ha="right", va="center",
        )  # fmt: skip
        begins = _show(axes, images, cluster, look, (plan.label, y), plan.cell)
        if distances is not None and plan.cell > 0.45:
            known = [
                distances[kind][cluster, :m] for kind, m in zip(images, n_members, strict=True)
            ]
            for x, distance in zip(begins, np.concatenate(known), strict=True):
                if np.isfinite(distance):
                    axes.text(
                        x + plan.cell / 2, y + plan.cell * aspect + 0.02, _short(distance),
                        fontsize=6.5, color=inks.soft, ha="center", va="top",
                    )  # fmt: skip
    for kind, x in zip(
        images, [begins[sum(n_members[:i])] for i in range(len(n_members))], strict=True
    ):
        axes.text(x, HEADER - 0.09, kind, fontsize=NOTE, color=inks.soft, va="baseline")
    clear(axes, *whole)
    return figure


def _short(distance: float) -> str:
    return f"{distance:,.0f}" if distance >= 100 else f"{distance:.3g}"
