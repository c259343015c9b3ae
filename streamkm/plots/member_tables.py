"""Members of clusters that are no images: lines over few features, strips of color over many."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from streamkm.plots.grid import Grid, clear, sheet
from streamkm.plots.style import LABEL, Theme
from streamkm.typing import F64

LARGEST: Final = 1.9  # inches, of one cell
ASPECT: Final = 0.62
LEGEND: Final = 0.32  # inches
MOST_CELLS: Final = 256  # of a strip: more features are averaged


def draw_lines(groups: Mapping[str, F64], titles: list[str], title: str, inks: Theme) -> Figure:
    """Draw every member as a line from feature to feature, each on the feature's own range."""
    n_features = next(iter(groups.values())).shape[2]
    grid = Grid.of(len(titles), ASPECT, titles, LARGEST)
    width, height = grid.whole[0], grid.whole[1] + LEGEND
    caption = f"{n_features} features from left to right, each from its least to its most"
    figure, axes = sheet(width, height, inks, title, caption)
    low, high = _span(groups)
    across = np.linspace(0.0, grid.width, n_features) if n_features > 1 else np.array([0.0])
    colors = dict(zip(groups, (inks.colors[0], inks.colors[4], inks.colors[1]), strict=False))
    for index in range(len(titles)):
        x, y = grid.corner(index)
        y += LEGEND
        axes.plot(
            [x, x, x + grid.width], [y, y + grid.height, y + grid.height],
            color=inks.faint, linewidth=0.7,
        )  # fmt: skip
        for kind in reversed(list(groups)):
            shares = (groups[kind][index] - low) / np.maximum(high - low, 1e-300)
            lines = [
                np.column_stack([x + across, y + grid.height * (1.0 - line)])
                for line in shares
                if np.isfinite(line).all()
            ]
            thick = 1.3 if len(titles) <= 64 else 0.6
            axes.add_collection(LineCollection(lines, colors=colors[kind], linewidths=thick))
    grid.write_titles(axes, inks, LEGEND)
    axes.legend(
        [Line2D([], [], color=colors[kind]) for kind in groups], list(groups), loc="upper left",
        ncols=len(groups), fontsize=LABEL, frameon=False, labelcolor=inks.ink, borderaxespad=0.0,
        borderpad=0.0,
    )  # fmt: skip
    clear(axes, width, height)
    return figure


def draw_strips(groups: Mapping[str, F64], titles: list[str], title: str, inks: Theme) -> Figure:
    """Draw every member as a strip of color, one kind under the other."""
    n_features = next(iter(groups.values())).shape[2]
    grid = Grid.of(len(titles), ASPECT, titles, LARGEST)
    known = np.concatenate([rows.reshape(-1, n_features) for rows in groups.values()])
    low, high = np.nanpercentile(known, [1, 99])
    caption = (
        f"one strip a row: {', '.join(groups)}; {n_features:,} features from left to right, "
        f"dark {low:.3g} to light {high:.3g}"
    )
    figure, axes = sheet(*grid.whole, inks, title, caption)
    for index in range(len(titles)):
        x, y = grid.corner(index)
        step = grid.height / len(groups)
        for place, rows in enumerate(groups.values()):
            top = y + place * step
            axes.imshow(
                _averaged(rows[index]), cmap="cividis", vmin=low, vmax=high, aspect="auto",
                interpolation="none", extent=(x, x + grid.width, top + step * 0.94, top),
            )  # fmt: skip
    grid.write_titles(axes, inks)
    clear(axes, *grid.whole)
    return figure


def _averaged(rows: F64) -> F64:
    """Return rows with neighboring features averaged, where there are very many."""
    n_features = rows.shape[1]
    edges = np.linspace(0, n_features, min(n_features, MOST_CELLS) + 1).astype(int)
    sums: F64 = np.add.reduceat(rows, edges[:-1], axis=1) / np.diff(edges)
    return sums


def _span(groups: Mapping[str, F64]) -> tuple[F64, F64]:
    rows = np.concatenate([rows.reshape(-1, rows.shape[2]) for rows in groups.values()])
    rows = rows[np.isfinite(rows).all(axis=1)]
    return rows.min(axis=0), rows.max(axis=0)
