"""Rows of each cluster, as sorted bars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from streamkm.errors import SourceError
from streamkm.plots.style import (
    NOTE,
    TICK,
    Theme,
    ThemeName,
    dress,
    head,
    new_figure,
    plain,
    text_width,
    theme_of,
)
from streamkm.typing import I64

MOST_NAMED: Final = 48
WIDEST: Final = 11.0  # inches, of all bars
PITCH: Final = (0.3, 0.95)  # inches, from bar to bar


def draw_sizes(
    sizes: I64, majority: Sequence[Any] | None = None, title: str = "",
    *, theme: ThemeName = "light",
) -> Figure:  # fmt: skip
    """Draw the rows of each cluster, the largest first.

    Parameters
    ----------
    sizes
        Shape (n_clusters,).
    majority
        The majority class of each cluster, by name or number.
    title
        What to write over all.
    theme
        "light" or "dark".

    Returns
    -------
    figure
        One bar a cluster. Up to 48 have their numbers and classes under them;
        more are grouped by class.

    Raises
    ------
    SourceError
        If there are no clusters.

    Examples
    --------
    >>> import numpy as np
    >>> from streamkm.plots import draw_sizes
    >>> bars = draw_sizes(np.array([20, 50])).axes[0].patches
    >>> [int(bar.get_height()) for bar in bars]
    [50, 20]
    """
    inks = theme_of(theme)
    sizes = np.asarray(sizes)
    if not len(sizes):
        raise SourceError("there are no clusters to draw")
    is_many = len(sizes) > MOST_NAMED
    names = None if majority is None else [plain(name) for name in majority]
    order = np.argsort(-sizes, kind="stable")
    if is_many and names is not None:
        order = np.lexsort((-sizes, ranks(names)))
    labels = [f"#{k}" if names is None else f"#{k}\n{names[k]}" for k in order]
    pitch = min(max(text_width(labels) * TICK / 72 + 0.12, PITCH[0]), PITCH[1])
    room = min(pitch * len(sizes), WIDEST) if not is_many else WIDEST
    figure = new_figure(max(room + 1.6, 3.6), 3.4, inks)
    axes = figure.subplots()
    dress(axes, inks)
    colors = _bar_colors(order, names if is_many else None, inks)
    axes.bar(range(len(sizes)), sizes[order], width=1.0 if is_many else 0.8, color=colors)
    axes.set_xlim(-0.6, len(sizes) - 0.4)
    _draw_mean(axes, float(sizes.mean()), inks)
    axes.set_ylabel("rows")
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.tick_params(axis="x", length=0)
    if is_many:
        _name_groups(axes, order, names)
    else:
        is_wide = text_width(labels) * TICK / 72 + 0.06 > room / len(sizes)
        turned = [label.replace("\n", "  ") for label in labels] if is_wide else labels
        axes.set_xticks(range(len(order)), turned, rotation=90 if is_wide else 0)
        axes.set_xlabel("cluster" if names is None else "cluster and its majority class")
    said = f"{len(sizes):,} clusters of {sizes.min():,} to {sizes.max():,} rows"
    head(figure, title or (said if len(sizes) > 1 else f"One cluster of {sizes[0]:,} rows"), inks)
    return figure


def ranks(names: Sequence[str]) -> I64:
    """Return the place of each name among all: by number where all are numbers."""
    is_number = all(name.lstrip("-").isdigit() for name in names)
    known = sorted(set(names), key=int if is_number else str)
    return np.array([known.index(name) for name in names])


def _draw_mean(axes: Axes, mean: float, inks: Theme) -> None:
    axes.axhline(mean, color=inks.ink, linewidth=0.9, linestyle=(0, (4, 2)))
    axes.annotate(
        f"mean\n{mean:,.0f}", (1.0, mean), xycoords=("axes fraction", "data"), fontsize=NOTE,
        color=inks.ink, ha="left", va="center", xytext=(4, 0), textcoords="offset points",
    )  # fmt: skip


def _bar_colors(order: I64, names: list[str] | None, inks: Theme) -> list[str]:
    """Return one color, or two in turn where the bars are in groups."""
    if names is None:
        return [inks.colors[0]] * len(order)
    places = ranks(names)
    tones = (inks.colors[0], inks.pale)
    return [tones[places[k] % 2] for k in order]


def _name_groups(axes: Axes, order: I64, names: list[str] | None) -> None:
    """Write each class under its clusters, where there is room for it."""
    if names is None:
        axes.set_xticks([])
        axes.set_xlabel("clusters, the largest first")
        return
    places = ranks(names)[order]
    starts = np.flatnonzero(np.diff(places, prepend=-1))
    ends = np.append(starts[1:], len(order))
    inch = WIDEST / len(order)
    named = [(start, end) for start, end in zip(starts, ends, strict=True)
             if text_width([names[order[start]]]) * TICK / 72 < (end - start) * inch]  # fmt: skip
    axes.set_xticks(
        [(start + end - 1) / 2 for start, end in named],
        [names[order[start]] for start, _ in named],
    )
    axes.set_xlabel("clusters by majority class, the largest first")
