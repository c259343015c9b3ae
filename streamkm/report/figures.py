"""Pictures on the page, in both themes: vectors, or pixels where those are smaller."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from typing import Any, Final

from streamkm.plots.files import to_svg
from streamkm.plots.style import ThemeName
from streamkm.report.html import Html, tag

CSS_DPI: Final = 96  # pixels of CSS to an inch
WIDE: Final = 900  # pixels of CSS
MOST_SVG_BYTES: Final = 200_000
MOST_SVG_IMAGES: Final = 400  # of at least half a kilobyte each
MOST_LOSSLESS_BYTES: Final = 600_000

Draw = Callable[[ThemeName], Any]


def picture(name: str, draw: Draw, alt: str, caption: str, *, is_sheet: bool = False) -> Html:
    """Return a figure that follows the reader's theme.

    Parameters
    ----------
    name
        Its id.
    draw
        Draws it for a theme.
    alt
        What it shows, for those who do not see it.
    caption
        What stands under it.
    is_sheet
        Whether it is a sheet of many small images, which never shrinks. All
        scroll in boxes of their own where the page is too narrow; charts shrink
        before that, while their words can be read.
    """
    figure = draw("light")
    width, height = (round(inches * CSS_DPI) for inches in figure.get_size_inches())
    light, write = _smallest(figure)
    dark = write(draw("dark"))
    kind = "wide" if width >= WIDE else "sheet" if is_sheet else "chart"
    image = tag("img", src=light, alt=alt, width=width, height=height, class_=kind)
    source = tag("source", srcset=dark, media="(prefers-color-scheme: dark)")
    drawn = tag("picture", source, image)
    label = f"Picture: {caption}"
    box = tag("div", drawn, class_="scroll", role="region", aria_label=label, tabindex=0)
    return tag("figure", box, tag("figcaption", caption), id=name)


def _smallest(figure: Any) -> tuple[str, Callable[[Any], str]]:
    """Return a figure as a data URI, and what wrote it: the other theme is written alike."""
    n_images = sum(len(axes.images) for axes in figure.axes)
    # So many images would be too large a vector graphic: its making is the report's longest step.
    tried = [(_svg, MOST_SVG_BYTES)] if n_images <= MOST_SVG_IMAGES else []
    for write, most_bytes in (*tried, (_lossless, MOST_LOSSLESS_BYTES)):
        made = write(figure)
        if len(made) * 3 // 4 <= most_bytes:  # in base64, four characters are three bytes
            return made, write
    return _lossy(figure), _lossy


def _svg(figure: Any) -> str:
    return _data_uri("svg+xml", to_svg(figure).encode())


def _lossless(figure: Any) -> str:
    """Hundreds of small images."""
    return _webp(figure, 2.0, lossless=True)


def _lossy(figure: Any) -> str:
    """Hundreds of small images in color."""
    return _webp(figure, 1.5, quality=85)


def _webp(figure: Any, scale: float, **settings: Any) -> str:
    buffer = io.BytesIO()
    dpi = scale * CSS_DPI
    figure.savefig(buffer, format="webp", dpi=dpi, transparent=True, pil_kwargs=settings)
    return _data_uri("webp", buffer.getvalue())


def _data_uri(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
