"""Classes against clusters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

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
from streamkm.typing import F64, I64

MOST_NUMBERED: Final = 24  # clusters or classes whose cells hold numbers
MOST_NAMED: Final = 60  # clusters whose numbers stand under them


def draw_confusion(
    table: I64,
    class_names: Sequence[Any] | None = None,
    title: str = "",
    *,
    theme: ThemeName = "light",
) -> Figure:
    """Draw how the classes are spread over the clusters.

    Parameters
    ----------
    table
        Rows of each cluster and class, shape (n_clusters, n_classes).
    class_names
        One a class; by default its number.
    title
        What to write over all.
    theme
        "light" or "dark".

    Returns
    -------
    figure
        Classes from top to bottom; clusters from left to right, by their
        majority class and then by size. A cell's color is the class's share
        of the cluster, as strong as can be at the largest; its number, where it
        can be read, the rows. Classes without rows are left out.
    """
    inks = theme_of(theme)
    table = np.asarray(table)
    order = cluster_order(table)
    classes = np.flatnonzero(table.any(axis=0))
    shown = table[order][:, classes].T
    shares: F64 = shown / np.maximum(shown.sum(axis=0), 1)
    n_classes, n_clusters = shown.shape
    names = [plain(c if class_names is None else class_names[c]) for c in classes.tolist()]
    numbered = max(n_classes, n_clusters) <= MOST_NUMBERED
    cell = 0.42 if numbered else max(0.16, 7.0 / max(n_clusters, 1))
    width = min(max(n_clusters * cell, 2.6), 11.0) + text_width(names) * TICK / 72 + 1.4
    height = min(max(n_classes * (0.36 if numbered else 0.24), 1.4), 11.0) + 1.3
    figure = new_figure(width, height, inks)
    axes = figure.subplots()
    dress(axes, inks, grid=None)
    mesh = axes.imshow(
        shares, cmap=inks.ramp, vmin=0.0, vmax=shares.max(initial=0.0) or 1.0, aspect="auto",
        interpolation="none",
    )  # fmt: skip
    _name_axes(axes, names, order, inks)
    if numbered:
        _number(axes, shown, mesh.to_rgba(shares), inks)
    bar = figure.colorbar(mesh, ax=axes, pad=0.015, aspect=28, format="{x:.0%}")
    bar.outline.set_visible(False)
    bar.ax.tick_params(colors=inks.soft, labelcolor=inks.ink, labelsize=TICK)
    bar.set_label("share of the cluster", color=inks.ink, fontsize=LABEL)
    agreed = shown.max(axis=0).sum() / max(shown.sum(), 1)
    head(figure, title or f"{agreed:.1%} of the rows are of their cluster's majority class", inks)
    note(figure, "clusters by majority class, then by size", inks)
    return figure


def cluster_order(table: I64) -> I64:
    """Return the clusters by majority class, the larger first."""
    table = np.asarray(table)
    return np.lexsort((-table.sum(axis=1), table.argmax(axis=1)))


def _name_axes(axes: Axes, names: list[str], order: I64, inks: Theme) -> None:
    n_clusters, n_classes = len(order), len(names)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    step = max(1, -(-n_classes // 60))
    axes.set_yticks(range(0, n_classes, step), names[::step])
    axes.set_ylabel("class")
    if n_clusters <= MOST_NAMED:
        is_turned = n_clusters > MOST_NUMBERED
        axes.set_xticks(
            range(n_clusters), [f"#{k}" for k in order], rotation=90 if is_turned else 0
        )
        axes.set_xlabel("cluster")
    else:
        axes.set_xticks([])
        axes.set_xlabel(f"{n_clusters:,} clusters")


def _number(axes: Axes, shown: I64, colors: F64, inks: Theme) -> None:
    """Write the rows of every cell that has any, in an ink that stands out from it."""
    size = NOTE if shown.max() < 10_000 else NOTE - 1.5
    for (row, column), count in np.ndenumerate(shown):
        if count:
            color = ink_on(tuple(colors[row, column]), inks)
            axes.text(
                column, row, _short(int(count)), ha="center", va="center", color=color,
                fontsize=size,
            )  # fmt: skip


def _short(count: int) -> str:
    if count < 100_000:
        return f"{count:,}"
    return f"{count / 1e3:.0f}k" if count < 1_000_000 else f"{count / 1e6:.1f}M"
