"""How all pictures look: inks, palette, sizes of text.

Colors are those of Okabe & Ito, "Color universal design" (2008), which people
with any kind of color vision tell apart; yellow, which paper swallows, is
brown on light paper. What is ordered is drawn in one hue that grows darker (or lighter, on
dark), or in cividis.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_rgba
from matplotlib.figure import Figure
from matplotlib.textpath import TextPath
from matplotlib.ticker import Formatter

from streamkm.errors import SourceError

ThemeName = Literal["light", "dark"]
DPI: Final = 150
WIDTH: Final = 8.0  # inches, of pictures that need no more

TITLE: Final = 11.0  # points
LABEL: Final = 9.5
TICK: Final = 8.5
NOTE: Final = 8.0
LEAST: Final = 5.0  # text that would be smaller is left out


@dataclass(frozen=True, slots=True)
class Theme:
    """Inks for one kind of paper.

    Parameters
    ----------
    paper, ink, soft, faint
        Background; what is read; what is read second; lines behind the data.
    colors
        For categories, the most distinct first.
    pale
        The first of them in another tone.
    """

    paper: str
    ink: str
    soft: str
    faint: str
    colors: tuple[str, ...]
    pale: str

    @property
    def ramp(self) -> LinearSegmentedColormap:
        """Colors of shares from nothing, which is bare paper, to the most."""
        rest = ("#20577f", self.colors[0]) if self.is_dark else ("#9ecae9", "#08306b")
        return LinearSegmentedColormap.from_list("share", [self.paper, *rest])

    @property
    def two_ways(self) -> LinearSegmentedColormap:
        """Colors of what is less or more than usual, which is bare paper."""
        ends = [self.colors[0], self.paper, self.colors[1]]
        return LinearSegmentedColormap.from_list("less and more", ends)

    @property
    def is_dark(self) -> bool:
        """Whether the paper is darker than the ink."""
        return self is DARK


LIGHT: Final = Theme(
    paper="#ffffff", ink="#1f2328", soft="#59636e", faint="#d8dee4",
    colors=("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#555555", "#8C2D04"),
    pale="#56B4E9",
)  # fmt: skip
DARK: Final = Theme(
    paper="#14181d", ink="#e8ecf1", soft="#9aa4af", faint="#343b44",
    colors=("#56B4E9", "#E69F00", "#009E73", "#CC79A7", "#F0E442", "#D55E00", "#BBBBBB", "#C0A060"),
    pale="#2E86C1",
)  # fmt: skip


def theme_of(name: ThemeName) -> Theme:
    """Return a theme by name.

    Raises
    ------
    SourceError
        If there is none of the name.
    """
    themes = {"light": LIGHT, "dark": DARK}
    if name not in themes:
        raise SourceError(f"theme {name!r} is unknown; known are {', '.join(themes)}")
    return themes[name]


def new_figure(width: float, height: float, theme: Theme, *, is_laid_out: bool = True) -> Figure:
    """Return an empty figure of a size in inches."""
    layout: Literal["constrained"] | None = "constrained" if is_laid_out else None
    return Figure(figsize=(width, height), dpi=DPI, layout=layout, facecolor=theme.paper)


def ink_on(color: tuple[float, float, float, float], theme: Theme) -> str:
    """Return which of the theme's ink and paper stands out the more from a color."""
    light = _luminance(color)
    return max((theme.ink, theme.paper), key=lambda ink: _contrast(_luminance(to_rgba(ink)), light))


def _luminance(color: tuple[float, float, float, float]) -> float:
    # WCAG 2.2, relative luminance
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in color[:3]]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


def _contrast(one: float, other: float) -> float:
    return (max(one, other) + 0.05) / (min(one, other) + 0.05)


def dress(axes: Axes, theme: Theme, *, grid: Literal["x", "y", "both"] | None = "y") -> None:
    """Give axes the theme's inks, no box, and quiet lines behind the data."""
    axes.set_facecolor("none")
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(theme.soft)
    axes.tick_params(colors=theme.soft, labelcolor=theme.ink, labelsize=TICK, which="both")
    axes.xaxis.label.set(color=theme.ink, fontsize=LABEL)
    axes.yaxis.label.set(color=theme.ink, fontsize=LABEL)
    axes.yaxis.get_offset_text().set(color=theme.ink, fontsize=TICK)
    axes.xaxis.get_offset_text().set(color=theme.ink, fontsize=TICK)
    if grid is not None:
        axes.grid(visible=True, axis=grid, color=theme.faint, linewidth=0.7)
    axes.set_axisbelow(True)


def head(figure: Figure, title: str, theme: Theme) -> None:
    """Write a title over a figure, from its left end; widen the figure where it must."""
    width, height = figure.get_size_inches()
    needed = text_width([title]) * TITLE / 72 + 0.25
    figure.set_size_inches(max(width, needed), height)
    x = 0.1 / max(width, needed)
    figure.suptitle(plain(title), x=x, ha="left", fontsize=TITLE, color=theme.ink)


def note(figure: Figure, text: str, theme: Theme) -> None:
    """Write what must be known to read the picture under it."""
    x = 0.1 / figure.get_figwidth()
    figure.supxlabel(plain(text), x=x, ha="left", fontsize=NOTE, color=theme.soft)


def scaled(axes: Axes, name: str, values: Sequence[float]) -> str:
    """Write the ticks of the upright axis in a power of ten; return its name with the power."""
    most = max((abs(value) for value in values), default=0.0)
    power = int(np.floor(np.log10(most))) if most and not 1e-3 <= most < 1e5 else 0
    axes.yaxis.set_major_formatter(_Scaled(power))
    return f"{name}, ×10{_raised(power)}" if power else name


class _Scaled(Formatter):
    """Ticks in a power of ten that is written elsewhere, all with as many decimals."""

    def __init__(self, power: int) -> None:
        self.power = power

    def __call__(self, x: float, pos: int | None = None) -> str:
        return f"{x / 10.0**self.power:.6g}"

    def format_ticks(self, values: Sequence[float]) -> list[str]:
        """Write all ticks of an axis."""
        shown = np.asarray(values, np.float64) / 10.0**self.power
        slack = 1e-6 * float(np.ptp(shown)) if len(shown) else 0.0
        for decimals in range(9):
            if (np.abs(np.round(shown, decimals) - shown) <= slack).all():
                break
        return [f"{value:,.{decimals}f}" for value in shown]


def _raised(power: int) -> str:
    return str(power).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def plain(text: object) -> str:
    """Return text that is not read as mathematics, whatever dollars are in it."""
    return str(text).replace("$", r"\$")


def number(value: float) -> str:
    """Write a number for people: 1,234 or 1.259×10¹¹."""
    if value and not 1e-3 <= abs(value) < 1e7:
        digits, _, power = f"{value:.4g}".partition("e")
        if not power:
            digits, _, power = f"{value:.3e}".partition("e")
        return f"{digits}×10{_raised(int(power))}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def text_width(texts: Sequence[str]) -> float:
    """Return the width of the widest of some lines, in ems."""
    lines = {line for text in texts for line in text.split("\n") if line.strip()}
    longest = sorted(lines, key=len)[-8:]
    return max(map(_line_width, longest), default=0.0)


@lru_cache(maxsize=4096)
def _line_width(line: str) -> float:
    return float(TextPath((0, 0), line, size=1).get_extents().width)
