"""Centers of rows that are no images: how far each feature is from the mean of all rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from streamkm.errors import SourceError
from streamkm.plots.style import (
    LABEL,
    NOTE,
    TICK,
    Theme,
    ThemeName,
    dress,
    head,
    ink_on,
    new_figure,
    note,
    plain,
    text_width,
    theme_of,
)
from streamkm.typing import F64

MOST_NAMED: Final = 48  # features or clusters that are named
MOST_NUMBERED: Final = 16  # of both, so that numbers in the cells can be read
WIDEST: Final = 11.0  # inches
TALLEST: Final = 12.0
CELL: Final = (0.46, 0.27)  # inches, where there are few


def draw_profiles(
    deviations: F64,
    feature_names: Sequence[Any] | None = None,
    titles: Sequence[str] | None = None,
    title: str = "",
    *,
    unit: str = "standard deviations",
    theme: ThemeName = "light",
) -> Figure:
    """Draw what sets clusters apart: their centers against the mean of all rows.

    Parameters
    ----------
    deviations
        Centers less the mean, in `unit`, shape (n_clusters, n_features).
    feature_names
        One a feature; by default its number.
    titles
        One a cluster, such as `center_titles` gives; by default its number.
    title
        What to write over all.
    unit
        What the deviations are counted in.
    theme
        "light" or "dark".

    Returns
    -------
    figure
        Clusters from top to bottom, features from left to right; less than the
        mean and more than it have colors of their own.

    Raises
    ------
    SourceError
        If there are no centers.

    Examples
    --------
    >>> import numpy as np
    >>> from streamkm.plots import draw_profiles
    >>> figure = draw_profiles(np.array([[-1.0, 0.5], [1.0, -0.5]]), ["height", "width"])
    >>> [label.get_text() for label in figure.axes[0].get_xticklabels()]
    ['height', 'width']
    """
    inks = theme_of(theme)
    shown = np.asarray(deviations, np.float64)
    if not shown.size:
        raise SourceError("there are no centers to draw")
    n_clusters, n_features = shown.shape
    rows = [plain(text) for text in (titles or [f"#{k}" for k in range(n_clusters)])]
    columns = [plain(name) for name in (feature_names or range(n_features))]
    room = text_width(rows) * TICK / 72 + 1.4 if n_clusters <= MOST_NAMED else 1.4
    width = min(max(n_features * CELL[0], 3.0), WIDEST)
    is_turned = text_width(columns) * TICK / 72 + 0.1 > width / n_features
    under = text_width(columns) * TICK / 72 if is_turned and n_features <= MOST_NAMED else 0.2
    height = min(max(n_clusters * CELL[1], 1.2), TALLEST)
    figure = new_figure(width + room, height + under + 1.0, inks)
    axes = figure.subplots()
    dress(axes, inks, grid=None)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    most = float(np.nanmax(np.abs(shown))) or 1.0
    mesh = axes.imshow(
        shown, cmap=inks.two_ways, vmin=-most, vmax=most, aspect="auto", interpolation="none"
    )
    _name(axes, rows, columns, turn=90 if is_turned else 0)
    if n_features <= MOST_NUMBERED and n_clusters <= 3 * MOST_NUMBERED:
        _number(axes, shown, mesh.to_rgba(shown), inks)
    bar = figure.colorbar(mesh, ax=axes, pad=0.015, aspect=28)
    bar.outline.set_visible(False)
    bar.ax.tick_params(colors=inks.soft, labelcolor=inks.ink, labelsize=TICK)
    bar.set_label(unit, color=inks.ink, fontsize=LABEL)
    head(figure, title or f"{n_clusters:,} centers against the mean of all rows", inks)
    note(figure, f"each feature less its mean over all rows, in {unit}", inks)
    return figure


def _name(axes: Axes, rows: list[str], columns: list[str], *, turn: int) -> None:
    if len(columns) <= MOST_NAMED:
        axes.set_xticks(range(len(columns)), columns, rotation=turn)
    else:
        axes.set_xlabel(f"{len(columns):,} features")
    if len(rows) <= MOST_NAMED:
        axes.set_yticks(range(len(rows)), rows)
    else:
        axes.set_yticks([])
        axes.set_ylabel(f"{len(rows):,} clusters")


def _number(axes: Axes, shown: F64, colors: F64, inks: Theme) -> None:
    for (row, column), value in np.ndenumerate(shown):
        color = ink_on(tuple(colors[row, column]), inks)
        axes.text(
            column, row, f"{value:+.1f}", ha="center", va="center", color=color, fontsize=NOTE - 0.5
        )
